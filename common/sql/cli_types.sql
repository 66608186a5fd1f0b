-- The job types. $1 name, null = all; $2 bool: fill the column json (the row of ganger.job_types).
-- Columns: as shown; limits: raw_*, in words of the program; json.
select v.name, case when v.paused then 'paused' else 'active' end as state, v.runnable, v.pending, v.processing, v.waiting,
    v.concurrency as raw_concurrency, (extract(epoch from v.timeout) * 1000)::bigint as raw_timeout,
    v.max_crashes as raw_max_crashes,
    case when $2::bool then to_jsonb(v) end as json
from ganger.job_types as v
where $1::text is null or v.name = $1::text
order by v.name;
