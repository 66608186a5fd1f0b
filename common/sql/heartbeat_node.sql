-- One heartbeat of this node.
-- $1 bigint: node; $2 bigint: how far its wall clock is before the server's, microseconds; null: not known; $3 int: processors;
-- $4 text: load; null: not known; $5 bigint[], $6 bigint[], $7 bigint[], $8 bigint[]: its processes, their processor time in
-- microseconds, thousandths of a processor, resident bytes (reaper/usage.h).
-- Columns: `alive`: false = it has been buried; `clock_us`: what time it is on the server, microseconds since 1970.
SELECT ganger._heartbeat_node($1::bigint, $2::bigint * interval '1 us', $3::integer, $4::real, $5::bigint[], $6::bigint[],
                              $7::bigint[], $8::bigint[]) AS alive,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock_us;
