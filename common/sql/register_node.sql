-- Registers this node.
-- $1 text: name; $2 text: host; $3 text: boot id and pid namespace; $4 int: pid of the supervisor; $5 bigint: its start in
-- clock ticks; $6 bigint: lease ms; $7 text: version.
-- Column `id`.
SELECT ganger._register_node($1::text, $2::text, $3::text, $4::integer, $5::bigint,
                             make_interval(secs => $6::bigint / 1e3), $7::text) AS id;
