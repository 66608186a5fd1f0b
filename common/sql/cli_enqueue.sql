-- Enqueues one job; what is not named has the default of ganger.enqueue.
-- $1 job_type, $2 payload JSON, $3 the other parameters, a JSON object, $4 run_at as ms from now, $5 expires_at as ms from now (null: as $3
-- says). Columns: id; json, the same as an object.
select e.id, jsonb_build_object('id', e.id) as json
from jsonb_to_record($3::text::jsonb) as o (
        queue text, priority int, run_at timestamptz, max_attempts int, timeout interval, kill_grace interval,
        retry_delay interval, retry_backoff bool, retry_delay_max interval, expires_at timestamptz, tags text[],
        idempotency_key text, unique_key text, unique_for interval, on_conflict text, group_key text, depends_on bigint[],
        depends_on_tags text[], dead_letter_job_type text, owner text, metadata jsonb),
    ganger.enqueue(
        job_type => $1::text,
        payload => $2::text::jsonb,
        queue => o.queue,
        priority => o.priority,
        run_at => coalesce(o.run_at, now() + $4::bigint * interval '1 ms'),
        max_attempts => o.max_attempts,
        timeout => o.timeout,
        kill_grace => o.kill_grace,
        retry_delay => o.retry_delay,
        retry_backoff => o.retry_backoff,
        retry_delay_max => o.retry_delay_max,
        expires_at => coalesce(o.expires_at, now() + $5::bigint * interval '1 ms'),
        tags => o.tags,
        idempotency_key => o.idempotency_key,
        unique_key => o.unique_key,
        unique_for => o.unique_for,
        on_conflict => o.on_conflict,
        group_key => o.group_key,
        depends_on => o.depends_on,
        depends_on_tags => o.depends_on_tags,
        dead_letter_job_type => o.dead_letter_job_type,
        owner => o.owner,
        metadata => o.metadata
    ) as e (id);
