-- What a connection of the HTTP process needs beside connect_settings; not behind a pooler, whose session belongs to others too.
-- $1 int: the backend's pid as the client was told it; $2 text: how long a statement may take, as 5s.
-- Columns: `settings`: how many were set; `lacking`: behind a pooler, the limit that ALTER ROLE ... SET has not made, or not as narrow,
-- as NAME = VALUE; else empty.
select count(set_config(name, value, false)) as settings,
    case when pg_backend_pid() <> $1::int and current_setting('statement_timeout')::interval not between '1 ms' and $2::text::interval
        then format('statement_timeout = %L', $2::text) else '' end as lacking
from (values ('statement_timeout', $2::text), ('idle_session_timeout', '0')) as wanted (name, value)
where pg_backend_pid() = $1::int;
