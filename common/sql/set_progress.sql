-- Shows the progress of a running job.
-- $1 bigint: job; $2 uuid: lease; $3 int: percent or null (unchanged); $4 text: message or null; $5 text: stage or null.
-- Column `done`: false when the lease was lost.
SELECT ganger.set_progress($1::bigint, $2::uuid, $3::int, $4::text, $5::text) AS done;
