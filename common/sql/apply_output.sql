-- Has a program's output applied by a function, and completes its job, in one transaction.
-- $1 text: function; $2 bigint: job; $3 uuid: lease; $4 jsonb: output or null; $5 bigint: cpu us or null; $6 bigint: max rss or null;
-- $7 text: log or null.
-- Column `done`: true; a lost lease raises GG002 (everything is rolled back). The function may wait for locks as
--   long as its job may run: the worker watches the time.
SELECT ganger.run_sql_handler($1::text, $2::bigint, $3::uuid, true, $4::jsonb, $5::bigint, $6::bigint, $7::text) AS done
FROM (SELECT set_config('lock_timeout', '0', true) OFFSET 0) AS settings;
