-- Has any migration ever been applied here? Read from the catalog's tables: to_regclass may answer from a cache that does not
-- know yet what another migrator committed while this one waited for the lock.
-- Column `is_begun`.
select exists (
    select
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'ganger' and c.relname = 'migration'
) as is_begun;
