-- Lists jobs, newest first.
-- $1 statuses separated by commas, $2 job_type, $3 queue, $4 owner, $5 tag, $6 JSON the payload must contain, $7 priority,
-- $8 idempotency_key, enqueued not before: $9 instant or $10 ms ago, enqueued before: $11 instant or $12 ms ago
-- (each null = any), $13 at most so many rows, $14 only ids below this one (null = all), $15 bool: fill the column json.
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
        when j.started_at is not null and j.status not in ('pending', 'waiting')
        then (extract(epoch from coalesce(j.finished_at, clock_timestamp()) - j.started_at) * 1000)::bigint
        end as "due/took_ms",
    case when j.status not in ('completed', 'cancelled') then left(split_part(j.error, E'\n', 1), 200) else '' end as error_note,
    case when $15::bool then to_jsonb(j) end as json
from ganger.list_jobs(
    jsonb_strip_nulls(jsonb_build_object(
        'status', string_to_array($1::text, ','), 'job_type', $2::text, 'queue', $3::text, 'owner', $4::text,
        'tags', case when $5::text is not null then jsonb_build_array($5::text) end,
        'priority', $7::int, 'idempotency_key', $8::text,
        'created_at', nullif(jsonb_strip_nulls(jsonb_build_object(
            'gte', coalesce($9::text::timestamptz, now() - $10::bigint * interval '1 ms'),
            'lt', coalesce($11::text::timestamptz, now() - $12::bigint * interval '1 ms'))), '{}')))
    || case when $6::text is null then '{}' else jsonb_build_object('search', $6::text::jsonb) end,
    max_rows => $13::int,
    after => $14::bigint
) as j
order by j.id desc;
