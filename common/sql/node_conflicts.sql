-- Live nodes of this name.
-- $1 text: name.
-- Columns: id, host, boot_id, pid, process_start, heartbeat, lease_ms.
SELECT n.id, n.host, n.boot_id, n.pid, n.process_start, n.heartbeat, n.lease_ms
FROM ganger._live_nodes() AS n
WHERE n.name = $1::text;
