-- Held by a node's reaper for as long as its session lives: the next supervisor of that name waits for its end.
-- 1196312403 is "GNGS": the advisory lock class of nodes.
-- $1 bigint: node.
-- Column `locked`: false while an earlier session of this reaper still ends.
SELECT pg_try_advisory_lock(1196312403, ($1::bigint & 2147483647)::integer) AS locked;
