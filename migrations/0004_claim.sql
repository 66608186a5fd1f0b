-- The claim. Runnable jobs of the active lanes in order, each given a fresh lease; nothing shared is written.

-- What the claim of these queues and types has to mind, for claims that were told that there is something: signals to work off first,
-- pauses, limits, rates, timeouts of job types.
create function ganger._claim_rules(queues text[], job_types text[], out has_signals boolean, out has_nodes boolean,
                                    out paused_queues text[], out paused_types text[], out is_limited boolean,
                                    out is_rated boolean, out type_timeouts jsonb)
language plpgsql stable as $$
begin
    select exists (select from ganger.signal), exists (select from ganger.node n where n.state = 'alive'),
           coalesce(q.paused, '{}'), coalesce(t.paused, '{}'), coalesce(q.limited, false) or coalesce(t.limited, false),
           coalesce(q.rated, false) or exists (select from ganger.group_limit g where g.rate is not null), t.timeouts
    into has_signals, has_nodes, paused_queues, paused_types, is_limited, is_rated, type_timeouts
    from (select array_agg(x.name) filter (where x.paused) as paused,
                 bool_or((x.concurrency is not null or x.rate is not null) and x.name = any (queues)) as limited,
                 bool_or(x.rate is not null and x.name = any (queues)) as rated
          from ganger.queue x where x.paused or x.concurrency is not null or x.rate is not null) q,
         (select array_agg(x.name) filter (where x.paused) as paused,
                 bool_or(x.concurrency is not null and (job_types is null or x.name = any (job_types))) as limited,
                 jsonb_object_agg(x.name, x.timeout) filter (where x.timeout is not null) as timeouts
          from ganger.job_type x where x.paused or x.concurrency is not null or x.timeout is not null) t;
end $$;

-- The active lanes of these queues and types; rank: what a claim takes first, of lanes and then of jobs. Inlined where it is called.
create function ganger._active_lanes(queues text[], job_types text[])
returns table (lane_id bigint, rank integer, frontier bigint, queue text, job_type text) language sql stable as $$
    select a.lane_id, a.priority * 2 + a.returned::integer, a.frontier, a.queue, a.job_type
    from ganger.lane a
    where a.state <> 'idle' and a.queue = any (queues) and (job_types is null or a.job_type = any (job_types))
$$;

-- The lanes of these queues and types, active or signalled, in the order of claims as far as frontiers tell it: the first 64, or
-- all those behind the place where an earlier look ended (after_*). That place is named by what it sorts by, and frontiers only grow, so
-- what came and went meanwhile moves no lane past it. Not the paused ones, and of limited ones those with room (rooms: _limit_room).
create function ganger._more_lanes(queues text[], job_types text[], paused_queues text[], paused_types text[], rooms jsonb,
                                   hint_lanes bigint[], hint_seqs bigint[], after_rank integer, after_frontier bigint, after_lane bigint,
                                   out lanes bigint[], out starts bigint[], out frontiers bigint[], out ranks integer[],
                                   out lane_queues text[], out lane_types text[])
language plpgsql stable
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_variable
begin
    -- sorted, a lane's hint is found in a few steps: there may be thousands of lanes to find one for
    select array_agg(h.lane order by h.lane), array_agg(h.seq order by h.lane) into hint_lanes, hint_seqs
    from unnest(hint_lanes, hint_seqs) h (lane, seq);
    select array_agg(f.lane_id), array_agg(f.frontier), array_agg(f.rank),
           array_agg(greatest(f.frontier, case when hint_lanes[width_bucket(f.lane_id, hint_lanes)] = f.lane_id
                                               then hint_seqs[width_bucket(f.lane_id, hint_lanes)] end)),
           array_agg(f.queue) filter (where rooms is not null), array_agg(f.job_type) filter (where rooms is not null)
    into lanes, frontiers, ranks, starts, lane_queues, lane_types
    from (select v.lane_id, v.frontier, v.rank, v.queue, v.job_type
          from (select a.lane_id, a.rank, a.frontier, a.queue, a.job_type from ganger._active_lanes(queues, job_types) a
                union all
                select distinct on (s.lane_id) s.lane_id, s.priority * 2 + s.returned::integer, coalesce(a.frontier, 0), s.queue, s.job_type
                from ganger.lane_signal s left join ganger.lane a on a.lane_id = s.lane_id
                where (a.lane_id is null or a.state = 'idle')
                  and s.queue = any (queues) and (job_types is null or s.job_type = any (job_types))) v
          where (after_rank is null or v.rank < after_rank
                 or (v.rank = after_rank and (v.frontier > after_frontier or (v.frontier = after_frontier and v.lane_id > after_lane))))
            and v.queue <> all (paused_queues) and v.job_type <> all (paused_types)
            and (rooms is null or (coalesce((rooms -> 'queue' ->> v.queue)::integer, 1) > 0
                                   and coalesce((rooms -> 'job_type' ->> v.job_type)::integer, 1) > 0))
          order by v.rank desc, v.frontier, v.lane_id limit case when after_rank is null then 64 end) f;
end $$;

-- Lanes share what limits leave: each as if those before it took all they may; what they do not take is the next round's. The lanes
-- stand at `places` of lane_queues and lane_types. Returns how many each may give.
create function ganger._share_rooms(rooms jsonb, wanted integer, lane_queues text[], lane_types text[], places bigint[])
returns integer[] language plpgsql stable as $$
begin
    return array(
        select greatest(0, least(wanted, (rooms -> 'queue' ->> o.queue)::integer - wanted * (row_number() over (partition by o.queue order by o.n) - 1),
                                 (rooms -> 'job_type' ->> o.job_type)::integer
                                 - wanted * (row_number() over (partition by o.job_type order by o.n) - 1)))::integer
        from (select lane_queues[p.place] as queue, lane_types[p.place] as job_type, p.n from unnest(places) with ordinality p (place, n)) o
        order by o.n);
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
--
-- Small statements, as setting one up costs more than a job, each with a snapshot of its own (at READ COMMITTED). Each sees what was
-- committed when the claim began, so nothing that was runnable then is missed: a signalled lane that is folded in between is seen
-- signalled before and active after, one that is idled has no job of that age. What comes later may be seen or not, as ever.
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
    lanes      bigint[];
    starts     bigint[];  -- where to begin in them
    frontiers  bigint[];
    ranks      integer[];
    lane_queues text[];
    lane_types text[];
    places     bigint[];
    mosts      integer[]; -- how many limits let through, null: as many as are wanted
    after_rank     integer; -- the 64th lane, when there may be more behind it
    after_frontier bigint;
    after_lane     bigint;
    is_unlisted    boolean; -- the lanes to look into are to be read
    is_behind      boolean := false;
    rules      record;
    paused_queues  text[] := '{}';
    paused_types   text[] := '{}';
    type_timeouts  jsonb;
    is_limited boolean := false;
    is_rated   boolean := false;
    rooms      jsonb; -- what limits leave
    busy       boolean;
    shut       jsonb; -- groups of which nothing may be claimed just now
    was_shut   jsonb;
    has_groups boolean;
    ctids      tid[];
    ids        bigint[];
    started    boolean[];
    lease      uuid;
    wanted     integer := max_jobs;
    before     integer := max_jobs; -- what was wanted when the first lanes were looked into
    tries      integer := 1;
    n          integer;
begin
    -- The first 64 lanes, and whether there is anything else: at most times nobody has said anything, and these are all there is to know.
    select array_agg(f.lane_id), array_agg(greatest(f.frontier, hint_seqs[array_position(hint_lanes, f.lane_id)])),
           array_agg(f.frontier), array_agg(f.rank),
           exists (select from ganger.signal) or exists (select from ganger.lane_signal)
           or exists (select from ganger.queue q where q.paused or q.concurrency is not null or q.rate is not null)
           or exists (select from ganger.job_type t where t.paused or t.concurrency is not null or t.timeout is not null)
           or exists (select from ganger.group_limit g where g.rate is not null)
    into lanes, starts, frontiers, ranks, is_unlisted
    from (select a.lane_id, a.frontier, a.rank from ganger._active_lanes(queues, job_types) a
          order by a.rank desc, a.frontier, a.lane_id limit 64) f;
    if is_unlisted then
        rules := ganger._claim_rules(queues, job_types);
        if rules.has_signals and (worker_id is not null or not rules.has_nodes) then
            perform ganger._work_signals(here => worker_id is null); -- what has become free may be the next job
        end if;
        select rules.paused_queues, rules.paused_types, rules.type_timeouts, rules.is_limited, rules.is_rated
        into paused_queues, paused_types, type_timeouts, is_limited, is_rated;
    end if;
    loop -- once, but for limits, and where 64 lanes have not enough
        if is_unlisted then
            if is_limited then
                select r.rooms, r.busy into rooms, busy from ganger._limit_room(queues, job_types) r;
            end if;
            select m.lanes, m.starts, m.frontiers, m.ranks, m.lane_queues, m.lane_types
            into lanes, starts, frontiers, ranks, lane_queues, lane_types
            from ganger._more_lanes(queues, job_types, paused_queues, paused_types, rooms, hint_lanes, hint_seqs,
                                    after_rank, after_frontier, after_lane) m;
        end if;
        if cardinality(lanes) > 1 or is_limited then
            if cardinality(lanes) = 64 and not is_behind then
                select ranks[64], frontiers[64], lanes[64] into after_rank, after_frontier, after_lane;
            end if;
            if not is_behind or is_limited then
                -- by the age of their first jobs, without those that have none
                select array_agg(h.lane_id), array_agg(h.seq), array_agg(h.place) into lanes, starts, places
                from (select o.lane_id, f.seq, o.place
                      from unnest(lanes, starts, ranks) with ordinality o (lane_id, start_at, rank, place)
                      cross join lateral (select j.seq from ganger.job j
                                          where j.lane_id = o.lane_id and j.seq >= o.start_at and j.status = 'pending' order by j.seq limit 1) f
                      order by o.rank desc, f.seq) h;
            end if;
            if is_limited then
                mosts := ganger._share_rooms(rooms, wanted, lane_queues, lane_types, places);
            end if;
        end if;
        loop -- twice where groups are shut
            select array_agg(p.row_ctid), array_agg(p.id), array_agg(p.was_started), bool_or(p.group_key is not null),
                   case when worker_id is not null then gen_random_uuid() end
            into ctids, ids, started, has_groups, lease
            from (select j.row_ctid, j.id, j.was_started, j.group_key
                  from unnest(lanes, starts, mosts) o (lane_id, start_at, most)
                  cross join lateral (
                      select j.ctid as row_ctid, j.id, j.started_at is not null or j.attempts > 0 as was_started, j.group_key
                      from ganger.job j
                      where j.lane_id = o.lane_id and j.seq >= o.start_at and j.status = 'pending'
                        and (j.expires_at is null or j.expires_at > clock_timestamp())
                        and (shut is null or j.group_key is null
                             or not shut ?| array['regroup ' || j.group_key, 'queue ' || j.queue, 'job_type ' || j.job_type])
                      order by j.seq limit coalesce(o.most, wanted)
                      for update skip locked) j
                  limit wanted) p;
            exit when has_groups is not true;
            -- A group whose places are not in order is passed over. This is told by a snapshot later than the locks: what is true of a job's
            -- group there is true of this job in its present state, whatever became of either since it was found.
            was_shut := shut;
            shut := ganger._shut_groups();
            exit when shut is null or shut <@ was_shut;
        end loop;
        if ids is not null then
            return query
            update ganger.job j
            set status = 'processing', lease_id = case when lease is null then gen_random_uuid() else lease end, started_at = clock_timestamp(),
                attempts = j.attempts + 1, worker_id = _take_jobs.worker_id, worker_name = _take_jobs.worker_name,
                lease_until = _take_jobs.lease_until
            from unnest(ctids, started) p (row_ctid, was_started) where j.ctid = p.row_ctid
            returning j.id, j.lease_id, j.job_type, j.payload, j.attempts, j.max_attempts, j.queue, j.priority,
                      case when type_timeouts is null then j.timeout
                           else coalesce(j.timeout, (type_timeouts ->> j.job_type)::interval) end,
                      j.kill_grace, j.tags, j.group_key, j.owner, j.metadata, j.lane_id, j.seq, p.was_started;
            get diagnostics n = row_count;
            wanted := wanted - n;
            if is_rated then
                perform ganger._note_starts(array_agg(j.queue), array_agg(j.group_key)) from ganger.job j where j.id = any (ids);
            end if;
            -- Only when something was taken: an empty claim shall write nothing. A worker's batch has one lease: a number of that quality
            -- costs a tenth of the claim. Whoever marks the worker dead waits for this transaction, or was first: then nothing was taken. The
            -- node is only looked at: who buries one marks its workers too.
            if worker_id is not null then
                insert into ganger.worker_claim (lease_id, worker_id, job_ids)
                select lease, w.id, ids from ganger.worker w join ganger.node n on n.id = w.node_id
                where w.id = _take_jobs.worker_id and w.link = _take_jobs.link and w.state = 'alive' and n.state = 'alive'
                for key share of w;
                if not found then
                    raise exception 'worker % is not alive', worker_id using errcode = 'GG001';
                end if;
            end if;
        end if;
        exit when wanted = 0 or (not is_limited and (after_rank is null or is_behind));
        is_unlisted := true;
        is_behind := after_rank is not null and not is_behind;
        if not is_behind then
            -- of limits there may be more, or what no limit let through was in the way of others
            exit when tries = 10 or (wanted = before and (wanted < max_jobs or not busy));
            if wanted = before then
                perform pg_sleep(0.002); -- whoever has the limit's lock will commit in a moment, if it is one of gangerd's
            end if;
            before := wanted;
            tries := tries + 1;
            after_rank := null;
        end if;
    end loop;
    if is_rated then
        perform ganger._notify_due(ganger._next_rate_free());
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
