-- What happened to a job, as cli_job_events, and whether that is all. $1 id. Columns: number (0: has none), at, event, data; is_over; json.
-- No rows: there is no such job.
select e.id as number, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') as at, e.event, e.data::text as data,
    j.status in ('completed', 'failed', 'cancelled') as is_over, to_jsonb(e)::text as json
from ganger.get_job($1::bigint) as j, ganger.job_events($1::bigint) as e;
