-- doctor(): looks for what is wrong, names it, and says how to mend it. This file: what it says of the server, of the tables and of
-- the schema; 0034_doctor_jobs.sql: of nodes, workers and jobs, and doctor() itself.
--
-- A check is a function _doctor_NAME(patience) that returns what it found, nothing when all is well. It reads statistics, catalogs, and a
-- few rows by an index: never a table as a whole. patience: what has lasted for less is not worth a word.

create type ganger.finding as (
    check_name text,
    severity   text,                                   -- ok, notice (nothing to do now), warning, error
    subject    text,                                   -- what it is about; null: the whole
    finding    text,
    mend       text                                    -- a statement, a command, or what else to do
);

-- A length of time in words.
create function ganger._span(length interval) returns text language sql immutable parallel safe as $$
    select case when s < 120 then round(s) || ' s' when s < 7200 then round(s / 60) || ' min'
                when s < 172800 then round(s / 3600) || ' h' else round(s / 86400) || ' days' end
    from extract(epoch from length) x (s)
$$;

-- Who keeps dead rows of this database from being removed. xids: how many transactions have begun since what it still sees;
-- held_for: null where PostgreSQL does not tell. Other roles' sessions are seen where the schema's owner is a superuser or has
-- pg_read_all_stats; prepared transactions and slots always. What they run is not told: it may be nobody's business.
create function ganger._horizon_holders()
returns table (kind text, subject text, held_for interval, xids integer, horizon text, finding text, mend text)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select 'session', format('session %s', a.pid), clock_timestamp() - a.xact_start, x.xids, x.horizon,
           case when a.usesysid is null then format('it is PostgreSQL''s %s', a.backend_type)
                else format('%s (%s) of role "%s" is %s', case when w.id is not null then format('worker %s', w.id) else 'a session' end,
                            coalesce(nullif(a.application_name, ''), 'no application_name'), coalesce(a.usename, a.usesysid::text), coalesce(a.state, 'in a transaction')) end,
           format('select pg_terminate_backend(%s);', a.pid)
    from pg_stat_activity a
    cross join lateral (select greatest(age(a.backend_xid), age(a.backend_xmin)) as xids,
                               coalesce(a.backend_xmin, a.backend_xid)::text as horizon) x
    left join ganger.worker w on w.backend_pid = a.pid and w.backend_start = a.backend_start
    where a.datname = current_database() and a.backend_type <> 'walsender' and a.pid <> pg_backend_pid() and x.horizon is not null
      and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid) -- these hold up nobody
    union all
    select 'prepared', format('prepared transaction %L', p.gid), clock_timestamp() - p.prepared, age(p.transaction), p.transaction::text,
           format('role "%s" has prepared it', p.owner), format('rollback prepared %L; -- or commit prepared', p.gid)
    from pg_prepared_xacts p where p.database = current_database()
    union all
    select 'slot', format('replication slot "%s"', s.slot_name), null, age(s.xmin), s.xmin::text,
           format('it is %s', case when s.active then 'in use' else 'not in use' end),
           format('select pg_drop_replication_slot(%L); -- if nobody needs it any more', s.slot_name)
    from pg_replication_slots s where s.xmin is not null
    union all
    select 'standby', format('standby "%s"', coalesce(nullif(a.application_name, ''), a.pid::text)), null, age(a.backend_xmin),
           a.backend_xmin::text, 'a query on it still needs old rows (hot_standby_feedback)',
           'end that query on the standby, or set max_standby_streaming_delay instead of hot_standby_feedback there'
    from pg_stat_activity a where a.backend_type = 'walsender' and a.backend_xmin is not null
$$;

-- For gangerd's log: the one that holds back the most. look_again: when to ask the next time; limit: what is worth a line.
create function ganger._oldest_horizon()
returns table (kind text, subject text, held_ms bigint, xids integer, horizon text, finding text, mend text, limit_ms bigint)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select h.kind, h.subject, (extract(epoch from h.held_for) * 1000)::bigint, h.xids, h.horizon, h.finding, h.mend, l.ms
    from (select (extract(epoch from ganger._setting('horizon_patience', '5 minutes')::interval) * 1000)::bigint) l (ms)
    left join lateral (select * from ganger._horizon_holders() x order by x.xids desc, x.held_for desc nulls last limit 1) h on true
$$;

create function ganger._doctor_snapshots(patience interval) returns setof ganger.finding language sql stable as $$
    select 'snapshots', case when h.held_for > greatest(patience, interval '1 h') then 'error' else 'warning' end, h.subject,
           format('open for %s, %s: dead rows of the last %s transactions cannot be removed, and its locks may stop others', ganger._span(h.held_for),
                  h.finding, h.xids),
           h.mend
    from ganger._horizon_holders() h where h.kind in ('session', 'prepared') and h.held_for > patience
    union all
    select 'snapshots', case when h.xids > 10000000 then 'warning' else 'notice' end, h.subject,
           format('%s: dead rows of the last %s transactions cannot be removed', h.finding, h.xids), h.mend
    from ganger._horizon_holders() h where h.kind in ('slot', 'standby') and h.xids > 1000000
    union all
    select 'snapshots', 'notice', 'other roles', format('role "%s", which owns the schema, does not see since when they have a transaction open', current_user),
           format('grant pg_read_all_stats to %I;', current_user)
    where not pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
$$;

-- How far WAL has been written, or why that cannot be known: Amazon Aurora has no such WAL, and the right to ask may have been revoked.
create function ganger._wal_written(out lsn pg_lsn, out problem text) language plpgsql stable as $$
begin
    if not pg_is_in_recovery() then
        lsn := pg_current_wal_lsn();
    end if;
exception when others then
    problem := sqlerrm;
end $$;

-- A slot that nobody reads keeps WAL until the disk is full.
create function ganger._doctor_slots(patience interval) returns setof ganger.finding language sql stable as $$
    select 'slots', case when s.wal_status in ('unreserved', 'lost') then 'warning' when k.bytes > 1073741824 then 'warning' else 'notice' end,
           format('replication slot "%s"', s.slot_name),
           case when s.wal_status = 'lost' then 'what its reader needs is gone: it cannot go on'
                when k.problem is not null then format('nobody reads it; how much WAL is kept for it cannot be found out on this server: %s', k.problem)
                else format('nobody reads it, and %s of WAL are kept for it', pg_size_pretty(k.bytes)) end,
           format('select pg_drop_replication_slot(%L); -- unless its reader comes back', s.slot_name)
    from pg_replication_slots s
    cross join lateral (select coalesce(pg_wal_lsn_diff(w.lsn, s.restart_lsn), 0) as bytes, w.problem from ganger._wal_written() w) k
    where not s.temporary and (not s.active or s.wal_status = 'lost')
$$;

create function ganger._doctor_server(patience interval) returns setof ganger.finding language sql stable as $$
    select 'server', 'error', 'recovery', 'this server is a standby: nothing can be enqueued or run here',
           'name the primary in the connection string (target_session_attrs=read-write picks it)'
    where pg_is_in_recovery()
    union all
    select 'server', 'error', 'default_transaction_read_only', 'transactions are read-only unless they say otherwise',
           'alter system reset default_transaction_read_only; select pg_reload_conf();'
    from pg_settings g where g.name = 'default_transaction_read_only' and g.reset_val = 'on' and not pg_is_in_recovery()
    union all
    select 'server', 'error', g.name, case g.name when 'fsync' then 'it is off: a crash of the machine may lose committed jobs, or the whole database'
                                                  else 'it is off: a crash of the machine may leave torn pages behind' end,
           format('alter system set %s = on; select pg_reload_conf();', g.name)
    from pg_settings g where g.name in ('fsync', 'full_page_writes') and g.setting = 'off'
    union all
    select 'server', 'warning', 'synchronous_commit',
           'it is off: a crash of the server may forget enqueues that were answered a moment before (gangerd sets it on for itself)',
           'alter system set synchronous_commit = on; select pg_reload_conf();'
    from pg_settings g where g.name = 'synchronous_commit' and g.reset_val = 'off' and g.source not in ('database', 'user', 'database user')
    union all
    select 'server', 'warning', 'synchronous_commit of ' || x.whose,
           'it is off: a crash of the server may forget what was answered a moment before', format('alter %s reset synchronous_commit;', x.whose)
    from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole
    cross join lateral (select concat_ws(' ', case when s.setrole <> 0 then format('role %I', r.rolname) end,
                                         case when s.setdatabase <> 0 and s.setrole <> 0 then format('in database %I', current_database())
                                              when s.setdatabase <> 0 then format('database %I', current_database()) end) as whose) x
    where 'synchronous_commit=off' = any (s.setconfig)
      and s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
$$;

-- The tables of the schema, but those of weeks of the history, which are never changed.
create view ganger._hot_tables as
select c.oid, c.oid::regclass::text as name, c.reloptions, pg_stat_get_live_tuples(c.oid) as live, pg_stat_get_dead_tuples(c.oid) as dead,
       greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) as vacuumed_at, pg_relation_size(c.oid) as bytes
from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'r' and not c.relispartition;

create function ganger._doctor_autovacuum(patience interval) returns setof ganger.finding language sql stable as $$
    select 'autovacuum', 'error', g.name, 'it is off: dead rows pile up, and claims become slow', format('alter system set %s = on; select pg_reload_conf();', g.name)
    from pg_settings g where g.name in ('autovacuum', 'track_counts') and g.reset_val = 'off'
    union all
    select 'autovacuum', 'warning', t.name, 'autovacuum is switched off for this table', format('alter table %s reset (autovacuum_enabled);', t.name)
    from ganger._hot_tables t where 'autovacuum_enabled=false' = any (t.reloptions) or 'autovacuum_enabled=off' = any (t.reloptions)
    union all
    select 'autovacuum', 'warning', t.name,
           format('%s dead rows beside %s live ones, and %s', t.dead, t.live,
                  case when t.vacuumed_at is null then 'it has never been vacuumed'
                       else 'it was last vacuumed ' || ganger._span(clock_timestamp() - t.vacuumed_at) || ' ago' end),
           format('vacuum %s; -- if that does not help, see the check "snapshots"', t.name)
    from ganger._hot_tables t
    where t.dead > 50000 and t.dead > t.live / 2 and (t.vacuumed_at is null or t.vacuumed_at < clock_timestamp() - patience)
    union all
    select 'autovacuum', case when age(d.datfrozenxid) > 1900000000 then 'error' else 'warning' end, format('database "%s"', d.datname),
           format('its oldest row is %s transactions old; at 2100000000 the server stops taking any', age(d.datfrozenxid)), 'vacuum;'
    from pg_database d where d.datname = current_database() and age(d.datfrozenxid) > 1200000000
$$;

-- Tables that are many times as large as their rows need. The room is used again, so nothing is lost but memory.
create function ganger._doctor_bloat(patience interval) returns setof ganger.finding language sql stable as $$
    select 'bloat', case when t.bytes > 1073741824 and t.bytes > 10 * x.wanted then 'warning' else 'notice' end, t.name,
           format('%s for %s live rows, which need about %s', pg_size_pretty(t.bytes), t.live, pg_size_pretty(x.wanted)),
           format('in a quiet hour: vacuum (full) %s; -- nobody can use the table meanwhile', t.name)
    from ganger._hot_tables t
    cross join lateral (select (t.live * (28 + w.bytes) * 100 / f.fill)::bigint as wanted
                        from (select coalesce(sum(s.avg_width), 300) as bytes from pg_stats s
                              where t.bytes > 67108864 and s.schemaname = 'ganger' and 'ganger.' || quote_ident(s.tablename) = t.name) w,
                             (select coalesce(max(o.option_value::integer), 100) as fill from pg_options_to_table(t.reloptions) o
                              where o.option_name = 'fillfactor') f) x
    where t.bytes > 67108864 and t.bytes > 4 * x.wanted
$$;

create function ganger._doctor_archive(patience interval) returns setof ganger.finding language plpgsql stable as $$
begin
    return query
    select 'archive', 'warning', 'archive_command', format('WAL has not been archived since %s: it piles up until the disk is full',
                                                           coalesce(a.last_archived_time::text, 'ever')),
           'see the log of the server for what the command says'
    from pg_stat_archiver a
    where current_setting('archive_mode') <> 'off' and a.last_failed_time > coalesce(a.last_archived_time, '-infinity')
      and coalesce(a.last_archived_time, a.stats_reset, '-infinity') < clock_timestamp() - patience;
    if has_function_privilege('pg_ls_waldir()', 'EXECUTE') then
        return query
        select 'archive', 'warning', 'pg_wal', format('%s of WAL, which are to be %s (max_wal_size)', pg_size_pretty(w.bytes), pg_size_pretty(m.bytes)),
               'see the check "slots", and whether archiving and standbys keep up'
        from (select sum(l.size) as bytes from pg_ls_waldir() l) w, (select pg_size_bytes(current_setting('max_wal_size')) as bytes) m
        where w.bytes > 4 * m.bytes;
    end if;
end $$;

-- A worker may have two sessions (the second for what a handler reports while its transaction is open), a reaper has one.
create function ganger._doctor_connections(patience interval) returns setof ganger.finding language sql stable as $$
    with server as (
        select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
               - coalesce(current_setting('reserved_connections', true), '0')::integer as most,
               (select sum(d.numbackends) from pg_stat_database d) as used
    ), needs as (
        select coalesce(sum(1 + n.workers * 2), 0) as sessions, count(*) as nodes
        from (select (select count(*) from ganger.worker w where w.node_id = k.id and w.state = 'alive' and w.backend_start is not null) as workers
              from ganger.node k where k.state = 'alive') n
    )
    select 'connections', case when s.used >= s.most then 'error' else 'warning' end, 'max_connections',
           format('%s of %s connections are taken: who comes next may be refused', s.used, s.most),
           'end idle sessions, pool those of applications, or raise max_connections'
    from server s where s.used >= s.most * 0.9
    union all
    select 'connections', 'warning', l.what, format('%s connections are allowed, and gangerd''s %s need up to %s', l.most, ganger._counted(n.nodes, 'node'), n.sessions),
           l.mend
    from needs n
    cross join lateral (
        select 'max_connections' as what, s.most, 'raise max_connections, or have fewer workers' as mend from server s
        union all
        select format('database "%s"', d.datname), d.datconnlimit, format('alter database %I connection limit -1;', d.datname)
        from pg_database d where d.datname = current_database() and d.datconnlimit >= 0
        union all
        select format('role "%s"', r.rolname), r.rolconnlimit, format('alter role %I connection limit -1;', r.rolname)
        from pg_roles r where r.rolconnlimit >= 0
          and r.rolname in (select a.usename from pg_stat_activity a where a.application_name in ('ganger-reaper', 'ganger-worker'))) l
    where l.most < n.sessions
$$;

create function ganger._doctor_timezones(patience interval) returns setof ganger.finding language sql stable as $$
    select 'timezones', 'error', format('schedule "%s"', s.name), format('the server knows no time zone "%s": it makes no jobs', s.timezone),
           format('install time zone data on the server, or: select ganger.edit_schedule(%L, ''{"timezone": "UTC"}'');', s.name)
    from ganger.schedule s where s.timezone in (select z.timezone from (select distinct x.timezone from ganger.schedule x) z
                                                where ganger._zone_problem(z.timezone) is not null)
$$;

-- This week's and next week's partitions; those of the week after that are being made.
create function ganger._doctor_partitions(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    select 'partitions', case when exists (select from ganger.node n where n.state = 'alive') then 'warning' else 'notice' end, format('ganger.%s', x.name),
           'it is missing: what ends in that week goes to the default partition, which cannot be dropped',
           'select ganger._make_partitions(); -- as the owner of the schema; gangerd does it each minute'
    from (select p || to_char(date_trunc('week', now() at time zone 'UTC')::date + 7 * i, '_IYYY_IW') as name
          from unnest(array['history_completed', 'history_ended']) p, generate_series(0, 1) i) x
    where to_regclass('ganger.' || x.name) is null
    union all
    select 'partitions', 'notice', 'ganger.history_completed_default', 'it has rows: they go one by one when their retention is over', 'nothing to do'
    where exists (select from ganger.history_completed_default)
    union all
    select 'partitions', 'notice', 'ganger.history_ended_default', 'it has rows: they go one by one when their retention is over', 'nothing to do'
    where exists (select from ganger.history_ended_default)
$$;

-- What the migrations have made, to see what was altered by hand since. What a server deparses is compared on that server's version only.
create table ganger.fingerprint (
    kind   text not null,                              -- function, table, index, view
    name   text not null,
    hash   text not null,
    server integer not null,
    primary key (kind, name)
);

create function ganger._fingerprints() returns table (kind text, name text, hash text)
language sql stable set search_path = pg_catalog as $$
    select 'function', p.oid::regprocedure::text, md5(concat_ws('|', p.prosrc, p.prosecdef, p.provolatile, p.proconfig::text, p.prorettype::regtype))
    from pg_proc p where p.pronamespace = 'ganger'::regnamespace
    union all
    select 'table', c.oid::regclass::text,
           md5((select string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' order by a.attnum)
                from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
    from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    union all
    select 'index', x.indexrelid::regclass::text, md5(pg_get_indexdef(x.indexrelid))
    from pg_index x join pg_class c on c.oid = x.indrelid where c.relnamespace = 'ganger'::regnamespace and not c.relispartition
    union all
    select 'view', c.oid::regclass::text, md5(pg_get_viewdef(c.oid))
    from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'v'
$$;

-- The last word of a migration.
create function ganger._note_fingerprints() returns void language sql volatile as $$
    delete from ganger.fingerprint;
    insert into ganger.fingerprint (kind, name, hash, server)
    select f.kind, f.name, f.hash, current_setting('server_version_num')::integer / 10000 from ganger._fingerprints() f
$$;

create function ganger._doctor_schema(patience interval) returns setof ganger.finding language sql stable as $$
    select 'schema', case when f.kind is null then 'error' else 'warning' end, format('%s %s', e.kind, e.name),
           case when f.kind is null then 'it is missing' else 'it is not what the migrations have made' end,
           case e.kind when 'function' then '`ganger migrate sql` prints it: run its create statement, with "or replace"'
                       else '`ganger migrate sql` prints how it was made' end
    from ganger.fingerprint e left join ganger._fingerprints() f on f.kind = e.kind and f.name = e.name
    where f.kind is null
       or f.hash <> e.hash and (e.kind in ('function', 'table') or e.server = current_setting('server_version_num')::integer / 10000)
    union all
    select 'schema', 'notice', format('%s %s', f.kind, f.name), 'it is not ganger''s: a later version may want the name, and an index costs each enqueue',
           'keep what is yours in another schema'
    from ganger._fingerprints() f
    where not exists (select from ganger.fingerprint e where e.kind = f.kind and e.name = f.name)
    union all
    select 'schema', 'error', format('index %s', x.indexrelid::regclass), 'it is invalid: nobody uses it',
           format('reindex index %s;', x.indexrelid::regclass)
    from pg_index x join pg_class c on c.oid = x.indrelid where c.relnamespace = 'ganger'::regnamespace and not x.indisvalid and c.relkind = 'r'
$$;

create function ganger._doctor_rights(patience interval) returns setof ganger.finding language sql stable as $$
    select 'rights', 'error', format('role "%s"', x.name), 'it is missing', format('create role %I; -- then give it its rights: migrations/0050_roles.sql', x.name)
    from unnest('{ganger_producer, ganger_api_producer, ganger_reader, ganger_worker, ganger_operator, ganger_admin}'::text[]) x (name)
    where not exists (select from pg_roles r where r.rolname = x.name)
    union all
    select 'rights', 'error', format('role "%s"', r.rolname), 'it may not use the schema', format('grant usage on schema ganger to %I;', r.rolname)
    from pg_roles r where r.rolname in ('ganger_producer', 'ganger_reader', 'ganger_worker', 'ganger_operator', 'ganger_admin')
      and not has_schema_privilege(r.oid, 'ganger', 'USAGE')
    union all
    select 'rights', 'warning', format('function %s', p.oid::regprocedure), 'everybody may call it', format('revoke execute on function %s from public;', p.oid::regprocedure)
    from pg_proc p where p.pronamespace = 'ganger'::regnamespace and has_function_privilege('public', p.oid, 'EXECUTE')
    union all
    select 'rights', 'warning', format('table %s', c.oid::regclass), 'everybody may read or change it', format('revoke all on %s from public;', c.oid::regclass)
    from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p', 'v')
      and has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
    union all
    select 'rights', 'warning', format('function %s', p.oid::regprocedure), format('it runs with the rights of "%s", who does not own the schema', p.proowner::regrole),
           format('alter function %s owner to %s;', p.oid::regprocedure, n.nspowner::regrole)
    from pg_namespace n join pg_proc p on p.pronamespace = n.oid where n.nspname = 'ganger' and p.prosecdef and p.proowner <> n.nspowner
$$;
