-- The queues. $1 name, null = all; $2 bool: fill the column json (the row of ganger.queues).
-- Columns: as shown; limits: raw_*, in words of the program; json.
select v.name, case when v.paused then 'paused' else 'active' end as state, v.runnable, v.pending, v.processing, v.waiting,
    (extract(epoch from clock_timestamp() - v.oldest_runnable_at) * 1000)::bigint as oldest_age,
    v.concurrency as raw_concurrency, v.group_concurrency as raw_group_concurrency, v.rate as raw_rate,
    (extract(epoch from v.rate_period) * 1000)::bigint as raw_rate_period,
    (extract(epoch from v.retention) * 1000)::bigint as raw_retention,
    case when $2::bool then to_jsonb(v) end as json
from ganger.queues as v
where $1::text is null or v.name = $1::text
order by v.name;
