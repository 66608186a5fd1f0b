-- Lists jobs, newest first.
-- $1 filter, $2 at most so many rows, $3 only ids below this one (null = all), $4 bool: fill the column json.
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
        then (extract(epoch from now() - coalesce(j.next_attempt_at, j.run_at)) * 1000)::bigint
        when j.status = 'waiting' and j.wait_until > now()
        then (extract(epoch from now() - j.wait_until) * 1000)::bigint
        when j.started_at is not null and j.status not in ('pending', 'waiting')
        then (extract(epoch from coalesce(j.finished_at, clock_timestamp()) - j.started_at) * 1000)::bigint
        end as "due/took_ms",
    case when j.status not in ('completed', 'cancelled') then left(split_part(j.error, E'\n', 1), 200) else '' end as error_note,
    case when $4::bool then to_jsonb(j) end as json
from ganger.list_jobs($1::text::jsonb, max_rows => $2::int, after => $3::bigint) as j
order by j.id desc;
