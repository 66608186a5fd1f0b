-- The claim. Runnable jobs of the active lanes in order, each given a fresh lease; nothing shared is written.

-- What the claim of these queues and types has to mind, for claims that were told that there is something: signals to work off first,
-- pauses, limits, rates, timeouts of job types.
create function ganger._claim_rules(queues text[], job_types text[], out has_signals boolean, out has_nodes boolean,
                                    out paused_queues text[], out paused_types text[], out is_limited boolean,
                                    out is_rated boolean, out type_timeouts jsonb)
language plpgsql stable as $$
begin
    select exists (select from ganger.signal s where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))), exists (select from ganger.node n where n.state = 'alive'),
           q.paused, t.paused, coalesce(q.limited, false) or coalesce(t.limited, false),
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

-- A lane a claim looks into. rank: what comes first of lanes and then of jobs, by priority and returned.
create type ganger._claim_lane as (
    lane_id  bigint,
    start_at bigint,  -- the seq to begin with: the frontier, or the claimer's hint
    rank     integer,
    frontier bigint,
    most     integer, -- how many jobs limits let through, null: as many as are wanted
    queue    text,    -- these two for limits only
    job_type text
);
-- A job a claim has locked.
create type ganger._claim_pick as (
    row_ctid    tid,
    id          bigint,
    was_started boolean,
    place       integer -- see _claimed_job
);
-- What a claim returns. A type, as the columns of a `returns table` are looked up one by one at each call.
create type ganger._claimed_job as (
    id           bigint,
    lease_id     uuid,
    job_type     text,
    payload      jsonb,
    attempt      integer,
    max_attempts integer,
    queue        text,
    priority     smallint,
    timeout      interval,
    kill_grace   interval,
    tags         text[],
    group_key    text,
    owner        text,
    metadata     jsonb,
    lane_id      bigint,
    seq          bigint,
    was_started  boolean,
    waited_us    bigint,
    place        integer -- in claim order; where it is the same, the rows come in claim order
);

-- Sorts lanes by rank and frontier in one number, which costs a fifth of sorting by two: 17 bits are the rank's, highest first. Frontiers
-- beyond 46 bits are equal here, so what is sorted by comes after it once more. Inlined where it is called.
create function ganger._lane_order(rank integer, frontier bigint) returns bigint language sql immutable parallel safe as $$
    select (65535 - rank)::bigint << 46 | least(frontier, 70368744177663)
$$;

-- The lanes of these queues and types, active or signalled, in the order of claims as far as frontiers tell it: the first 64, or
-- all those behind the lane where an earlier look ended. Under limits all at once: what a later look found room for would pass the first ones by. That place is named by what it sorts by, and frontiers only grow, so
-- what came and went meanwhile moves no lane past it. Not the paused ones, and of limited ones those with room (rooms: _limit_room).
create function ganger._more_lanes(queues text[], job_types text[], paused_queues text[], paused_types text[], rooms jsonb,
                                   hint_lanes bigint[], hint_seqs bigint[], last ganger._claim_lane) returns ganger._claim_lane[]
language plpgsql stable
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    after_rank     constant integer := last.rank;
    after_frontier constant bigint := last.frontier;
    after_lane     constant bigint := last.lane_id;
    signal_floor   constant bigint := pg_sequence_last_value('ganger.signal_floor'::regclass);
    -- Of thousands of lanes each is looked up here: a search among keys, where an array would be walked through.
    types constant jsonb := case when job_types is not null
                                 then coalesce((select jsonb_object_agg(t, true) from unnest(job_types) t where t is not null), '{}') end;
begin
    return array(
        select row(v.lane_id, greatest(v.frontier, case when v.lane_id in (select unnest(hint_lanes))
                                                        then hint_seqs[array_position(hint_lanes, v.lane_id)] end),
                   v.rank, v.frontier, null, v.queue, v.job_type)::ganger._claim_lane
        from (select u.lane_id, u.rank, u.frontier, case when rooms is not null then u.queue end as queue,
                     case when rooms is not null then u.job_type end as job_type
              from (select a.lane_id, a.priority * 2 + a.returned::integer as rank, a.frontier, a.queue, a.job_type
                    from ganger.lane a
                    where a.state <> 'idle' and a.queue = any (queues) and (types is null or types ? a.job_type)
                    union all
                    select distinct on (s.lane_id) s.lane_id, s.priority * 2 + s.returned::integer, coalesce(a.frontier, 0), s.queue, s.job_type
                    from ganger.lane_signal s left join ganger.lane a on a.lane_id = s.lane_id
                    where s.n >= signal_floor and (a.lane_id is null or a.state = 'idle')
                      and s.queue = any (queues) and (types is null or types ? s.job_type)) u
              where (after_rank is null or u.rank < after_rank
                     or (u.rank = after_rank and (u.frontier > after_frontier or (u.frontier = after_frontier and u.lane_id > after_lane))))
                and (paused_queues is null or u.queue <> all (paused_queues)) and (paused_types is null or u.job_type <> all (paused_types))
                and (rooms is null or (coalesce((rooms -> 'queue' ->> u.queue)::integer, 1) > 0
                                       and coalesce((rooms -> 'job_type' ->> u.job_type)::integer, 1) > 0))
              order by ganger._lane_order(u.rank, u.frontier), u.frontier, u.lane_id limit case when after_rank is null and rooms is null then 64 end) v);
end $$;

-- The first `most` of these lanes without those that `seen` says are empty, but for `news`, those of them where something has come. Lanes of the rank
-- that the claim before ended in come first, and mostly are enough: of thousands the others are not read.
create function ganger._lanes_behind(queues text[], job_types text[], hint_lanes bigint[], hint_seqs bigint[], seen jsonb, news bigint[], most integer)
returns ganger._claim_lane[] language plpgsql stable
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    seen_rank     constant integer := seen ->> 'rank';
    seen_priority constant integer := seen_rank >> 1;
    seen_returned constant boolean := seen_rank & 1 = 1;
    seen_frontier constant bigint := seen ->> 'frontier';
    seen_lane     constant bigint := seen ->> 'lane';
    seen_seq      constant bigint := (seen ->> 'seq')::bigint - 1024; -- the margin of hints
    types         constant jsonb := (select jsonb_object_agg(t, true) from unnest(job_types) t where t is not null);
begin
    return array(
        with same as materialized (
            select a.lane_id, a.frontier, seen_rank as rank, null::bigint as least_start
            from ganger.lane a
            where a.state <> 'idle' and a.queue = any (queues) and a.priority = seen_priority and a.returned = seen_returned
              and (a.frontier, a.lane_id) >= (seen_frontier, seen_lane) and (job_types is null or types ? a.job_type)
            order by a.frontier, a.lane_id limit most
        )
        select row(f.lane_id, greatest(f.frontier, case when f.lane_id in (select unnest(hint_lanes)) then hint_seqs[array_position(hint_lanes, f.lane_id)] end,
                                       f.least_start),
                   f.rank, f.frontier, null, null, null)::ganger._claim_lane
        from (select a.lane_id, a.frontier, a.priority * 2 + a.returned::integer as rank, seen_seq as least_start
              from (select distinct n from unnest(news) n) n join ganger.lane a on a.lane_id = n.n
              where a.state <> 'idle' and a.queue = any (queues) and (job_types is null or types ? a.job_type)
                and (-(a.priority * 2 + a.returned::integer), a.frontier, a.lane_id) < (-seen_rank, seen_frontier, seen_lane)
              union all
              select * from same
              union all
              select a.lane_id, a.frontier, a.priority * 2 + a.returned::integer, null
              from ganger.lane a
              where (select count(*) from same) < most
                and a.state <> 'idle' and a.queue = any (queues) and a.priority <= seen_priority
                and a.priority * 2 + a.returned::integer < seen_rank and (job_types is null or types ? a.job_type)) f
        order by ganger._lane_order(f.rank, f.frontier), f.frontier, f.lane_id limit most);
end $$;

-- The same, and finds what has come. Mostly nothing has become runnable but by its enqueue, and then all that has come are the jobs whose ids
-- follow the number that `seen` names. Else, or where thousands do, one search through the claim index for all lanes, which costs a fifth of a
-- look into each. It reads what has come since, and of that at most 1000 that wait: where there are more, all lanes count.
-- made: ganger.made_runnable before this.
create function ganger._unseen_lanes(queues text[], job_types text[], hint_lanes bigint[], hint_seqs bigint[], seen jsonb, made bigint, most integer)
returns ganger._claim_lane[] language plpgsql stable
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    seen_rank     constant integer := seen ->> 'rank';
    seen_frontier constant bigint := seen ->> 'frontier';
    seen_lane     constant bigint := seen ->> 'lane';
    seen_seq      constant bigint := (seen ->> 'seq')::bigint - 1024; -- the margin of hints
    types         constant jsonb := (select jsonb_object_agg(t, true) from unnest(job_types) t where t is not null);
    news          bigint[]; -- seen lanes, and others of the same priority, where something has come; null: it is not known
begin
    if made = (seen ->> 'made')::bigint and (seen ->> 'calm')::boolean then
        -- nothing here that an index knows but the id: else the claim index might be walked through for it
        select case when count(*) < 3000 then coalesce(array_agg(x.lane_id) filter (where x.seq >= seen_seq and x.status = 'pending'
                                                                                        and x.priority >= seen_rank >> 1), '{}') end
        into news
        from (select j.lane_id, j.seq, j.status, j.priority from ganger.job j where j.id >= seen_seq order by j.id limit 3000) x;
        if news is not null then
            return ganger._lanes_behind(queues, job_types, hint_lanes, hint_seqs, seen, news, most);
        end if;
    end if;
    return array(
        with visited as materialized (
            select a.lane_id, a.frontier, a.priority * 2 + a.returned::integer as rank,
                   (-(a.priority * 2 + a.returned::integer), a.frontier, a.lane_id) < (-seen_rank, seen_frontier, seen_lane) as is_seen
            from ganger.lane a
            where a.state <> 'idle' and a.queue = any (queues) and (job_types is null or types ? a.job_type)
        ), newer as materialized (
            select j.lane_id from ganger.job j
            where j.lane_id = any (array(select v.lane_id from visited v where v.is_seen)) and j.seq >= seen_seq and j.status = 'pending' limit 1000
        )
        select row(f.lane_id, greatest(f.frontier, case when f.lane_id in (select unnest(hint_lanes)) then hint_seqs[array_position(hint_lanes, f.lane_id)] end,
                                       case when f.is_seen then seen_seq end),
                   f.rank, f.frontier, null, null, null)::ganger._claim_lane
        from (select v.* from visited v
              where not v.is_seen or v.lane_id in (select n.lane_id from newer n) or (select count(*) from newer) = 1000
              order by ganger._lane_order(v.rank, v.frontier), v.frontier, v.lane_id limit most) f);
end $$;

-- What the next claim of this caller is to be told as `seen`: up to which lane all are empty, here that of the job taken last; none given: all lanes
-- are. depth: how many lanes were looked into up to that one, with `passed` before `lanes`. seq, made, calm: the last number taken,
-- ganger.made_runnable, and whether all had ended then that were running when a claim first found it there, before any of these lanes was
-- looked into. made_xid: the transaction of the claim after that one, which got its number later than they.
-- (A snapshot's xmax would not do: there are numbers beyond it that are running.)
create function ganger._tell_seen(lanes ganger._claim_lane[], passed integer, last_id bigint, seq bigint, made bigint, calm boolean, seen jsonb) returns jsonb
language plpgsql volatile
set jit = off set enable_seqscan = off
as $$
begin
    return jsonb_build_object('seq', seq, 'made', made, 'calm', coalesce(calm, false),
                              'made_xid', case when made = (seen ->> 'made')::bigint
                                               then coalesce(seen ->> 'made_xid', pg_current_xact_id_if_assigned()::text) end)
           || case when last_id is null then '{"rank": -65537}' else (
                  select jsonb_build_object('rank', o.rank, 'frontier', o.frontier, 'lane', o.lane_id, 'depth', passed + o.place)
                  from unnest(lanes) with ordinality o (lane_id, start_at, rank, frontier, most, queue, job_type, place)
                  where o.lane_id = (select j.lane_id from ganger.job j where j.id = last_id)) end;
end $$;

-- Lanes share what limits leave: each as if those before it took all they may; what they do not take is the next round's.
create function ganger._share_rooms(lanes ganger._claim_lane[], rooms jsonb, wanted integer) returns ganger._claim_lane[]
language plpgsql stable as $$
begin
    return array(
        select row(o.lane_id, o.start_at, o.rank, o.frontier,
                   greatest(0, least(wanted, (rooms -> 'queue' ->> o.queue)::integer
                                             - wanted * (row_number() over (partition by o.queue order by o.place) - 1),
                                     (rooms -> 'job_type' ->> o.job_type)::integer
                                     - wanted * (row_number() over (partition by o.job_type order by o.place) - 1)))::integer,
                   o.queue, o.job_type)::ganger._claim_lane
        from unnest(lanes) with ordinality o (lane_id, start_at, rank, frontier, most, queue, job_type, place)
        order by o.place);
end $$;

-- Takes up to max_jobs runnable jobs, for one of gangerd's workers (worker_id, its link) or an outside one (worker_name,
-- lease_until).
--
--   worker_id, link         ganger.worker: must be alive on this link, and stays so until this transaction has ended; else GG001 is
--                           raised: its jobs have been, or are being, settled
--   queues, job_types       where to look; job_types null = any
--   hint_lanes, hint_seqs   where the caller's own hints let it start, per lane (any length, equal)
--   seen                    the same for all lanes up to one, as an earlier claim of this caller, of these queues and types, has told; {} is
--                           nothing yet, null: the caller keeps no such thing
-- Returns the jobs with the lane and seq they had, in claim order, but to a worker of gangerd's among 64 lanes and more: there `place` says it.
-- Order: priority, lanes of returned jobs first, then the age
-- of the lane's first job; from 64 lanes on, where there is no limit, the frontier stands for that job. was_started: it was claimed before, so it may
-- have steps. waited_us: since its time, run_at or else created_at. Where there is something for `seen` it is the payload of a last row without an id.
--
-- Small statements, each with what is needed just then, as to set up a large one costs more than a job. Each has a snapshot of its own (at
-- READ COMMITTED) and sees at least what was committed when the claim began, so no job that was runnable then is missed: a lane that is
-- not among the first lanes is among those behind them, and one that is only signalled is seen signalled, or active when that has been folded
-- in meanwhile. A job that becomes runnable later may be seen or not, as ever.
create function ganger._take_jobs(worker_id bigint, link integer, worker_name text, lease_until timestamptz, queues text[],
                                  job_types text[], max_jobs integer, hint_lanes bigint[], hint_seqs bigint[], seen jsonb default null)
returns setof ganger._claimed_job
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_variable
declare
    lanes   ganger._claim_lane[];
    picks   ganger._claim_pick[];
    -- So many lanes are looked into at first: twice what the claim before needed, within what is read and sorted in little time.
    lane_limit integer := case when seen ? 'seq' then least(256, greatest(64, 2 * coalesce((seen ->> 'depth')::integer, 128))) else 64 end;
    last    ganger._claim_lane; -- the last of these, once that has been looked into
    told    ganger._claimed_job; -- no job, but what the next claim is to be told as `seen`
    -- before many lanes were looked into: see _tell_seen
    seq_then  bigint := case when seen ? 'seq' then pg_sequence_last_value('ganger.seq'::regclass) end;
    made_then bigint := case when seen ? 'seq' then pg_sequence_last_value('ganger.made_runnable'::regclass) end;
    is_calm constant boolean := case when made_then = (seen ->> 'made')::bigint
                                     then pg_snapshot_xmin(pg_current_snapshot()) >= (seen ->> 'made_xid')::xid8 end;
    rules   record;
    paused_queues text[];
    paused_types  text[];
    type_timeouts jsonb;
    is_unlisted boolean; -- the lanes are to be read again
    is_limited  boolean;
    is_rated    boolean;
    is_behind   boolean; -- these are the lanes behind `last`
    rooms   jsonb; -- what limits leave
    busy    boolean;
    shut    jsonb; -- groups of which nothing may be claimed just now
    lease   uuid;
    signal_floor constant bigint := pg_sequence_last_value('ganger.signal_floor'::regclass); -- nothing lives below (0011_signals.sql)
    is_noted boolean; -- worker_claim has a row of this claim
    wanted  integer := max_jobs;
    last_id bigint; -- the job taken last
    placed  integer := 0; -- picks of earlier rounds
    before  integer; -- what was wanted when the first lanes were looked into
    tries   integer;
    n       integer;
begin
    -- The first lanes, and whether there is anything else to know: at most times nobody has said anything.
    select case when seen ? 'seq' then ganger._unseen_lanes(queues, job_types, hint_lanes, hint_seqs, seen, made_then, lane_limit) else
           array(select row(f.lane_id, greatest(f.frontier, hint_seqs[array_position(hint_lanes, f.lane_id)]), f.rank, f.frontier,
                            null, null, null)::ganger._claim_lane
                 from (select a.lane_id, a.frontier, a.priority * 2 + a.returned::integer as rank from ganger.lane a
                       where a.state <> 'idle' and a.queue = any (queues) and (job_types is null or a.job_type = any (job_types))
                       order by ganger._lane_order(a.priority * 2 + a.returned::integer, a.frontier), a.frontier, a.lane_id limit 64) f) end,
           exists (select from ganger.signal s where s.n >= signal_floor) or exists (select from ganger.lane_signal s where s.n >= signal_floor)
           or exists (select from ganger.queue q where q.paused or q.concurrency is not null or q.rate is not null)
           or exists (select from ganger.job_type t where t.paused or t.concurrency is not null or t.timeout is not null)
           or exists (select from ganger.group_limit g where g.rate is not null)
    into lanes, is_unlisted;
    if is_unlisted then
        seen := null; -- more than the order of lanes decides
        lane_limit := 64; -- of _more_lanes
        rules := ganger._claim_rules(queues, job_types);
        if rules.has_signals and (worker_id is not null or not rules.has_nodes) then
            perform ganger._work_signals(here => worker_id is null); -- what has become free may be the next job
        end if;
        select rules.paused_queues, rules.paused_types, rules.type_timeouts, rules.is_limited, rules.is_rated, max_jobs, 1
        into paused_queues, paused_types, type_timeouts, is_limited, is_rated, before, tries;
        -- their jobs are not even locked: this claim may be part of a long transaction
        shut := case when rules.has_signals then ganger._shut_groups() end;
    end if;
    loop -- once, but for limits, shut groups, and where the first lanes have not enough
        if is_unlisted then
            if is_limited then
                select r.rooms, r.busy into rooms, busy from ganger._limit_room(queues, job_types) r;
            end if;
            lanes := ganger._more_lanes(queues, job_types, paused_queues, paused_types, rooms, hint_lanes, hint_seqs, last);
        end if;
        if cardinality(lanes) > 1 or is_limited then
            if is_behind is not true and rooms is null and cardinality(lanes) >= 64 then
                last := lanes[lane_limit]; -- null where there are not so many
                seq_then := coalesce(seq_then, pg_sequence_last_value('ganger.seq'::regclass));
                made_then := coalesce(made_then, pg_sequence_last_value('ganger.made_runnable'::regclass));
            end if;
            if is_behind is not true and ((seen ? 'seq') is not true or cardinality(lanes) < 64) then
                -- by the age of their first jobs, without those that have none
                lanes := array(select row(o.lane_id, f.seq, o.rank, o.frontier, null, o.queue, o.job_type)::ganger._claim_lane
                               from unnest(lanes) o
                               cross join lateral (select j.seq from ganger.job j
                                                   where j.lane_id = o.lane_id and j.seq >= o.start_at and j.status = 'pending'
                                                   order by j.seq limit 1) f
                               order by o.rank desc, f.seq);
            end if;
            if is_limited then
                lanes := ganger._share_rooms(lanes, rooms, wanted);
            end if;
        end if;
        -- Rows of a claim of gangerd's that runs in this snapshot, or has begun since (whose own number is in them, not that of a subtransaction), are
        -- passed by here: it may end while they are gone through, and then to lock them is to lock what has become of them, running jobs of
        -- another worker, which could not finish them before this transaction has ended. So many begin at most while a claim looks: a
        -- number there that is no transaction's, as of a row that several hold, is not taken for one for ever. What this transaction itself has
        -- locked and changed, as a finish that made its group's next job runnable, bears its lock: of what is no older than it all is tried.
        -- A worker's batch has one lease: a number of that quality costs a tenth of the claim.
        select array(select row(j.row_ctid, j.id, j.was_started, null)::ganger._claim_pick
                     from unnest(lanes) o
                     cross join lateral (
                         select j.ctid as row_ctid, j.id, j.started_at is not null or j.attempts > 0 as was_started
                         from ganger.job j
                         where j.lane_id = o.lane_id and j.seq >= o.start_at and j.status = 'pending'
                           and (j.xmax = '0'::xid or age(j.xmin) <= 0 or age(j.xmax) = 0
                                or (j.xmax <> all (array(select x::xid from pg_snapshot_xip(pg_current_snapshot()) x))
                                    and age((select pg_snapshot_xmax(pg_current_snapshot())::xid))::bigint - age(j.xmax) not between 0 and 9999))
                           and (j.expires_at is null or j.expires_at > clock_timestamp())
                           and (shut is null or j.group_key is null
                                or not shut ?| array['regroup ' || j.group_key, 'queue ' || j.queue, 'job_type ' || j.job_type])
                         order by j.seq limit coalesce(o.most, wanted)
                         for update skip locked) j
                     limit wanted),
               coalesce(lease, case when worker_id is not null then gen_random_uuid() end)
        into picks, lease;
        if cardinality(picks) > 0 then
            last_id := picks[cardinality(picks)].id;
            if worker_id is not null and cardinality(lanes) >= 64 then
                -- neighbours on disk one after the other: lane by lane each would be fetched anew
                picks := array(select row(p.row_ctid, p.id, p.was_started, p.n)::ganger._claim_pick
                               from unnest(picks) with ordinality p (row_ctid, id, was_started, place, n) order by p.row_ctid);
            end if;
            -- Not of a group whose places are not in order. This snapshot is later than the locks: what is true of a group here is true of the
            -- job as it is now, whatever became of either before it was locked.
            return query
            update ganger.job j
            set status = 'processing', lease_id = case when lease is null then gen_random_uuid() else lease end, started_at = clock_timestamp(),
                attempts = j.attempts + 1, worker_id = _take_jobs.worker_id, worker_name = _take_jobs.worker_name,
                lease_until = _take_jobs.lease_until
            from unnest(picks) p
            where j.ctid = p.row_ctid
              and (j.group_key is null
                   or coalesce(not (select ganger._shut_groups())
                                   ?| array['regroup ' || j.group_key, 'queue ' || j.queue, 'job_type ' || j.job_type], true))
            returning j.id, j.lease_id, j.job_type, j.payload, j.attempts, j.max_attempts, j.queue, j.priority,
                      case when type_timeouts is null then j.timeout
                           else coalesce(j.timeout, (type_timeouts ->> j.job_type)::interval) end,
                      j.kill_grace, j.tags, j.group_key, j.owner, j.metadata, j.lane_id, j.seq, p.was_started,
                      (date_part('epoch', j.started_at - coalesce(j.run_at, j.created_at)) * 1e6)::bigint, placed + coalesce(p.place, 1);
            get diagnostics n = row_count;
            placed := placed + cardinality(picks);
            wanted := wanted - n;
            if is_rated then
                perform ganger._note_starts(array_agg(j.queue), array_agg(j.group_key))
                from unnest(picks) p join ganger.job j on j.id = any (array[p.id]) where j.status = 'processing';
            end if;
            -- Only when there was something: an empty claim shall write nothing. Whoever marks the worker dead waits for this transaction, or
            -- was first: then nothing is taken. The node is not looked at: who buries or stops one marks its workers in the same
            -- transaction.
            if worker_id is not null and n > 0 then
                if is_noted then -- the limits of the next round count these, too
                    update ganger.worker_claim c set job_ids = c.job_ids || array(select p.id from unnest(picks) p) where c.lease_id = lease;
                else
                    insert into ganger.worker_claim (lease_id, worker_id, n, job_ids) -- in the order of the columns, with all of them: a node of the plan less
                    select lease, w.id, txid_current(), array(select p.id from unnest(picks) p)
                    from ganger.worker w where w.id = _take_jobs.worker_id and w.link = _take_jobs.link and w.state = 'alive'
                    for key share of w;
                    if not found then
                        raise exception 'worker % is not alive', worker_id using errcode = 'GG001';
                    end if;
                    is_noted := true;
                end if;
            end if;
            if n < cardinality(picks) then
                seen := null;
                lane_limit := 64;
                shut := ganger._shut_groups(); -- once more from the first lane, without these
                is_unlisted := true;
                is_behind := false;
                last := null;
                continue;
            end if;
        end if;
        if seq_then is not null and (seen ? 'seq' or (is_behind and seen is not null))
           and (is_behind or case when wanted = 0 then cardinality(lanes) >= 64 else last.lane_id is null end) then
            -- all lanes before that of the last job are empty, or none is left; among few that place may be far in front
            told.payload := ganger._tell_seen(lanes, case when is_behind then lane_limit else 0 end, case when wanted = 0 then last_id end,
                                              seq_then, made_then, is_calm, seen);
            return next told;
        end if;
        exit when wanted = 0 or (is_limited is not true and (last.lane_id is null or is_behind));
        is_unlisted := true;
        is_behind := last.lane_id is not null and is_behind is not true;
        if not is_behind then
            -- of limits there may be more, or what no limit let through was in the way of others
            exit when tries = 10 or (wanted = before and (wanted < max_jobs or not busy));
            if wanted = before then
                perform pg_sleep(0.002); -- whoever has the limit's lock will commit in a moment, if it is one of gangerd's
            end if;
            before := wanted;
            tries := tries + 1;
            last := null;
        end if;
    end loop;
    if is_rated then
        perform ganger._notify_due(ganger._next_rate_free());
    end if;
end $$;

-- Raises 42501 where the session is bound to an owner, as a claim takes the jobs of all, or to other queues.
create function ganger._check_claim(queues text[]) returns void language plpgsql stable as $$
begin
    if ganger._session_owner() is not null then
        raise exception 'this access is bound to the jobs of owner "%", and cannot claim', ganger._session_owner() using errcode = '42501',
            hint = 'A worker takes the jobs of all owners: use a token that is bound to queues, or to nothing.';
    end if;
    perform ganger._check_queue(q) from unnest(queues) q;
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
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    until timestamptz;
    rules record;
begin
    if worker is null then
        raise exception 'worker is missing: give this worker a name' using errcode = '22023', column = 'worker';
    end if;
    perform ganger._raise_problem(ganger._name_problem('worker', worker));
    max_jobs := coalesce(max_jobs, 1);
    lease := coalesce(lease, interval '60 s');
    if max_jobs not between 1 and 1000 then
        raise exception 'max_jobs must be between 1 and 1000, not %', max_jobs using errcode = '22003', column = 'max_jobs';
    end if;
    if lease < interval '1 s' or lease > interval '1 day' then
        raise exception 'lease must be between 1 second and 1 day, not %', lease using errcode = '22003', column = 'lease';
    end if;
    until := clock_timestamp() + lease;
    queues := coalesce(queues, '{default}');
    if ganger._is_session_bound() then
        perform ganger._check_claim(queues);
    end if;
    perform ganger._note_outside_claim(job_types);
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
        where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))
          and s.queue = any (queues) and s.job_type = any (job_types) and not ganger._is_paused(s.queue, s.job_type));
end $$;
