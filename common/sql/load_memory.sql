-- What earlier runs of a running job have left for this one.
-- $1 bigint: job; $2 uuid: lease.
-- Columns: `name`, `result`: a step; one row has no name: the token the last wait was for, {token, status, data}, or null. No rows:
-- the lease is stale.
SELECT m.name, m.result FROM ganger._memory($1::bigint, $2::uuid) AS m;
