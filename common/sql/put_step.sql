-- Stores the result of a step of a running job.
-- $1 bigint: job; $2 uuid: lease; $3 text: name; $4 jsonb: result.
-- Column `done`: false when the lease was lost.
SELECT ganger.step_put($1::bigint, $2::uuid, $3::text, $4::jsonb) AS done;
