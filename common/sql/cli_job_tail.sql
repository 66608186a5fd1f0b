-- What happened to a job, as cli_job_events, and whether that is all. $1 id. Columns: key, which stays when the row comes again; at, event,
-- data; is_over; json. No rows: there is no such job.
select
    case when e.id <> 0 then e.id::text -- the start of an attempt has no number, and its instant is corrected later
        else concat(e.data, ' ', row_number() over (partition by e.id, e.data order by e.at)) end as key,
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') as at, e.event, e.data::text as data,
    j.status in ('completed', 'failed', 'cancelled') as is_over, to_jsonb(e)::text as json
from ganger.get_job($1::bigint) as j, ganger.job_events($1::bigint) with ordinality as e (id, event, at, data, job_id, place)
order by e.place;
