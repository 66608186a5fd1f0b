-- All that is known about a schedule. $1 name. Columns: fact, value, kind (see cli_job_facts); json, the same in each row.
select f.fact, f.value, f.kind, to_jsonb(s)::text as json
from ganger.schedules as s,
    lateral (values
        (1, 'name', s.name, 'text'),
        (2, 'state', case when s.paused then 'paused' else 'active' end, 'status'),
        (3, 'cron', s.cron, 'text'),
        (4, 'time zone', s.timezone, 'text'),
        (5, 'next run', to_char(s.next_run_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
        (6, 'last run', to_char(s.last_run_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
        (7, 'last job', s.last_job_id::text, 'text'),
        (8, 'last error', s.last_error, 'lines'),
        (9, 'overlap', s.overlap, 'text'),
        (10, 'catch up', s.catch_up, 'text'),
        (11, 'type', s.job_type, 'text'),
        (12, 'payload', s.payload::text, 'json'),
        (13, 'options', nullif(s.options, '{}')::text, 'json'),
        (14, 'created', to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
        (15, 'changed', case when s.updated_at > s.created_at
            then to_char(s.updated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') end, 'text')
    ) as f (place, fact, value, kind)
where s.name = $1::text and f.value is not null
order by f.place;
