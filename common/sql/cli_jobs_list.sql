-- Lists jobs, newest first.
-- $1 status, $2 job_type, $3 queue, $4 owner, $5 tag, $6 JSON the payload must contain (each null = any),
-- $7 at most so many rows, $8 only ids below this one (null = all), $9 bool: fill the column json.
-- Columns: as shown; json = the job as in ganger.jobs.
select
    j.id,
    j.job_type as type,
    j.queue,
    j.status || coalesce(' (' || j.pending_reason || ')', '') as status,
    j.priority as pri,
    j.attempts || '/' || j.max_attempts as tries,
    (extract(epoch from now() - j.created_at) * 1000)::bigint as added_age,
    case when j.status = 'pending' and coalesce(j.next_attempt_at, j.run_at) > now()
        then (extract(epoch from now() - coalesce(j.next_attempt_at, j.run_at)) * 1000)::bigint end as due_age,
    case when j.started_at is not null and j.status not in ('pending', 'waiting')
        then (extract(epoch from coalesce(j.finished_at, clock_timestamp()) - j.started_at) * 1000)::bigint
        end as took_ms,
    case when j.status <> 'completed' then left(split_part(j.error, E'\n', 1), 200) else '' end as error,
    case when $9::bool then row_to_json(j) end as json
from ganger.list_jobs(
    jsonb_strip_nulls(jsonb_build_object(
        'status', $1::text, 'job_type', $2::text, 'queue', $3::text, 'owner', $4::text))
    || case when $5::text is null then '{}'
        else jsonb_build_object('tags', jsonb_build_object('values', jsonb_build_array($5::text), 'mode', 'all')) end
    || case when $6::text is null then '{}' else jsonb_build_object('search', $6::text::jsonb) end,
    max_rows => $7::int,
    after => $8::bigint
) as j
order by j.id desc;
