-- Buries a node whose heartbeat has not moved.
-- $1 bigint: node; $2 bigint: the heartbeat last seen.
-- Column `worker`: its workers, all dead from here on, and a null; no row: it was not buried.
SELECT b.worker FROM ganger._bury_node($1::bigint, $2::bigint) AS b (worker);
