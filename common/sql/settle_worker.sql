-- Last step of settling: everything the database says that worker held.
-- $1 bigint: worker; $2 bigint[], $3 uuid[], $4 text[], $5 text[], $6 bigint[], $7 bigint[], $8 bigint[], $9 bigint[],
-- $10 bigint[], $11 text[]: results from its slot (jobs, leases, outcomes, bodies, delays ms, ran us, ended us ago, cpu us, max
-- rss, logs); $12 bigint, $13 uuid, $14 text, $15 text: the running job, its lease, outcome, message; $16 int exit code; $17 int
-- signal; $18 bigint cpu us; $19 bigint max rss; $20 text log; $21 bigint ran us; $22 bool: charge the rest; $23 text: why the
-- rest goes.
-- Columns: finished, charged, released; rest_jobs: the first of the rest, id and type each, for the log.
SELECT s.finished, s.charged, s.released, s.rest_jobs
FROM ganger._settle_worker($1::bigint, $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bigint, $13::uuid, $14::text, $15::text, $16::integer,
    $17::integer, $18::bigint, $19::bigint, $20::text, $21::bigint, $22::boolean, $23::text) AS s;
