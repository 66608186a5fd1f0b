-- The applied migrations, in order.
-- Columns: version int, name text, sha256 text, applied_at text (UTC, ISO 8601).
select
    version,
    name,
    sha256,
    to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as applied_at
from ganger.migration
order by version;
