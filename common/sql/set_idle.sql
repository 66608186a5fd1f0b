-- Says whether enqueuers should notify this node.
-- $1 bigint: node; $2 bool.
SELECT ganger._set_idle($1::bigint, $2::boolean);
