-- The processes of a node's live workers.
-- $1 bigint: node.
-- Columns: id, pid, process_start.
SELECT w.id, w.pid, w.process_start FROM ganger._live_workers($1::bigint) AS w;
