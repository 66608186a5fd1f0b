-- Runs an SQL handler and completes its job, in one transaction.
-- $1 text: function; $2 bigint: job; $3 uuid: lease; $4 text: the node's name.
-- Column `done`: true; a lost lease raises GG002 (everything is rolled back). The function may wait for locks as
--   long as its job may run: the worker watches the time.
SELECT CASE WHEN set_config('lock_timeout', '0', true) IS NOT NULL
            THEN ganger.run_sql_handler($1::text, $2::bigint, $3::uuid, node => $4::text) END AS done;
