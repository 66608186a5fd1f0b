-- Enqueues one job; a null means the default of ganger.enqueue.
-- $1 job_type, $2 payload JSON, $3 queue, $4 priority, $5 run_at, $6 delay in ms, $7 max_attempts,
-- $8 timeout in ms, $9 kill_grace in ms, $10 retry_delay in ms, $11 retry_backoff, $12 retry_delay_max in ms,
-- $13 tags separated by commas, $14 idempotency_key, $15 owner, $16 metadata JSON.
-- Columns: id; json, the same as an object.
select e.id, jsonb_build_object('id', e.id) as json
from ganger.enqueue(
    job_type => $1::text,
    payload => $2::text::jsonb,
    queue => $3::text,
    priority => $4::int,
    run_at => coalesce($5::text::timestamptz, now() + $6::bigint * interval '1 ms'),
    max_attempts => $7::int,
    timeout => $8::bigint * interval '1 ms',
    kill_grace => $9::bigint * interval '1 ms',
    retry_delay => $10::bigint * interval '1 ms',
    retry_backoff => $11::bool,
    retry_delay_max => $12::bigint * interval '1 ms',
    tags => string_to_array($13::text, ','),
    idempotency_key => $14::text,
    owner => $15::text,
    metadata => $16::text::jsonb
) as e (id);
