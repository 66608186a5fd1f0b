-- Runs an SQL handler and completes its job, in one transaction.
-- $1 text: function; $2 bigint: job; $3 uuid: lease.
-- Column `done`: true; a lost lease raises GG002 (everything is rolled back). The function may wait for locks as
--   long as its job may run: the worker watches the time.
SELECT ganger.run_sql_handler($1::text, $2::bigint, $3::uuid) AS done
FROM (SELECT set_config('lock_timeout', '0', true) OFFSET 0) AS settings;
