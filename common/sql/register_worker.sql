-- Registers a worker on this connection.
-- $1 bigint: node; $2 text: pool; $3 int: pid; $4 bigint: process start in clock ticks; $5 bool: behind a pooler.
-- Column `id`: null when the node is not alive.
SELECT ganger._register_worker($1::bigint, $2::text, $3::integer, $4::bigint, $5::boolean) AS id;
