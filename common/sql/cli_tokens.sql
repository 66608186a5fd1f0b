-- The tokens, newest first. $1 bool: those that have ended, too; $2 at most so many; $3 bool: fill the column json (the row of
-- ganger.tokens). Columns: as shown; those named all_* are for $1; json.
select v.token, v.status, v.job_id as job, array_to_string(v.tags, ',') as tags,
    (extract(epoch from clock_timestamp() - v.created_at) * 1000)::bigint as created_age,
    (extract(epoch from clock_timestamp() - v.timeout_at) * 1000)::bigint as timeout_age,
    (extract(epoch from clock_timestamp() - v.completed_at) * 1000)::bigint as all_completed_age,
    case when $3::bool then to_jsonb(v) end as json
from ganger.tokens as v
where $1::bool or v.status = 'waiting'
order by v.created_at desc, v.token
limit $2::int;
