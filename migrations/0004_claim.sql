-- The claim. Runnable jobs of the active lanes in order, each given a fresh lease; nothing shared is written.

-- What the claim of these queues and types has to mind, in one look: signals to work off first, pauses, limits, rates, timeouts of
-- job types. All but the arrays of paused names is false or null in most systems.
create function ganger._claim_rules(queues text[], job_types text[], out has_signals boolean, out has_nodes boolean,
                                    out paused_queues text[], out paused_types text[], out is_limited boolean,
                                    out is_rated boolean, out type_timeouts jsonb)
language plpgsql stable as $$
begin
    select exists (select from ganger.signal), exists (select from ganger.node n where n.state = 'alive'),
           array(select q.name from ganger.queue q where q.paused), array(select t.name from ganger.job_type t where t.paused),
           exists (select from ganger.queue q where (q.concurrency is not null or q.rate is not null) and q.name = any (queues))
           or exists (select from ganger.job_type t
                      where t.concurrency is not null and (job_types is null or t.name = any (job_types))),
           exists (select from ganger.queue q where q.rate is not null and q.name = any (queues))
           or exists (select from ganger.group_limit g where g.rate is not null),
           (select jsonb_object_agg(t.name, t.timeout) from ganger.job_type t where t.timeout is not null)
    into has_signals, has_nodes, paused_queues, paused_types, is_limited, is_rated, type_timeouts;
end $$;

-- Takes up to max_jobs runnable jobs, for one of gangerd's workers (worker_id, its link) or an outside one (worker_name,
-- lease_until).
--
--   worker_id, link         ganger.worker: must be alive on this link, and stays so until this transaction has ended, on a node that is
--                           alive; else GG001 is raised: its jobs have been, or are being, settled
--   queues, job_types       where to look; job_types null = any
--   hint_lanes, hint_seqs   where the caller's own hints let it start, per lane (any length, equal)
-- Returns the jobs in claim order with the lane and seq they had. Order: priority, lanes of returned jobs first, then the age
-- of the lane's first job; behind the first 64 lanes the frontier stands for that job. was_started: it was claimed before, so it may
-- have steps.
create function ganger._take_jobs(worker_id bigint, link integer, worker_name text, lease_until timestamptz, queues text[],
                                  job_types text[], max_jobs integer, hint_lanes bigint[], hint_seqs bigint[])
returns table (id bigint, lease_id uuid, job_type text, payload jsonb, attempt integer, max_attempts integer, queue text,
               priority smallint, timeout interval, kill_grace interval, tags text[], group_key text, owner text,
               metadata jsonb, lane_id bigint, seq bigint, was_started boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_variable
declare
    rules record;
    rooms jsonb; -- what limits leave, null: no limits
    lease uuid;
    busy  boolean := false;
    wanted  integer := max_jobs;
    taken   integer := 0;
    n       integer;
begin
    rules := ganger._claim_rules(queues, job_types);
    if rules.has_signals and (worker_id is not null or not rules.has_nodes) then
        perform ganger._work_signals(here => worker_id is null); -- what has become free may be the next job
    end if;
    for attempt_at in 1..10 loop -- once, but for limits
        -- A worker's batch has one lease: a number of that quality costs a tenth of the claim. Jobs of outside workers go their own ways.
        lease := case when worker_id is not null then gen_random_uuid() end;
        if rules.is_limited then
            select r.rooms, r.busy into rooms, busy from ganger._limit_room(queues, job_types) r;
        end if;
        return query
        with visible as (
            select a.lane_id, a.priority, a.returned, a.frontier, a.queue, a.job_type
            from ganger.lane a
            where a.state <> 'idle' and a.queue = any (queues) and (job_types is null or a.job_type = any (job_types))
            union all
            select distinct on (s.lane_id) s.lane_id, s.priority, s.returned, coalesce(a.frontier, 0), s.queue, s.job_type
            from ganger.lane_signal s left join ganger.lane a on a.lane_id = s.lane_id
            where (a.lane_id is null or a.state = 'idle')
              and s.queue = any (queues) and (job_types is null or s.job_type = any (job_types))
        ), allowed as materialized (
            select v.lane_id, v.priority, v.returned, v.frontier, v.queue, v.job_type
            from visible v
            where v.queue <> all (rules.paused_queues) and v.job_type <> all (rules.paused_types)
              and (rooms is null or (coalesce((rooms -> 'queue' ->> v.queue)::integer, 1) > 0
                                     and coalesce((rooms -> 'job_type' ->> v.job_type)::integer, 1) > 0))
        ), ordered (lane_id, start_at, queue, job_type) as materialized (
            -- The rest is not even sorted when the first lanes have enough. Both sort alike, so no priority comes too late. A hint is
            -- looked up for lanes that are looked into only: to join them all with it would cost thousands of lanes the most of a claim.
            (select h.lane_id, f.seq, h.queue, h.job_type
             from (select * from allowed order by priority desc, returned desc, frontier, lane_id limit 64) h
             cross join lateral (select j.seq from ganger.job j
                                 where j.lane_id = h.lane_id
                                   and j.seq >= greatest(h.frontier, hint_seqs[array_position(hint_lanes, h.lane_id)])
                                   and j.status = 'pending' order by j.seq limit 1) f
             order by h.priority desc, h.returned desc, f.seq)
            union all
            (select h.lane_id, greatest(h.frontier, hint_seqs[array_position(hint_lanes, h.lane_id)]), h.queue, h.job_type
             from (select * from allowed order by priority desc, returned desc, frontier, lane_id offset 64) h
             where rooms is null or exists (select from ganger.job j where j.lane_id = h.lane_id and j.seq >= h.frontier and j.status = 'pending' offset 0))
        ), shared (lane_id, start_at, most) as (
            select o.lane_id, o.start_at, wanted from ordered o where rooms is null
            union all
            -- lanes share what limits leave: each as if those before it took all they may; what they do not take is the next round's
            select s.lane_id, s.start_at, s.most
            from (select o.lane_id, o.start_at, o.place,
                         least(wanted, (rooms -> 'queue' ->> o.queue)::integer - wanted * (row_number() over (partition by o.queue order by o.place) - 1),
                               (rooms -> 'job_type' ->> o.job_type)::integer
                               - wanted * (row_number() over (partition by o.job_type order by o.place) - 1)) as most
                  from (select x.*, row_number() over () as place from ordered x where rooms is not null) o) s
            where s.most > 0
        ), picked as materialized (
            select p.row_ctid, p.seq, p.was_started, row_number() over () as place
            from (select j.ctid as row_ctid, j.seq, j.started_at is not null or j.attempts > 0 as was_started
                  from shared o
                  cross join lateral (
                      select j.ctid, j.seq, j.started_at, j.attempts from ganger.job j
                      where j.lane_id = o.lane_id and j.seq >= o.start_at and j.status = 'pending'
                        and (j.expires_at is null or j.expires_at > clock_timestamp())
                        -- A group whose places are not in order is passed over, told by this statement's own snapshot; and so is a job
                        -- that has been claimed and given back since that snapshot, which knows nothing of its group then.
                        and (j.group_key is null
                             or (coalesce(not (select ganger._shut_groups())
                                              ?| array['regroup ' || j.group_key, 'queue ' || j.queue, 'job_type ' || j.job_type], true)
                                 and exists (select from ganger.job o where o.id = j.id and o.seq = j.seq)))
                      order by j.seq limit o.most
                      for update skip locked) j
                  limit wanted) p
        ), claimed as (
            update ganger.job j
            set status = 'processing', lease_id = case when lease is null then gen_random_uuid() else lease end, started_at = clock_timestamp(),
                attempts = j.attempts + 1, worker_id = _take_jobs.worker_id, worker_name = _take_jobs.worker_name,
                lease_until = _take_jobs.lease_until
            from picked p where j.ctid = p.row_ctid
            returning j.id, j.lease_id, j.job_type, j.payload, j.attempts, j.max_attempts, j.queue, j.priority, j.timeout,
                      j.kill_grace, j.tags, j.group_key, j.owner, j.metadata, j.lane_id, p.seq, p.place, p.was_started
        ), noted as (
            insert into ganger.worker_claim (lease_id, worker_id, job_ids)
            select lease, _take_jobs.worker_id, array_agg(c.id) from claimed c having lease is not null and count(*) > 0
        ), rated as materialized (
            select ganger._note_starts(array_agg(c.queue), array_agg(c.group_key)) from claimed c
        )
        select c.id, c.lease_id, c.job_type, c.payload, c.attempts, c.max_attempts, c.queue, c.priority,
               case when rules.type_timeouts is null then c.timeout
                    else coalesce(c.timeout, (rules.type_timeouts ->> c.job_type)::interval) end,
               c.kill_grace, c.tags, c.group_key, c.owner, c.metadata, c.lane_id, c.seq, c.was_started
        from claimed c where not rules.is_rated or exists (select from rated) order by c.place;
        get diagnostics n = row_count;
        taken := taken + n;
        wanted := max_jobs - taken;
        exit when rooms is null or wanted = 0 or (n = 0 and (taken > 0 or not busy));
        if n = 0 then
            perform pg_sleep(0.002); -- whoever has the limit's lock will commit in a moment, if it is one of gangerd's
        end if; -- else: what no limit let through may have been in the way of others
    end loop;
    if rules.is_rated then
        perform ganger._notify_due(ganger._next_rate_free());
    end if;
    -- Last, and only when something was taken: an empty claim shall write nothing. Whoever marks the worker dead waits for
    -- this transaction, or was first: then nothing was taken. The node is only looked at: who buries one marks its workers too.
    if taken > 0 and worker_id is not null then
        perform from ganger.worker w join ganger.node n on n.id = w.node_id
        where w.id = _take_jobs.worker_id and w.link = _take_jobs.link and w.state = 'alive' and n.state = 'alive'
        for key share of w;
        if not found then
            raise exception 'worker % is not alive', worker_id using errcode = 'GG001';
        end if;
    end if;
end $$;

-- For workers outside gangerd: the same claim, with a lease that the database's clock judges (maintain()).
--
--   worker     a name for the worker, shown as jobs.worker
--   queues     where to look;  job_types  null = any
--   max_jobs   1..1000;  lease  how long without heartbeat(), 1 s .. 1 day
create function ganger.claim(worker text, queues text[] default '{default}', job_types text[] default null,
                             max_jobs integer default 1, lease interval default '60 s')
returns table (id bigint, lease_id uuid, job_type text, payload jsonb, attempt integer, max_attempts integer, queue text,
               priority integer, timeout interval, tags text[], group_key text, owner text, metadata jsonb,
               lease_until timestamptz)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
declare
    until timestamptz;
    rules record;
begin
    if worker is null then
        raise exception 'worker is missing: give this worker a name' using errcode = '22023';
    end if;
    perform ganger._raise_problem(ganger._name_problem('worker', worker));
    max_jobs := coalesce(max_jobs, 1);
    lease := coalesce(lease, interval '60 s');
    if max_jobs not between 1 and 1000 then
        raise exception 'max_jobs must be between 1 and 1000, not %', max_jobs using errcode = '22003';
    end if;
    if lease < interval '1 s' or lease > interval '1 day' then
        raise exception 'lease must be between 1 second and 1 day, not %', lease using errcode = '22003';
    end if;
    until := clock_timestamp() + lease;
    perform ganger._note_outside_claim(job_types);
    queues := coalesce(queues, '{default}');
    rules := ganger._claim_rules(queues, job_types);
    begin
        return query
        select t.id, t.lease_id, t.job_type, t.payload, t.attempt, t.max_attempts, t.queue, t.priority::integer, t.timeout, t.tags,
               t.group_key, t.owner, t.metadata, until
        from ganger._take_jobs(null, null, worker, until, queues, job_types, max_jobs, null, null) t;
        -- whoever gets nothing keeps no limit's lock; but what was done for signals stays done, or they would never be
        if not found and rules.is_limited and (rules.has_nodes or not rules.has_signals) then
            raise exception using errcode = 'GG004';
        end if;
    exception when sqlstate 'GG004' then
        if rules.is_rated then
            perform ganger._notify_due(ganger._next_rate_free());
        end if;
    end;
end $$;

-- Is there anything runnable for these queues and types? For the poll of an idle node.
create function ganger._has_work(queues text[], job_types text[]) returns boolean
language plpgsql stable
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    return exists (
        select from ganger.lane l
        where l.state <> 'idle' and l.queue = any (queues) and l.job_type = any (job_types)
          and not ganger._is_paused(l.queue, l.job_type)
          and exists (select from ganger.job j where j.lane_id = l.lane_id and j.seq >= l.frontier and j.status = 'pending' offset 0))
    or exists (
        select from ganger.lane_signal s
        where s.queue = any (queues) and s.job_type = any (job_types) and not ganger._is_paused(s.queue, s.job_type));
end $$;
