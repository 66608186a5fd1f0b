-- One heartbeat of this node.
-- $1 bigint: node.
-- Column `alive`: false = it has been buried.
SELECT ganger._heartbeat_node($1::bigint) AS alive;
