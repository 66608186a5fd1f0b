-- What happened to a job, as cli_job_events, after an event of it. $1 id; $2 the highest number of an event that was seen, 0 = none.
-- Columns: number; key, which stays when the row comes again; at, event, data, json: null in the last row, which stands for the job itself;
-- total: how many numbered events there are; is_over. No rows: there is no such job.
with events as materialized (
    select e.id as number,
        case when e.id <> 0 then e.id::text -- the start of an attempt has no number, and its instant is corrected later
            else concat(e.data, ' ', row_number() over (partition by e.id, e.data order by e.at)) end as key,
        e.at, e.event, e.data, to_jsonb(e)::text as json, e.place, count(nullif(e.id, 0)) over () as total
    from ganger.job_events($1::bigint) with ordinality as e (id, event, at, data, job_id, place)
)
select x.number, x.key, to_char(x.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') as at, x.event, x.data::text as data, x.json,
    x.total, j.status in ('completed', 'failed', 'cancelled') as is_over
from ganger.get_job($1::bigint) as j
cross join lateral (
    select e.number, e.key, e.at, e.event, e.data, e.json, e.place, e.total from events as e where e.number = 0 or e.number > $2::bigint
    union all
    select null, null, null, null, null, null, null, coalesce((select max(e.total) from events as e), 0)
) as x
order by x.place nulls last;
