-- The batches, newest first. $1 at most so many; $2 bool: fill the column json (the row of ganger.batches). Columns: as shown; json.
select v.id as batch, v.status, v.job_type as type, v.completed || '/' || v.total as done, v.failed, v.concurrency as "at once",
    (extract(epoch from clock_timestamp() - v.created_at) * 1000)::bigint as created_age,
    (extract(epoch from coalesce(v.finished_at, clock_timestamp()) - v.started_at) * 1000)::bigint as took_ms,
    case when $2::bool then to_jsonb(v) end as json
from ganger.batches as v
order by v.created_at desc, v.id
limit $1::int;
