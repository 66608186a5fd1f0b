-- How long this transaction may wait for a lock.
-- $1 text: a duration as lock_timeout takes it; '0' = for ever.
select set_config('lock_timeout', $1::text, true);
