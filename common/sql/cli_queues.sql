-- The queues. $1 bool: fill the column json (the row of ganger.queues). Columns: as shown; json.
select v.name, v.paused, v.runnable, v.pending, v.processing,
    (extract(epoch from clock_timestamp() - v.oldest_runnable_at) * 1000)::bigint as oldest_runnable_age,
    case when $1::bool then to_jsonb(v) end as json
from ganger.queues as v
order by v.name;
