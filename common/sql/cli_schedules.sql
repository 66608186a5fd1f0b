-- The schedules. $1 bool: fill the column json (the row of ganger.schedules). Columns: as shown; json.
select v.name, case when v.paused then 'paused' else 'active' end as state, v.cron, v.timezone as zone, v.job_type as type,
    (extract(epoch from clock_timestamp() - v.next_run_at) * 1000)::bigint as next_age,
    (extract(epoch from clock_timestamp() - v.last_run_at) * 1000)::bigint as last_age,
    coalesce(v.last_error, '') as error_note,
    case when $1::bool then to_jsonb(v) end as json
from ganger.schedules as v
order by v.name;
