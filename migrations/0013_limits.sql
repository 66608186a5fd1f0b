-- The gates a job comes through before it is runnable, and the places of groups.
--
-- Queues and job types are a matter of the claim (0031_claim_limits.sql): it counts what runs under a lock of the limited name, and takes
-- no more. Groups are too many for that: a job with a group_key stays `limited`, outside the claim index, until it is given one of the
-- group's places. A place is held while the job is runnable or runs. Only short transactions give places, under an advisory
-- lock of the group, counting what is there; so the limit is exact, and nobody's open transaction is waited for.

create function ganger._is_paused(queue text, job_type text) returns boolean language sql stable parallel safe as $$
    select exists (select from ganger.queue q where q.name = _is_paused.queue and q.paused)
        or exists (select from ganger.job_type t where t.name = _is_paused.job_type and t.paused)
$$;

-- New jobs wait for a place in these groups: leaves signals, and notes that this transaction must not work them off.
create function ganger._signal_limited(groups text[]) returns void language plpgsql volatile as $$
begin
    insert into ganger.signal (kind, key) select 'group', g from unnest(groups) g;
    perform ganger._note_new_here('group', groups);
    perform ganger._notify_signal();
end $$;

-- Lets go on jobs that may: due ones, resumed ones, those that have nothing to wait for any more. The caller holds their rows. Each
-- comes as far as it can: blocked by what it depends on, then its batch, then its group; what passes all of them is runnable.
create function ganger._open_gates(ids bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    gated bigint[] := array(
        select j.id from ganger.job j
        where j.id = any (ids) and (j.depends_on is not null or j.depends_on_tags is not null or j.batch_id is not null
                                    or j.group_key is not null));
    free  bigint[];
    groups  text[];
    batches text[];
begin
    if cardinality(gated) = 0 then
        perform ganger._make_runnable(ids, false);
        return;
    end if;
    -- a started job has what it depended on behind it
    free := array(select j.id from ganger.job j
                  where j.id = any (gated) and (j.started_at is not null or (j.depends_on is null and j.depends_on_tags is null)))
            || ganger._unblocked(gated);
    with closed as (
        update ganger.job j
        set status = 'pending', due_at = null,
            pending_reason = case when j.id <> all (free) then 'blocked'
                                  when ganger._is_batch_closed(j.batch_id, j.batch_place) then 'batch'
                                  else 'limited' end,
            batch_place = case when not ganger._is_batch_closed(j.batch_id, j.batch_place) then j.batch_place end
        where j.id = any (gated)
          and (j.id <> all (free) or j.group_key is not null or ganger._is_batch_closed(j.batch_id, j.batch_place))
        returning j.id, j.pending_reason, j.group_key, j.batch_id
    ), told as (
        insert into ganger.signal (kind, key, job_id)
        select distinct 'batch', c.batch_id, null::bigint from closed c where c.pending_reason = 'batch'
        union all
        select 'blocked', null, c.id from closed c where c.pending_reason = 'blocked'
    )
    select coalesce(array_agg(c.id), '{}'), array_agg(distinct c.group_key) filter (where c.pending_reason = 'limited'),
           array_agg(distinct c.batch_id) filter (where c.pending_reason = 'batch')
    into gated, groups, batches from closed c;
    if batches is not null then
        perform ganger._note_new_here('batch', batches);
    end if;
    if groups is not null then
        perform ganger._signal_limited(groups);
    elsif cardinality(gated) > 0 then
        perform ganger._notify_signal();
    end if;
    perform ganger._make_runnable(array(
        select o.id from (select x.id, min(x.n) as n, bool_or(x.is_gated) as is_gated
                          from (select u.id, u.n, false as is_gated from unnest(ids) with ordinality u (id, n)
                                union all select g, null, true from unnest(gated) g) x group by x.id) o
        where not o.is_gated order by o.n), false); -- in their order
end $$;

-- The jobs that have a place in their group, runnable and running ones; and those that wait for one. In the words of the index job_group: by
-- seq alone, a plan made while little was runnable would look through all that is.
create view ganger._placed as
select j.* from ganger.job j where j.group_key is not null and (j.seq is null)::integer = 0;

create view ganger._limited as
select j.* from ganger.job j where j.group_key is not null and (j.seq is null)::integer = 1 and j.pending_reason = 'limited';

-- The queues after this one in which jobs of a group wait for a place. Called when there is one, which is seldom.
create function ganger._more_limited_queues(group_key text, queue text) returns setof text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
    return query
    with recursive q (queue) as (
        select _more_limited_queues.queue
        union all
        select (select j.queue from ganger._limited j
                where j.group_key = _more_limited_queues.group_key and j.queue > q.queue
                order by j.queue limit 1)
        from q where q.queue is not null
    )
    select q.queue from q where q.queue is not null offset 1;
end $$;

-- Gives free places of these groups to their next jobs: by priority, then age. A group another session is at is left to a signal, and so
-- is one with a job that somebody's open transaction holds. A rate that is used up has the next job wait for its time.
-- queue: places have become free in this one only, so groups without a limit of their own have none to give elsewhere; null: anywhere.
create function ganger._admit_groups(keys text[], queue text default null) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    most   integer; -- of a group and queue: bounds a call, as groups need not have limits
    locked text[];
    ids    bigint[];
    rated  boolean;
    clock  timestamptz;
begin
    locked := ganger._lock_places('group', ganger._not_new_here('group', keys), 'group');
    if cardinality(locked) = 0 then
        return;
    end if;
    clock := clock_timestamp();
    most := greatest(10, 4000 / cardinality(locked));
    -- a statement of its own, so that it sees what the holder of each lock before us has done
    with paused as materialized (
        select array(select q.name from ganger.queue q where q.paused) as queues, array(select t.name from ganger.job_type t where t.paused) as types
    ), own as materialized (
        select g.key, case when l.group_key is null then _admit_groups.queue end as only_queue,
               l.rate is not null as is_rated, l.concurrency is not null as is_own,
               least(case when l.concurrency is not null
                          then l.concurrency - (select count(*) from ganger._placed j where j.group_key = g.key) end,
                     case when l.rate is not null
                          then ganger._rate_room('group', g.key, l.rate, l.rate_period, clock)
                               - (select count(*) from ganger._placed j where j.group_key = g.key and j.status = 'pending') end) as places
        from unnest(locked) g (key) left join ganger.group_limit l on l.group_key = g.key
    ), room as materialized (
        -- a queue's limit is for each group in that queue; one the group has itself, for all queues together
        select o.key, o.places as group_places, w.queue,
               greatest(0, least(o.places, most,
                                 case when not o.is_own and q.group_concurrency is not null
                                      then q.group_concurrency - (select count(*) from ganger._placed j
                                                                  where j.group_key = o.key and j.queue = w.queue) end)) as places
        from own o
        cross join lateral (
            select o.only_queue where o.only_queue is not null
            union all
            select w.queue
            from (select j.queue from ganger._limited j where o.only_queue is null and j.group_key = o.key
                  order by j.queue limit 1) first
            cross join lateral (select j.queue from ganger._limited j where o.only_queue is null and j.group_key = o.key
                                order by j.queue desc limit 1) last
            cross join lateral (select first.queue union all
                                select x from ganger._more_limited_queues(o.key, first.queue) x where last.queue > first.queue) w (queue)
        ) w (queue)
        left join ganger.queue q on q.name = w.queue
        where w.queue <> all ((select p.queues from paused p)::text[])
    ), fitting as materialized (
        select r.key, r.queue, r.places, r.group_places, coalesce(c.ids, '{}') as ids, c.priorities
        from room r
        cross join lateral (
            select array_agg(x.id) as ids, array_agg(x.priority) as priorities from (
                select j.id, j.priority from ganger._limited j
                where j.group_key = r.key and j.queue = r.queue
                  and j.job_type <> all ((select p.types from paused p)::text[])
                order by j.priority desc, j.id limit r.places
                for update skip locked) x) c
        where r.places > 0
    ), left_over as (
        insert into ganger.signal (kind, key)
        select distinct 'group', f.key from fitting f
        where cardinality(f.ids) = most or (cardinality(f.ids) < f.places and exists (
            select from ganger._limited j
            where j.group_key = f.key and j.queue = f.queue and j.id <> all (f.ids)
              and j.job_type <> all ((select p.types from paused p)::text[])))
    )
    select coalesce(array_agg(n.id), '{}'), coalesce((select bool_or(o.is_rated) from own o), false) into ids, rated
    from (select x.id, f.group_places, row_number() over (partition by f.key collate "C" order by x.priority desc, x.id) as place
          from fitting f cross join lateral unnest(f.ids, f.priorities) x (id, priority)) n
    where n.place <= coalesce(n.group_places, n.place);
    perform ganger._make_runnable(ids, false);
    if rated then
        perform ganger._await_rate(locked, clock);
    end if;
end $$;

-- Jobs of these groups have just ended, all in this queue (null: in several). admits: in a short transaction, so their places are given on
-- at once: before jobs of theirs may come from here (_note_new_here).
create function ganger._leave_groups(groups text[], queue text, admits boolean) returns void language plpgsql volatile as $$
begin
    if admits then
        perform ganger._admit_groups(groups, queue);
    else
        insert into ganger.signal (kind, key) select 'group', unnest(groups);
    end if;
end $$;

-- Takes the locks of these groups (what: group) or batches; of those another session has, a signal of this kind is left. Returns the
-- locked ones.
create function ganger._lock_places(what text, keys text[], kind text) returns text[]
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    locked text[] := array(select k from unnest(keys) k
                           where pg_try_advisory_xact_lock(hashtextextended('ganger ' || what || ' ' || k, 0)));
begin
    if cardinality(locked) < cardinality(keys) then
        insert into ganger.signal (kind, key) select _lock_places.kind, k from unnest(keys) k where k <> all (locked);
    end if;
    return locked;
end $$;

-- Where a group's rate is used up: has its next job wait for the time when one more may start. While jobs that were given a place have
-- not started there is no such time; their start leaves a signal.
create function ganger._await_rate(keys text[], clock timestamptz) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    rated record;
    head  bigint;
begin
    for rated in
        select l.group_key, ganger._rate_free_at('group', l.group_key, l.rate_period, clock) as free_at from ganger.group_limit l
        where l.group_key = any (keys) and l.rate is not null
          and ganger._rate_room('group', l.group_key, l.rate, l.rate_period, clock) = 0
          and exists (select from ganger._limited j where j.group_key = l.group_key)
    loop
        continue when exists (select from ganger.job j where j.wait_token is null and j.lease_until is null and j.due_at = rated.free_at and j.group_key = rated.group_key
                              and j.pending_reason = 'limited');
        head := (select j.id from ganger._limited j where j.group_key = rated.group_key limit 1
                 for update skip locked);
        if head is null then
            insert into ganger.signal (kind, key) values ('group', rated.group_key); -- somebody holds them all
        else
            update ganger.job j set due_at = rated.free_at where j.id = head;
            perform ganger._notify_due(rated.free_at);
        end if;
    end loop;
end $$;

-- A group's limit has changed, or some of its jobs may not start now: takes back the places of jobs that do not run yet, those in a
-- pause and those beyond the limit, and gives what is free anew. Some at a call; what is left, and what somebody's open transaction
-- holds, is left to a signal: until that is worked off, no job of the group is claimed (_shut_groups).
create function ganger._regroup(keys text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    locked text[] := ganger._lock_places('group', keys, 'regroup');
    most   constant integer := greatest(10, 4000 / greatest(1, cardinality(locked)));
    group_key text;
begin
    foreach group_key in array locked loop
        if ganger._take_places_back(group_key, most) then
            insert into ganger.signal (kind, key) values ('regroup', group_key);
        end if;
    end loop;
    perform ganger._admit_groups(locked);
end $$;

-- The first part of it, for one group whose lock the caller has. True: there is more to take back.
create function ganger._take_places_back(key text, most integer) returns boolean
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    own    ganger.group_limit;
    room   bigint; -- under its rate
    paused_queues constant text[] := array(select q.name from ganger.queue q where q.paused);
    paused_types  constant text[] := array(select t.name from ganger.job_type t where t.paused);
    spare  record;
    taken  bigint;
    missed boolean := false;
begin
    if not exists (select from ganger._placed j where j.group_key = _take_places_back.key and j.status = 'pending') then
        return false;
    end if;
    select l.* into own from ganger.group_limit l where l.group_key = _take_places_back.key;
    if own.rate is not null then
        room := ganger._rate_room('group', key, own.rate, own.rate_period);
    end if;
    for spare in
        with held as materialized (
            select j.queue, j.job_type, j.status = 'pending' as is_waiting, count(*) as n,
                   j.status = 'pending' and (j.queue = any (paused_queues) or j.job_type = any (paused_types)) as is_paused
            from ganger._placed j
            where j.group_key = _take_places_back.key
            group by j.queue, j.job_type, j.status = 'pending'
        )
        -- in a pause; then beyond the queue's limit; then beyond the group's own
        select 1 as step, h.queue, h.job_type, h.n from held h left join ganger.queue q on q.name = h.queue
        where h.is_paused and (own.group_key is not null or (q.group_concurrency is not null and not q.paused))
        union all
        select 2, h.queue, null, sum(h.n) - q.group_concurrency from held h join ganger.queue q on q.name = h.queue
        where own.concurrency is null and not h.is_paused
        group by h.queue, q.group_concurrency having sum(h.n) > q.group_concurrency
        union all
        select 3, null, null, greatest(sum(h.n) - own.concurrency,
                                         sum(h.n) filter (where h.is_waiting) - room)
        from held h where not h.is_paused
        order by 1
    loop
        continue when coalesce(spare.n, 0) <= 0;
        update ganger.job j set seq = null, pending_reason = 'limited', due_at = null
        where j.id = any (array(select x.id from ganger._placed x
                                where x.group_key = _take_places_back.key and x.status = 'pending'
                                  and (spare.queue is null or x.queue = spare.queue) and (spare.job_type is null or x.job_type = spare.job_type)
                                order by x.priority, x.seq desc limit least(spare.n, most) for update skip locked));
        get diagnostics taken = row_count;
        missed := missed or (taken < spare.n and exists (
            select from ganger._placed x where x.group_key = _take_places_back.key and x.status = 'pending'
              and (spare.queue is null or x.queue = spare.queue) and (spare.job_type is null or x.job_type = spare.job_type)));
    end loop;
    return missed;
end $$;

-- Groups of which nothing may be claimed yet, as their places are not in order with what was said about them: an object with the keys
-- "regroup <group_key>", "queue <name>", "job_type <name>". null: none.
create function ganger._shut_groups() returns jsonb language plpgsql stable set jit = off set enable_seqscan = off as $$
begin
    return (select jsonb_object_agg(case s.kind when 'recheck' then 'regroup' else s.kind end || ' ' || s.key, 1) from ganger.signal s
            where s.kind in ('regroup', 'recheck', 'queue', 'job_type')
              and (s.kind <> 'recheck' or s.made_in is distinct from pg_current_xact_id_if_assigned()));
end $$;

-- What was said about queues or job types (`kind`) has changed: looks at all their groups again, and wakes who can serve them.
create function ganger._regroup_all(kind text, names text[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    woken text;
begin
    insert into ganger.signal (kind, key)
    select 'regroup', j.group_key from ganger._placed j
    where case _regroup_all.kind when 'queue' then j.queue else j.job_type end = any (names)
    union
    select 'regroup', j.group_key from ganger._limited j
    where case _regroup_all.kind when 'queue' then j.queue else j.job_type end = any (names);
    for woken in
        select distinct l.queue from ganger.lane l
        where l.state <> 'idle' and case _regroup_all.kind when 'queue' then l.queue else l.job_type end = any (names)
    loop
        perform ganger._notify_work(woken);
    end loop;
end $$;

-- A job stops for a while: its group and its queue have a place free. That in its batch it keeps.
create function ganger._leave_places(j ganger.job) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if j.group_key is not null then
        perform ganger._signal('group', j.group_key);
    end if;
    perform ganger._notify_room(array[j.queue], array[j.job_type]);
end $$;
