-- Cluster duties. Each is safe if two nodes run it at once.

-- Who runs the duties: true when `node` holds (or takes) the lease for `ttl`.
create function ganger._take_duty(node bigint, ttl interval default '10 s') returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
#variable_conflict use_variable
begin
    if exists (select from ganger.duty d where d.name = 'cluster' and d.node_id = node
               and d.until > clock_timestamp() + ttl / 2) then
        return true; -- renewed at half time: most polls write nothing
    end if;
    update ganger.duty d set node_id = node, until = clock_timestamp() + ttl
    where d.name = (select x.name from ganger.duty x where x.name = 'cluster' for update skip locked)
      and (d.node_id = node or d.until < clock_timestamp()
           or not exists (select from ganger.node n where n.id = d.node_id and n.state = 'alive'));
    return found;
end $$;

-- Makes runnable what is due. Returns how many, and when the next is due (null: nothing waits).
create function ganger._promote(max_jobs integer default 10000) returns table (promoted integer, next_due timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
    due   bigint[];
    clock timestamptz; -- one for both looks: between two nothing would be seen
begin
    promoted := 0;
    loop
        clock := clock_timestamp();
        due := array(select j.id from ganger.job j where j.due_at <= clock
                     order by j.due_at limit 1000 for update skip locked);
        exit when cardinality(due) = 0;
        perform ganger._make_runnable(due, false);
        promoted := promoted + cardinality(due);
        exit when promoted >= max_jobs;
    end loop;
    select j.due_at into next_due from ganger.job j where j.due_at > clock order by j.due_at limit 1;
    if promoted >= max_jobs then
        next_due := clock_timestamp();
    end if;
    return next;
end $$;

-- Weekly partitions of history for this week and the two to come. Made ahead, so that the default stays empty.
create function ganger._make_partitions() returns integer language plpgsql volatile set lock_timeout = '50ms' as $$
declare
    parent text;
    week   date;
    name   text;
    n      integer := 0;
begin
    foreach parent in array array['history_completed', 'history_ended'] loop
        for week in select date_trunc('week', now() at time zone 'UTC')::date + 7 * i from generate_series(0, 2) i loop
            name := parent || to_char(week, '_IYYY_IW');
            if to_regclass('ganger.' || name) is null then
                begin
                    execute format('create table ganger.%I partition of ganger.%I for values from (%L) to (%L)', name, parent,
                        week::text || ' 00:00+00', (week + 7)::text || ' 00:00+00');
                    n := n + 1;
                exception
                    when lock_not_available or check_violation or duplicate_table then
                        null; -- busy: next time; rows already in the default partition: they stay there
                end;
            end if;
        end loop;
    end loop;
    return n;
end $$;

-- Drops the partitions of history that lie wholly before the retention (settings retention_completed, retention_failed).
-- Waits at most 50 ms for the lock, as every finish queues behind it; what could not be dropped is dropped next time.
create function ganger._drop_partitions() returns integer language plpgsql volatile set lock_timeout = '50ms' as $$
declare
    part record;
    n    integer := 0;
begin
    for part in
        select c.relname, (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz as upper,
               case p.relname when 'history_completed' then ganger._setting('retention_completed', '30 days')
                              else ganger._setting('retention_failed', '90 days') end::interval as retention
        from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
        where i.inhparent in ('ganger.history_completed'::regclass, 'ganger.history_ended'::regclass)
    loop
        continue when part.upper is null or part.upper > clock_timestamp() - part.retention;
        begin
            execute format('lock table ganger.%I in access exclusive mode', part.relname);
            execute format('insert into ganger.stat_delta select job_type, status, -count(*), '
                '-coalesce(sum(extract(epoch from finished_at - started_at) * 1e6), 0)::bigint from ganger.%I group by 1, 2',
                part.relname);
            execute format('delete from ganger.attempt a using ganger.%I h where a.job_id = h.id', part.relname);
            execute format('delete from ganger.event e using ganger.%I h where e.job_id = h.id', part.relname);
            execute format('delete from ganger.job_key k using ganger.%I h where k.job_id = h.id', part.relname);
            execute format('drop table ganger.%I', part.relname);
            n := n + 1;
        exception when lock_not_available then
            null;
        end;
    end loop;
    return n;
end $$;

-- What a partition cannot be dropped for: rows of the default partitions, by age.
create function ganger._expire_rows() returns bigint language sql volatile as $$
    select ganger._forget(array(
        (select h.id from ganger.history_completed_default h
         where h.finished_at < clock_timestamp() - ganger._setting('retention_completed', '30 days')::interval limit 1000)
        union all
        (select h.id from ganger.history_ended_default h
         where h.finished_at < clock_timestamp() - ganger._setting('retention_failed', '90 days')::interval limit 1000)))
$$;

-- Rows about nodes and workers that no job can name any more.
create function ganger._forget_nodes() returns integer language plpgsql volatile as $$
declare
    horizon constant timestamptz := clock_timestamp() - greatest(ganger._setting('retention_completed', '30 days')::interval,
        ganger._setting('retention_failed', '90 days')::interval) - interval '8 days';
    n integer;
begin
    delete from ganger.worker w where w.state = 'dead' and w.ended_at < horizon
      and not exists (select from ganger.job j where j.worker_id = w.id and j.status = 'processing');
    get diagnostics n = row_count;
    delete from ganger.node k where k.state <> 'alive' and k.ended_at < horizon
      and not exists (select from ganger.worker w where w.node_id = k.id);
    return n;
end $$;

-- Folds the delta rows of ended jobs into one row per type and status.
create function ganger._fold_stats() returns integer language plpgsql volatile as $$
declare
    n integer;
begin
    if not pg_try_advisory_xact_lock(1196312402, -1) then
        return 0; -- another session folds
    end if;
    with gone as (
        delete from ganger.stat_delta returning job_type, status, jobs, run_us
    )
    insert into ganger.stat as s (job_type, status, jobs, run_us)
    select g.job_type, g.status, sum(g.jobs), sum(g.run_us) from gone g group by g.job_type, g.status
    on conflict (job_type, status) do update set jobs = s.jobs + excluded.jobs, run_us = s.run_us + excluded.run_us;
    get diagnostics n = row_count;
    return n;
end $$;

-- The frequent duties, once a second by the elected reaper.
create function ganger._tick() returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    due record;
    advanced jsonb;
    late integer := 0;
    reclaimed integer;
begin
    select * into due from ganger._promote();
    advanced := ganger._advance();
    if exists (select from ganger.late_result) then
        late := ganger._apply_late_results();
    end if;
    reclaimed := ganger._reclaim_expired_leases() + ganger._reclaim_dead_workers();
    perform ganger._fold_stats();
    return jsonb_build_object('promoted', due.promoted, 'next_due', due.next_due, 'reclaimed', reclaimed, 'late_results', late)
           || coalesce(advanced, '{"busy": true}');
end $$;

-- The rare duties: partitions, retention. Returns the count of dropped partitions and deleted rows. Making and dropping
-- a partition holds up every finish until the transaction ends: no caller may stay open after it (partitions: false).
create function ganger._tidy(partitions boolean default true) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return jsonb_build_object('partitions_made', case when partitions then ganger._make_partitions() else 0 end,
                              'partitions_dropped', case when partitions then ganger._drop_partitions() else 0 end,
                              'expired_rows', ganger._expire_rows(), 'nodes_forgotten', ganger._forget_nodes(),
                              'lanes_forgotten', ganger._forget_lanes());
end $$;

-- One pass of every cluster duty, now. The elected reaper runs the same; a system without gangerd (or a test) moves time on
-- by it. It never judges nodes: that needs an observer with a clock of its own. Partitions it leaves to a live node, as this
-- transaction may be a long one.
create function ganger.maintain() returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return jsonb_build_object('scheduled', 0, 'expired_jobs', 0, 'expired_tokens', 0) || ganger._tick()
           || ganger._tidy(partitions => not exists (select from ganger.node n where n.state = 'alive'));
end $$;

-- Takes back jobs that have been processing for longer than `older_than` although nobody can be at them: their worker is dead,
-- or an outside worker's lease is over. Live work is never touched. Returns how many.
create function ganger.reclaim_stuck(older_than interval default '10 min') returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(case when older_than is null then '22023 older_than is missing'
                                       else ganger._duration_problem('older_than', older_than, true) end);
    return ganger._reclaim_dead_workers(older_than) + ganger._reclaim_expired_leases();
end $$;

-- What a node asks once a second: is there work for it, what of its own is to be cancelled, is it the leader, when is
-- something due.
create function ganger._poll(node bigint, queues text[], job_types text[])
returns table (has_work boolean, leader boolean, alive boolean, cancel_leases uuid[], due_in_ms bigint)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off
as $$
begin
    has_work := ganger._has_work(queues, job_types);
    alive := exists (select from ganger.node n where n.id = node and n.state = 'alive');
    leader := alive and ganger._take_duty(node);
    select array_agg(j.lease_id) into cancel_leases
    from ganger.worker w join ganger.job j on j.worker_id = w.id
    where w.node_id = node and w.state = 'alive' and j.cancel_requested and j.lease_id is not null;
    select greatest(0, ceil(extract(epoch from j.due_at - clock_timestamp()) * 1000))::bigint into due_in_ms
    from ganger.job j where j.due_at is not null order by j.due_at limit 1;
    return next;
end $$;

create function ganger._set_setting(name text, value text) returns void
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    insert into ganger.setting as s values (name, value) on conflict (name) do update set value = excluded.value
    where s.value <> excluded.value
$$;

select ganger._make_partitions();

-- Nothing is for everybody.
revoke all on all tables in schema ganger from public;
revoke all on all sequences in schema ganger from public;
revoke all on all functions in schema ganger from public;
revoke all on all routines in schema ganger from public;
