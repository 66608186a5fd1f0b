-- This node ends in order.
-- $1 bigint: node.
SELECT ganger._stop_node($1::bigint);
