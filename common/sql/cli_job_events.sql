-- What happened to a job, oldest first (the function orders). $1 id, $2 bool: fill the column json. Columns: as shown; json.
select
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') as at,
    e.event::text as event,
    coalesce(e.data::text, '') as data_note,
    case when $2::bool then to_jsonb(e) end as json
from ganger.job_events($1::bigint) as e;
