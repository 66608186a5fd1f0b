-- One job with its attempts and events. $1 job id. Column: json. No row: no such job.
select (to_jsonb(j) || jsonb_build_object(
    'attempts_list', coalesce((
        select jsonb_agg(to_jsonb(a) - 'job_id' order by a.attempt, a.started_at)
        from ganger.attempts as a where a.job_id = j.id), '[]'),
    'events', coalesce((
        select jsonb_agg(to_jsonb(e)) from ganger.job_events(j.id) as e), '[]')
    ))::text as json
from ganger.get_job($1::bigint) as j;
