-- Limits of queues and job types, and rates: what the claim counts. (Groups: 0013_limits.sql.)

-- How many more may start at an instant under a rate; null: as many as you like. What is further ahead than a period was noted before the
-- clock was set back, and does not count.
create function ganger._rate_room(kind text, key text, rate integer, period interval, clock timestamptz default clock_timestamp())
returns bigint language sql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    select case when rate is not null
                then greatest(0, rate - (select coalesce(sum(u.jobs), 0) from ganger.rate_use u
                                         where u.kind = _rate_room.kind and u.key = _rate_room.key
                                           and u.at > _rate_room.clock - period and u.at < _rate_room.clock + period)) end
$$;

-- When the next one may start under a rate that is used up.
create function ganger._rate_free_at(kind text, key text, period interval, clock timestamptz default clock_timestamp())
returns timestamptz language sql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    select min(u.at) + period from ganger.rate_use u
    where u.kind = _rate_free_at.kind and u.key = _rate_free_at.key and u.at > _rate_free_at.clock - period
      and u.at < _rate_free_at.clock + period
$$;

-- When a queue whose rate is used up may start its next job; null: none is.
create function ganger._next_rate_free() returns timestamptz
language sql stable set search_path = pg_catalog, ganger, pg_temp as $$
    select min(ganger._rate_free_at('queue', q.name, q.rate_period)) from ganger.queue q
    where q.rate is not null and not q.paused and ganger._rate_room('queue', q.name, q.rate, q.rate_period) = 0
$$;

-- The claim's part: locks the limited ones among these queues and job types, and says how many jobs each may still start, as
-- {"queue": {name: n}, "job_type": {name: n}}. Names that are missing have no limit; one that another session has locked may start
-- none just now (`busy`).
create function ganger._limit_room(queues text[], job_types text[], out rooms jsonb, out busy boolean)
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    limited text[];
    locked  text[];
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'jobs with limits can only be claimed at READ COMMITTED' using errcode = '25001',
            detail = 'A queue or job type of this claim has a concurrency or a rate, and an older snapshot cannot tell what runs now.',
            hint = 'Call claim() in a transaction of its own, at the default isolation level.';
    end if;
    limited := array(
        select 'queue ' || q.name from ganger.queue q
        where q.name = any (queues) and (q.concurrency is not null or q.rate is not null)
        union all
        select 'job_type ' || t.name from ganger.job_type t
        where t.concurrency is not null and (job_types is null or t.name = any (job_types)));
    -- nobody waits, so the order does not matter
    locked := array(select l from unnest(limited) l where pg_try_advisory_xact_lock(hashtextextended('ganger ' || l, 0)));
    busy := cardinality(locked) < cardinality(limited);
    -- a statement of its own: it sees what the one who held the lock before has claimed
    with running as materialized (
        select j.queue, j.job_type, count(*) as n from ganger._processing j group by j.queue, j.job_type
    ), room (kind, name, n) as (
        select 'queue', q.name,
               case when 'queue ' || q.name <> all (locked) then 0
                    else greatest(0, least(q.concurrency - (select coalesce(sum(r.n), 0) from running r where r.queue = q.name),
                                           ganger._rate_room('queue', q.name, q.rate, q.rate_period))) end
        from ganger.queue q where 'queue ' || q.name = any (limited)
        union all
        select 'job_type', t.name,
               case when 'job_type ' || t.name <> all (locked) then 0
                    else greatest(0, t.concurrency - (select coalesce(sum(r.n), 0) from running r where r.job_type = t.name)) end
        from ganger.job_type t where 'job_type ' || t.name = any (limited)
    )
    select jsonb_object_agg(k.kind, k.names) into rooms
    from (select r.kind, jsonb_object_agg(r.name, r.n) as names from room r group by r.kind) k;
end $$;

-- Claimed jobs have started: notes it for the rates of their queues and groups. A group's next job may have a time now.
create function ganger._note_starts(queues text[], groups text[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
begin
    insert into ganger.rate_use (kind, key, jobs)
    select 'queue', q.name, count(*) from unnest(queues) x (name) join ganger.queue q on q.name = x.name
    where q.rate is not null group by q.name;
    with used as (
        insert into ganger.rate_use (kind, key, jobs)
        select 'group', g.group_key, count(*) from unnest(groups) x (key) join ganger.group_limit g on g.group_key = x.key
        where g.rate is not null group by g.group_key returning key
    )
    insert into ganger.signal (kind, key) select 'group', u.key from used u;
end $$;

-- A job of a limited queue or type has stopped: somebody else may start one.
create function ganger._notify_room(queues text[], job_types text[]) returns void language plpgsql volatile as $$
declare
    woken text;
begin
    for woken in
        select q.name from ganger.queue q where q.concurrency is not null and q.name = any (queues)
        union
        select l.queue from ganger.lane l join ganger.job_type t on t.name = l.job_type
        where l.state <> 'idle' and t.concurrency is not null and t.name = any (job_types)
    loop
        perform ganger._notify_work(woken);
    end loop;
end $$;

-- Starts that no rate counts any more.
create function ganger._forget_starts() returns void
language sql volatile set search_path = pg_catalog, ganger, pg_temp as $$
    delete from ganger.rate_use u
    where u.ctid = any (array(
        select x.ctid from ganger.rate_use x
        left join ganger.queue q on x.kind = 'queue' and q.name = x.key
        left join ganger.group_limit g on x.kind = 'group' and g.group_key = x.key
        where x.at < clock_timestamp() - coalesce(q.rate_period, g.rate_period, interval '0') - interval '1 min'
        limit 10000 for update of x skip locked))
$$;
