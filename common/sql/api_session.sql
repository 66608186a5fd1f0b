-- What a connection of the HTTP process needs beside connect_settings; not behind a pooler, whose session belongs to others too.
-- $1 int: the backend's pid as the client was told it; $2 text: how long a statement may take, as 5s.
-- Columns: `settings`: how many were set; `lacking`: behind a pooler, the limit that ALTER ROLE ... SET has not made, or not as narrow,
-- as NAME = VALUE; else empty.
select count(set_config(name, value, false)) as settings,
    (select coalesce(string_agg(format('%s = %L', s.name, $2::text), ''), '') from pg_settings s
     where pg_backend_pid() <> $1::int and s.name = 'statement_timeout'
         and s.setting::int not between 1 and extract(epoch from $2::text::interval) * 1000) as lacking
from (values ('statement_timeout', $2::text), ('idle_session_timeout', '0')) as wanted (name, value)
where pg_backend_pid() = $1::int;
