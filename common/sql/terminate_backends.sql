-- Ends the backends that workers talked through, and waits up to 2 s for each. pid and start time name a backend for good;
-- behind a pooler no start time was recorded and nothing is done.
-- $1 bigint[]: workers.
-- Column `gone`: false when one is still there.
SELECT coalesce(bool_and(pg_terminate_backend(a.pid, 2000)), true) AS gone
FROM ganger._worker_backends($1::bigint[]) AS b
JOIN pg_stat_activity AS a ON a.pid = b.pid AND a.backend_start = b.started
WHERE a.pid <> pg_backend_pid();
