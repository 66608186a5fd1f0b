-- Is a reaper of that node connected?
-- $1 bigint: node.
-- Column `locked`.
SELECT NOT pg_try_advisory_xact_lock(1196312403, ($1::bigint & 2147483647)::integer) AS locked;
