-- What became of a job, seen from inside the transaction that has just ended it.
-- $1 bigint: job.
-- Column `status`; no row when there is no such job.
SELECT status FROM ganger.get_job($1::bigint);
