-- The events after one. $1 its number, $2 at most so many. Columns: number; at; job, null = of a batch; event; data; json.
select e.event_id as number, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') as at, e.job_id as job, e.event,
    e.data::text as data, to_jsonb(e)::text as json
from ganger.read_events($1::bigint, $2::int) as e;
