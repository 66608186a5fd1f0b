-- All that is known about one job, as a list of facts that are not null.
-- $1 job id. Columns: fact, value; kind: text, ms (milliseconds, measured), limit
-- (milliseconds, as somebody set them), status, json, lines. No rows: no such job.
select f.fact, f.value, f.kind
from ganger.get_job($1::bigint) as j,
    lateral (values
        (1, 'id', j.id::text, 'text'),
        (2, 'type', j.job_type, 'text'),
        (3, 'status', j.status || coalesce(' (' || j.pending_reason || ')', ''), 'status'),
        (4, 'waits for', case
            when j.status = 'waiting' and j.wait_token is not null then 'the token ' || j.wait_token
                || coalesce(', until ' || to_char(j.wait_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), '')
            when j.status = 'waiting' then 'its time, at ' || to_char(j.wait_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"')
            when j.status <> 'pending' then null
            when j.pending_reason = 'blocked' then concat_ws('; ', (
                select 'the end of job ' || string_agg(p.id::text, ', ' order by p.id)
                from unnest(j.depends_on) as d (id), ganger.get_job(d.id) as p where p.status <> 'completed'),
                'the end of all other jobs with the tags ' || array_to_string(j.depends_on_tags, ', '))
            when j.pending_reason = 'batch' then 'a place in its batch, or the batch''s start'
            when j.pending_reason = 'limited' then 'a place in its group'
            when j.pending_reason = 'paused' then 'its queue or job type, which is paused'
            when coalesce(j.next_attempt_at, j.run_at) > clock_timestamp() then
                case j.pending_reason when 'retry' then 'its next attempt, at ' else 'its time, at ' end
                || to_char(coalesce(j.next_attempt_at, j.run_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"')
            else 'a free worker that handles its type, since ' || to_char(
                greatest(coalesce(j.next_attempt_at, j.run_at), j.created_at, j.last_failed_at, j.last_retried_at)
                at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"')
            end, 'text'),
        (5, 'failure reason', j.failure_reason::text, 'text'),
        (6, 'queue', j.queue, 'text'),
        (7, 'priority', j.priority::text, 'text'),
        (8, 'attempts', j.attempts || ' of ' || j.max_attempts, 'text'),
        (9, 'crashes', nullif(j.crashes, 0)::text, 'text'),
        (10, 'progress', case when j.progress between 1 and 99 or j.progress_message is not null
            then j.progress || '%' || coalesce(' ' || j.progress_message, '') end, 'text'),
        (11, 'stage', j.stage, 'text'),
        (12, 'timeout', (extract(epoch from j.timeout) * 1000)::bigint::text, 'limit'),
        (13, 'kill grace', (extract(epoch from j.kill_grace) * 1000)::bigint::text, 'limit'),
        (14, 'retry delay', (extract(epoch from j.retry_delay) * 1000)::bigint::text, 'limit'),
        (15, 'tags', nullif(array_to_string(j.tags, ', '), ''), 'text'),
        (16, 'owner', j.owner, 'text'),
        (17, 'idempotency key', j.idempotency_key, 'text'),
        (18, 'unique key', j.unique_key, 'text'),
        (19, 'group', j.group_key, 'text'),
        (20, 'depends on', nullif(array_to_string(j.depends_on, ', '), ''), 'text'),
        (21, 'depends on tags', nullif(array_to_string(j.depends_on_tags, ', '), ''), 'text'),
        (22, 'batch', j.batch_id::text, 'text'),
        (23, 'dead letter as', j.dead_letter_job_type, 'text'),
        (24, 'dead letter', j.dead_letter_job_id::text, 'text'),
        (25, 'dead letter of', j.dead_letter_of::text, 'text'),
        (26, 'node', j.node::text, 'text'),
        (27, 'worker', j.worker, 'text'),
        (28, 'added', to_char(j.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (29, 'to run at', case when j.run_at > j.created_at
            then to_char(j.run_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"') end, 'text'),
        (30, 'expires', to_char(j.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (31, 'started', to_char(j.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (32, 'finished', to_char(j.finished_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS"Z"'), 'text'),
        (33, 'took', case when j.started_at is not null and j.status not in ('pending', 'waiting') then
            (extract(epoch from coalesce(j.finished_at, clock_timestamp()) - j.started_at) * 1000)::bigint::text
            end, 'ms'),
        (34, 'metadata', j.metadata::text, 'json'),
        (35, 'payload', j.payload::text, 'json'),
        (36, 'output', j.output::text, 'json'),
        (37, 'last error', case when j.status not in ('completed', 'cancelled') then j.error end, 'lines')
    ) as f (place, fact, value, kind)
where f.value is not null
order by f.place;
