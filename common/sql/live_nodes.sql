-- All live nodes but this one, for the observer.
-- $1 bigint: this node.
-- Columns: id, name, heartbeat, lease_ms.
SELECT n.id, n.name, n.heartbeat, n.lease_ms FROM ganger._live_nodes() AS n WHERE n.id <> $1::bigint;
