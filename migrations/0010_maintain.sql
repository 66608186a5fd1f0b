-- Cluster duties. Each is safe if two nodes run it at once.

-- Who runs the duties: true when `node` holds (or takes) the lease for `ttl`.
create function ganger._take_duty(node bigint, ttl interval default '10 s') returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
#variable_conflict use_variable
begin
    if exists (select from ganger.duty d where d.name = 'cluster' and d.node_id = node
               and d.until > clock_timestamp() + ttl / 2 and d.until <= clock_timestamp() + ttl) then
        return true; -- renewed at half time: most polls write nothing
    end if;
    update ganger.duty d set node_id = node, until = clock_timestamp() + ttl
    where d.name = (select x.name from ganger.duty x where x.name = 'cluster' for update skip locked)
      and (d.node_id = node or d.until < clock_timestamp() or d.until > clock_timestamp() + ttl -- the clock was set back
           or not exists (select from ganger.node n where n.id = d.node_id and n.state = 'alive'));
    return found;
end $$;

-- Lets go on what is due, makes the jobs of schedules, and works off signals. Returns how many were due, and when the next is
-- (null: nothing waits).
create function ganger._promote(max_jobs integer default 10000)
returns table (promoted integer, next_due timestamptz, scheduled integer)
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
    due   bigint[];
    going bigint[];    -- of them those that wait
    clock timestamptz; -- one for both looks: between two nothing would be seen
    tick  timestamptz;
begin
    select r.scheduled, r.next_at into scheduled, tick from ganger._run_schedules() r;
    promoted := 0;
    perform ganger._expire_tokens();
    loop
        clock := clock_timestamp();
        select coalesce(array_agg(d.id), '{}'), coalesce(array_agg(d.id) filter (where d.status = 'waiting'), '{}') into due, going
        from (select j.id, j.status from ganger.job j where j.wait_token is null and j.lease_until is null and j.due_at <= clock
              order by j.wait_token, j.lease_until, j.due_at limit 1000 for update skip locked) d;
        exit when cardinality(due) = 0;
        perform ganger._resume(going);
        perform ganger._open_gates(case when going = '{}' then due else array(select unnest(due) except select unnest(going)) end);
        promoted := promoted + cardinality(due);
        exit when promoted >= max_jobs;
    end loop;
    select j.due_at into next_due from ganger.job j
    where j.wait_token is null and j.lease_until is null and j.due_at > clock order by j.wait_token, j.lease_until, j.due_at limit 1;
    next_due := least(next_due, ganger._next_timeout(clock), tick);
    if exists (select from ganger.signal s where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))) then
        perform ganger._work_signals(1000);
    end if;
    if exists (select from ganger.queue q where q.rate is not null) then
        perform ganger._notify_work(q.name) from ganger.queue q
        where q.rate is not null and ganger._rate_room('queue', q.name, q.rate, q.rate_period) > 0;
        next_due := least(next_due, ganger._next_rate_free());
    end if;
    if promoted >= max_jobs then
        next_due := clock_timestamp();
    end if;
    return next;
end $$;

-- Weekly partitions of history for this week and the two to come, at most `most` new ones. Made ahead, so that the default stays
-- empty.
create function ganger._make_partitions(most integer default 6) returns integer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '50ms' as $$
declare
    parent  text;
    week    date;
    name    text;
    is_late boolean;
    n       integer := 0;
begin
    foreach parent in array array['history_completed', 'history_ended'] loop
        for week in select date_trunc('week', now() at time zone 'UTC')::date + 7 * i from generate_series(0, 2) i loop
            name := parent || to_char(week, '_IYYY_IW');
            continue when n >= most or to_regclass('ganger.' || name) is not null;
            -- seen before the strong lock is asked for: rows of that week in the default partition stay there
            execute format('select exists (select from ganger.%I where finished_at >= %L and finished_at < %L)', parent || '_default',
                week::text || ' 00:00+00', (week + 7)::text || ' 00:00+00') into is_late;
            continue when is_late;
            begin
                execute format('create table ganger.%I partition of ganger.%I for values from (%L) to (%L)', name, parent,
                    week::text || ' 00:00+00', (week + 7)::text || ' 00:00+00');
                n := n + 1;
            exception
                when lock_not_available or check_violation or duplicate_table then
                    null; -- busy: next time
            end;
        end loop;
    end loop;
    return n;
end $$;

-- Marks the oldest partition that lies wholly before the retention (settings retention_completed, retention_failed; or that of a queue, if
-- it is longer: then other queues' jobs go one by one, see _expire_queues) and is not
-- busy as retiring. Its name, or null: there is none.
create function ganger._retire_partition() returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '50ms' as $$
declare
    old record;
begin
    for old in
        select * from (
            select c.oid, c.relname,
                   (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz as upper,
                   greatest(case p.relname when 'history_completed' then ganger._setting('retention_completed', '30 days')
                                           else ganger._setting('retention_failed', '90 days') end::interval,
                            (select max(q.retention) from ganger.queue q)) as retention
            from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
            where i.inhparent in ('ganger.history_completed'::regclass, 'ganger.history_ended'::regclass)) x
        where x.upper < clock_timestamp() - x.retention and not ganger._is_retiring(x.oid)
        order by x.upper
    loop
        begin
            -- whoever is about to retry or delete one of its rows has done so then, and later ones see the mark
            execute format('lock table ganger.%I in share mode', old.relname);
            insert into ganger.retiring (part) values (old.oid);
            return old.relname;
        exception when lock_not_available then
            null;
        end;
    end loop;
    return null;
end $$;

-- Deletes what belongs to the rows of a retiring partition, a stretch of pages at a time, until `deadline`. Takes no lock that a
-- reader or a finish could wait for. True: nothing is left.
create function ganger._strip_partition(part oid, deadline timestamptz) returns boolean
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    step  constant bigint := 100;
    pages constant bigint := pg_relation_size(part) / current_setting('block_size')::bigint;
    page  bigint := (select r.next_page from ganger.retiring r where r.part = _strip_partition.part);
begin
    while page < pages and clock_timestamp() < deadline loop
        execute format($q$
            with gone as materialized (
                select h.id, h.job_type, h.status, h.started_at, h.finished_at from %s h
                where h.ctid >= '(%s,0)' and h.ctid < '(%s,0)'
            ), attempts as (
                delete from ganger.attempt a using gone g where a.job_id = any (array[g.id])
            ), events as (
                delete from ganger.event e using gone g where e.job_id = any (array[g.id])
            ), keys as (
                -- a unique key that somebody is just taking over is his
                delete from ganger.job_key k where k.ctid = any (array(
                    select x.ctid from gone g join ganger.job_key x on x.job_id = any (array[g.id]) for update of x skip locked))
            ), steps as (
                delete from ganger.step s using gone g where s.job_id = any (array[g.id])
            ), tokens as (
                delete from ganger.token t where t.token = any (array(
                    select x.token from gone g join ganger.token x on x.job_id = any (array[g.id])
                    where not exists (select from ganger.job j where j.wait_token = x.token offset 0) for update of x skip locked))
            )
            insert into ganger.retiring_stat
            select %s, r.job_type, r.status, r.bucket, count(*), coalesce(sum(r.us), 0)
            from (select g.job_type, g.status, x.us, ganger._run_bucket(g.status, x.us) as bucket
                  from gone g, ganger._run_us(g.started_at, g.finished_at) as x (us)) r
            group by r.job_type, r.status, r.bucket $q$, part::regclass, page, page + step, part);
        page := page + step;
        update ganger.retiring r set next_page = page where r.part = _strip_partition.part;
    end loop;
    return page >= pages;
end $$;

-- Drops a stripped partition. A drop needs the table above it for itself, and everything that reads or ends a job queues behind it:
-- so it asks for that first, waits 50 ms at most, and has nothing left to do when it has got it. False: busy.
create function ganger._drop_partition(part oid) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '50ms' as $$
begin
    insert into ganger.stat_delta (job_type, status, jobs, run_us, buckets)
    select s.job_type, s.status, - sum(s.jobs), - sum(s.run_us), case when s.bucket is not null then array[s.bucket] end
    from ganger.retiring_stat s where s.part = _drop_partition.part group by s.job_type, s.status, s.bucket;
    delete from ganger.retiring_stat s where s.part = _drop_partition.part;
    delete from ganger.retiring r where r.part = _drop_partition.part;
    execute format('lock table only %s in access exclusive mode',
                   (select i.inhparent::regclass from pg_inherits i where i.inhrelid = _drop_partition.part));
    execute format('drop table %s', part::regclass);
    return true;
exception when lock_not_available then
    return false;
end $$;

-- One step of looking after the partitions of history: makes one, or takes the oldest one past its retention apart, a step a call:
-- marks it, strips it (for `budget`), drops it. Each step is a transaction of its own, which must end with it: some hold up every
-- finish until then. So this is for gangerd alone. `more`: another step can follow at once.
create function ganger._tidy_partitions(budget interval default '200 ms', out step text, out more boolean)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    old oid;
begin
    more := false;
    if not pg_try_advisory_xact_lock(1196312402, -2) then
        step := 'busy'; -- another session is at it
    elsif ganger._make_partitions(1) > 0 then
        step := 'made';
        more := true;
    else
        select r.part into old from ganger.retiring r order by r.part limit 1;
        if not found then
            step := case when ganger._retire_partition() is null then 'nothing' else 'retired' end;
            more := step = 'retired';
        elsif not exists (select from pg_inherits i where i.inhrelid = old) then
            delete from ganger.retiring_stat s where s.part = old; -- an operator was quicker
            delete from ganger.retiring r where r.part = old;
            step := 'gone';
            more := true;
        elsif (select r.next_page * current_setting('block_size')::bigint < pg_relation_size(r.part)
               from ganger.retiring r where r.part = old) then
            perform ganger._strip_partition(old, clock_timestamp() + budget);
            step := 'stripped';
            more := true;
        else
            more := ganger._drop_partition(old);
            step := case when more then 'dropped' else 'busy' end;
        end if;
    end if;
end $$;

-- Deletes rows past their retention, some at a call: those of the default partitions, which cannot be dropped; with `everywhere`
-- those of all partitions, for a system without gangerd, which drops none. Queues with a retention of their own: _expire_queues.
create function ganger._expire_rows(everywhere boolean default false) returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    completed constant timestamptz := clock_timestamp() - ganger._setting('retention_completed', '30 days')::interval;
    ended     constant timestamptz := clock_timestamp() - ganger._setting('retention_failed', '90 days')::interval;
    apart     constant text[] := array(select q.name from ganger.queue q where q.retention is not null);
begin
    if everywhere then
        return ganger._forget(array(select h.id from ganger.history_completed h
                                    where h.finished_at < completed and not ganger._is_retiring(h.tableoid)
                                      and h.queue <> all (apart)
                                    limit 10000 for update skip locked))
             + ganger._forget(array(select h.id from ganger.history_ended h
                                    where h.finished_at < ended and not ganger._is_retiring(h.tableoid)
                                      and h.queue <> all (apart)
                                    limit 10000 for update skip locked));
    end if;
    return ganger._forget(array(select h.id from ganger.history_completed_default h
                                where h.finished_at < completed and h.queue <> all (apart) limit 1000 for update skip locked))
         + ganger._forget(array(select h.id from ganger.history_ended_default h
                                where h.finished_at < ended and h.queue <> all (apart) limit 1000 for update skip locked));
end $$;

-- Rows about nodes and workers that no job can name any more.
create function ganger._forget_nodes() returns integer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    horizon constant timestamptz := clock_timestamp() - greatest(ganger._setting('retention_completed', '30 days')::interval,
        ganger._setting('retention_failed', '90 days')::interval) - interval '8 days';
    n integer;
begin
    delete from ganger.worker w where w.state = 'dead' and w.ended_at < horizon
      and not exists (select from ganger._processing j where j.worker_id = w.id offset 0);
    get diagnostics n = row_count;
    delete from ganger.node k where k.state <> 'alive' and k.ended_at < horizon
      and not exists (select from ganger.worker w where w.node_id = k.id);
    return n;
end $$;

-- Folds the delta rows of ended jobs into one row per type and status, one per type and bucket of run times, and those per time.
-- Returns how many delta rows there were.
--
-- While somebody holds a snapshot the dead ones stay in the table. So only once in 10 s all of it is looked through, else
-- the pages at its end, where new rows go: 32 of those there were last time (each session that writes has one of its own), and what came
-- after. Until it is folded a delta counts all the same.
create function ganger._fold_stats() returns integer language plpgsql volatile set jit = off set enable_seqscan = off as $$
declare
    clock  constant timestamptz := clock_timestamp();
    turn   constant bigint := floor(extract(epoch from clock) / 10);
    mark   constant bigint := pg_sequence_last_value('ganger.fold_mark'::regclass); -- the turn, the pages there were
    pages  constant bigint := pg_relation_size('ganger.stat_delta') / current_setting('block_size')::bigint;
    start  constant bigint := case when mark >> 32 = turn then greatest(0, least(mark & 4294967295, pages) - 32) else 0 end;
    less   boolean;
    n      integer;
begin
    if not pg_try_advisory_xact_lock(1196312402, -1) then
        return 0; -- another session folds
    end if;
    if pages > 32 then
        perform setval('ganger.fold_mark', turn << 32 | pages);
    end if;
    with gone as (
        delete from ganger.stat_delta d where d.ctid >= format('(%s,0)', start)::tid returning *
    ), counts as (
        insert into ganger.stat as s (job_type, status, jobs, run_us)
        select g.job_type, g.status, sum(g.jobs), sum(g.run_us) from gone g group by g.job_type, g.status
        on conflict (job_type, status) do update set jobs = s.jobs + excluded.jobs, run_us = s.run_us + excluded.run_us
    ), runs as (
        insert into ganger.stat_run as s (job_type, bucket, jobs)
        select g.job_type, b.bucket, sum(g.jobs / cardinality(g.buckets)) from gone g, unnest(g.buckets) as b (bucket)
        group by g.job_type, b.bucket
        on conflict (job_type, bucket) do update set jobs = s.jobs + excluded.jobs
    ), rates as (
        insert into ganger.stat_rate as s (span, began_at, job_type, completed, failed, cancelled)
        select p.span, date_bin(make_interval(secs => p.span), g.ended_at, '2000-01-01 00:00+00'), g.job_type,
               coalesce(sum(g.jobs) filter (where g.status = 'completed'), 0),
               coalesce(sum(g.jobs) filter (where g.status = 'failed'), 0), coalesce(sum(g.jobs) filter (where g.status = 'cancelled'), 0)
        from gone g, ganger._rate_spans() p
        where g.ended_at > clock - p.kept
        group by 1, 2, 3
        on conflict (span, began_at, job_type) do update
        set completed = s.completed + excluded.completed, failed = s.failed + excluded.failed, cancelled = s.cancelled + excluded.cancelled
    ), totals as (
        insert into ganger.stat_total as s (status, ended, revived)
        select g.status, coalesce(sum(g.jobs) filter (where isfinite(g.ended_at)), 0), coalesce(- sum(g.jobs) filter (where g.ended_at = '-infinity'), 0)
        from gone g where g.ended_at is not null group by g.status
        on conflict (status) do update set ended = s.ended + excluded.ended, revived = s.revived + excluded.revived
    )
    select count(*), bool_or(g.jobs < 0) into n, less from gone g;
    if less then
        delete from ganger.stat s where s.jobs = 0;
        delete from ganger.stat_run s where s.jobs = 0;
    end if;
    perform ganger._count_enqueued(clock);
    perform ganger._forget_rates(clock);
    return n;
end $$;

-- The frequent duties, once a second by the elected reaper. promote: at most so many due jobs.
create function ganger._tick(promote integer default 10000) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    due record;
    advanced jsonb;
    late integer := 0;
    reclaimed text[];
    expired_tokens integer;
    expired_jobs integer;
    unhandled integer;
begin
    perform ganger._raise_floors(); -- first of all
    expired_tokens := ganger._expire_tokens();
    expired_jobs := ganger._expire_jobs(promote);
    perform ganger._work_signals(10000);
    select * into due from ganger._promote(promote);
    advanced := ganger._advance();
    if exists (select from ganger.late_result) then
        late := ganger._apply_late_results();
    end if;
    perform ganger._recheck_barriers();
    reclaimed := ganger._reclaim_expired_leases() || ganger._reclaim_dead_workers();
    unhandled := coalesce(ganger._fail_unhandled(promote), 0);
    perform ganger._fold_stats();
    perform ganger._forget_claims();
    perform ganger._forget_unwanted();
    return jsonb_build_object('promoted', due.promoted, 'scheduled', due.scheduled, 'next_due', due.next_due, 'reclaimed', cardinality(reclaimed),
                              'reclaimed_jobs', array_to_string(reclaimed[1:20], ', '),
                              'late_results', late, 'expired_tokens', expired_tokens,
                              'expired_jobs', expired_jobs, 'unhandled', unhandled)
           || coalesce(advanced, '{"busy": true}');
end $$;

-- The rare duties but partitions (_tidy_partitions): rows past their retention, nodes, lanes. Returns the counts.
create function ganger._tidy(everywhere boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._forget_starts();
    perform ganger._forget_unique_keys();
    return jsonb_build_object('expired_rows', ganger._expire_rows(everywhere) + ganger._expire_queues(), 'nodes_forgotten', ganger._forget_nodes(),
                              'lanes_forgotten', ganger._forget_lanes(), 'tokens_forgotten', ganger._forget_tokens(),
                              'batches_forgotten', ganger._forget_batches());
end $$;

-- One pass of every cluster duty, now. The elected reaper runs the same; a system without gangerd (or a test) moves time on
-- by it. It never judges nodes: that needs an observer with a clock of its own. Partitions it leaves alone, as this transaction may be
-- a long one; without gangerd what is past its retention goes row by row.
--
-- Returns counts: promoted (all that is due), scheduled (jobs of schedules), reclaimed (reclaimed_jobs names the first of them), expired_jobs (not started by their expires_at),
-- unhandled (failed as no_handler), expired_tokens, late_results, expired_rows (ended jobs past their retention), nodes_forgotten,
-- lanes_forgotten, tokens_forgotten; next_due: when the next job, token
-- or tick is due, null: none; busy: true when another session is at the lanes.
create function ganger.maintain() returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._tick(promote => 2147483647)
           || ganger._tidy(everywhere => not exists (select from ganger.node n where n.state = 'alive'));
end $$;

-- Takes back jobs nobody can be at any more: their worker has been dead, or an outside worker's lease over, for longer than
-- `older_than` (zero or more). Live work is never touched. Returns how many. gangerd, and maintain(), do so after seconds by themselves.
-- Errors: 22023 older_than missing or below zero.
create function ganger.reclaim_stuck(older_than interval default '10 min') returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(case when older_than is null then '22023 older_than is missing'
                                       else ganger._duration_problem('older_than', older_than, true) end);
    return cardinality(ganger._reclaim_dead_workers(older_than) || ganger._reclaim_expired_leases(older_than));
end $$;

-- What a node asks once a second: is there work for it, what of its own is to be cancelled, is it the leader, when is
-- something due, which of its workers an operator wants ended.
create function ganger._poll(node bigint, queues text[], job_types text[])
returns table (has_work boolean, leader boolean, alive boolean, cancels text[], due_in_ms bigint, unwanted bigint[])
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off
as $$
begin
    has_work := ganger._has_work(queues, job_types);
    alive := exists (select from ganger.node n where n.id = node and n.state = 'alive');
    leader := alive and ganger._take_duty(node);
    if alive then
        perform ganger._note_service(node, queues, job_types);
    end if;
    -- by job and lease: those of a batch have one lease
    select array_agg(j.id || ':' || replace(j.lease_id::text, '-', '')) into cancels
    from ganger.worker w join ganger.job j on j.worker_id = w.id
    where w.node_id = node and w.state = 'alive' and j.lease_id is not null and j.cancel_requested;
    select array_agg(w.id) into unwanted from ganger.worker w
    where w.id = any (array(select u.worker_id from ganger.unwanted_worker u)) and w.node_id = node and w.state = 'alive';
    select greatest(0, ceil(extract(epoch from least(
               (select j.due_at from ganger.job j where j.wait_token is null and j.lease_until is null and j.due_at is not null
                order by j.wait_token, j.lease_until, j.due_at limit 1),
               ganger._next_timeout(),
               -- no older ones: the tick once a second meets those, and the index may be full of dead entries
               (select s.next_at from ganger.schedule s where s.next_at > now() - interval '2 s' order by s.next_at limit 1),
               case when exists (select from ganger.queue q where q.rate is not null) then ganger._next_rate_free() end,
               case when exists (select from ganger.signal s
                                 where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))
                                   and s.not_before is null)
                    then clock_timestamp() end) - clock_timestamp()) * 1000))::bigint
    into due_in_ms;
    return next;
end $$;

create function ganger._set_setting(name text, value text) returns void
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    insert into ganger.setting as s values (name, value) on conflict (name) do update set value = excluded.value
    where s.value <> excluded.value
$$;

select ganger._make_partitions();
