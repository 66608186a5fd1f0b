-- Last step of settling: everything the database says that worker held.
-- $1 bigint: worker; $2 bigint[], $3 uuid[], $4 text[], $5 text[], $6 bigint[], $7 bigint[], $8 bigint[]: results from its
-- slot (jobs, leases, outcomes, bodies, delays ms, ran us, ended us ago); $9 bigint, $10 uuid, $11 text, $12 text: the running
-- job, its lease, outcome, message; $13 int exit code; $14 int signal; $15 bigint cpu us; $16 bigint max rss; $17 text log;
-- $18 bigint ran us; $19 bool: charge the rest; $20 text: why the rest goes.
-- Columns: finished, charged, released.
SELECT s.finished, s.charged, s.released
FROM ganger._settle_worker($1::bigint, $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint, $10::uuid, $11::text, $12::text, $13::integer, $14::integer, $15::bigint, $16::bigint,
    $17::text, $18::bigint, $19::boolean, $20::text) AS s;
