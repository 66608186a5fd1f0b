-- Keeps an attempt's log with its job, where the job is completed inside its handler's transaction.
-- $1 bigint: job; $2 uuid: lease; $3 text: the log.
-- Column `done`: false when the lease was lost.
SELECT ganger.log($1::bigint, $2::pg_catalog.uuid, $3::pg_catalog.text) AS done;
