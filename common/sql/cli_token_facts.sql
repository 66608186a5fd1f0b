-- All that is known about a token. $1 token. Columns: fact, value, kind (see cli_job_facts); json, the same in each row.
select f.fact, f.value, f.kind, to_jsonb(t)::text as json
from ganger.get_token($1::text) as t,
    lateral (values
        (1, 'token', t.token, 'text'),
        (2, 'status', t.status, 'status'),
        (3, 'job', t.job_id::text, 'text'),
        (4, 'tags', nullif(array_to_string(t.tags, ', '), ''), 'text'),
        (5, 'created', to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (6, 'timeout', to_char(t.timeout_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (7, 'completed', to_char(t.completed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (8, 'data', t.data::text, 'json')
    ) as f (place, fact, value, kind)
where f.value is not null
order by f.place;
