-- One migrator at a time, until the end of the transaction.
-- The key is 'ganger' in ASCII (x67616e676572); nothing else of ganger uses it.
select pg_advisory_xact_lock(113668161758578);
