-- What time it is on the server.
-- Column `clock_us`: microseconds since 1970.
select (extract(epoch from clock_timestamp()) * 1000000)::bigint as clock_us;
