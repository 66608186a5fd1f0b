-- Enqueues a job for a handler.
-- $1 text: job type; $2 jsonb: payload or null for {}; $3 jsonb: options, an object of enqueue()'s parameters, or null.
-- Column `id`: the new job.
SELECT id
FROM ganger.enqueue_many(jsonb_build_array(
    coalesce($3::jsonb, '{}')
    || jsonb_build_object('job_type', $1::text, 'payload', coalesce($2::jsonb, '{}')))) AS id;
