-- Gives jobs back uncounted that were claimed but never started.
-- $1 bigint[]: jobs; $2 uuid[]: leases; $3 text: reason.
-- Column `released`: how many.
SELECT ganger._release($1::bigint[], $2::uuid[], $3::text) AS released;
