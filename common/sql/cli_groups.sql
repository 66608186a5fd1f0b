-- The groups. $1 key, null = all; $2 bool: fill the column json (the row of ganger.groups).
-- Columns: as shown; limits: raw_*, in words of the program; json.
select v.group_key as group, v.pending, v.limited, v.held, v.processing,
    v.concurrency as raw_concurrency, v.rate as raw_rate,
    (extract(epoch from v.rate_period) * 1000)::bigint as raw_rate_period,
    case when $2::bool then to_jsonb(v) end as json
from ganger.groups as v
where $1::text is null or v.group_key = $1::text
order by v.group_key;
