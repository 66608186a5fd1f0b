-- SPDX-License-Identifier: MIT
-- Measures one of `calls`: what it reads, and how long that takes. Included after calls.sql.

create temp table measured (state text, n integer, ms numeric, pages bigint, wal bigint, rows_read bigint, scanned text, jit bigint);

-- What this session has read of ganger's tables since its last commit: rows, where it read a table row by row, and else entries of indexes.
create function pg_temp.rows_read() returns bigint language sql as $$
    select coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid)), 0)::bigint
    from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'i') $$;
-- The former alone, by table: rows, and how often it was read so.
create function pg_temp.scanned() returns jsonb language sql as $$
    select coalesce(jsonb_object_agg(c.relname, array[pg_stat_get_xact_tuples_returned(c.oid), pg_stat_get_xact_numscans(c.oid)]), '{}')
    from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'r' and pg_stat_get_xact_numscans(c.oid) > 0 $$;
-- Queries compiled, of those inside functions: known where pg_stat_statements is loaded.
create function pg_temp.compiled() returns bigint language plpgsql as $$
declare
    n bigint;
begin
    execute 'select coalesce(sum(jit_functions), 0) from pg_stat_statements' into n;
    return n;
exception when undefined_table or object_not_in_prerequisite_state then
    return 0;
end $$;

-- Runs `call` and takes back all it did. What statement_timeout ends has neither time nor pages; an error of the call is raised.
create function pg_temp.measure(state text, c calls) returns measured language plpgsql as $$
declare
    m         measured;
    plan      jsonb;
    rows_was  bigint;
    seq_was   jsonb;
    jit_was   bigint;
begin
    m.state := state;
    m.n := c.n;
    begin
        truncate l;
        if c.prepare is not null then
            execute c.prepare;
        end if;
        jit_was := pg_temp.compiled();
        seq_was := pg_temp.scanned();
        rows_was := pg_temp.rows_read();
        execute 'explain (analyze, buffers, wal, timing off, format json) ' || c.call into plan;
        m.rows_read := pg_temp.rows_read() - rows_was;
        -- tables of more rows than a page or two has: a smaller one may well be read so for each of many jobs
        select string_agg(format('%s %s', s.key, d.rows), ', ' order by s.key) into m.scanned
        from jsonb_each(pg_temp.scanned()) s
        cross join lateral (select (s.value ->> 0)::bigint - coalesce((seq_was -> s.key ->> 0)::bigint, 0) as rows,
                                   (s.value ->> 1)::bigint - coalesce((seq_was -> s.key ->> 1)::bigint, 0) as scans) d
        where d.rows > 500 * d.scans;
        m.jit := pg_temp.compiled() - jit_was + coalesce((plan #>> '{0,JIT,Functions}')::bigint, 0);
        m.ms := (plan #>> '{0,Execution Time}')::numeric;
        m.pages := (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
        m.wal := (plan #>> '{0,Plan,WAL Bytes}')::bigint;
        raise exception using errcode = 'GG099';
    exception
        when sqlstate 'GG099' then
            null;
        when query_canceled then
            m.rows_read := pg_temp.rows_read() - rows_was;
    end;
    return m;
end $$;
