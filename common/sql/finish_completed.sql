-- Finishes a batch of completed jobs.
-- $1 bigint[]: jobs; $2 uuid[]: leases; $3 text[]: outputs; $4 bigint[]: ran us; $5 bigint[]: ended us ago;
-- $6 bigint[]: cpu us; $7 bigint[]: max rss; $8 text[]: logs.
-- Column `stale`: bigint[] of the ids whose lease was no longer valid.
SELECT ganger._finish_completed($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                                $7::bigint[], $8::text[]) AS stale;
