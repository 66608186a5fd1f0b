-- The claim. Runnable jobs of the active lanes in order, each given a fresh lease; nothing shared is written.

-- Takes up to max_jobs runnable jobs. Exactly one of worker_id and worker_name is given.
--
--   queues, job_types       where to look; job_types null = any
--   hint_lanes, hint_seqs   where the caller's own hints let it start, per lane (any length, equal)
-- Returns the jobs in claim order with the seq they had. Order: priority, lanes of returned jobs first, then the age
-- of the lane's first job; with more than 32 lanes in play the frontier stands for that job.
create function ganger._take_jobs(worker_id bigint, worker_name text, lease_until timestamptz, queues text[],
                                  job_types text[], max_jobs integer, hint_lanes bigint[], hint_seqs bigint[])
returns table (job ganger.job, from_seq bigint)
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_variable
begin
    return query
    with visible as (
        select a.lane_id, a.priority, a.returned, a.frontier
        from ganger.lane a
        where a.state <> 'idle' and not a.paused
          and a.queue = any (queues) and (job_types is null or a.job_type = any (job_types))
        union all
        select distinct on (s.lane_id) s.lane_id, s.priority, s.returned, coalesce(a.frontier, 0)
        from ganger.lane_signal s left join ganger.lane a on a.lane_id = s.lane_id
        where (a.lane_id is null or (a.state = 'idle' and not a.paused))
          and s.queue = any (queues) and (job_types is null or s.job_type = any (job_types))
    ), hinted as (
        select v.lane_id, v.priority, v.returned, greatest(v.frontier, h.seq) as start_at, count(*) over () as lanes
        from visible v left join unnest(hint_lanes, hint_seqs) h (lane_id, seq) on h.lane_id = v.lane_id
    ), ordered as materialized (
        select h.lane_id, h.start_at
        from hinted h
        order by h.priority desc, h.returned desc,
            case when h.lanes between 2 and 32
                 then (select j.seq from ganger.job j where j.lane_id = h.lane_id and j.seq >= h.start_at
                       order by j.seq limit 1)
                 else h.start_at end
    ), picked as materialized (
        select p.row_ctid, p.seq, row_number() over () as place
        from (select j.ctid as row_ctid, j.seq
              from ordered o
              cross join lateral (
                  select j.ctid, j.seq from ganger.job j
                  where j.lane_id = o.lane_id and j.seq >= o.start_at
                  order by j.seq limit max_jobs
                  for update skip locked) j
              limit max_jobs) p
    ), claimed as (
        update ganger.job j
        set status = 'processing', seq = null, lease_id = gen_random_uuid(), started_at = clock_timestamp(),
            attempts = j.attempts + 1, worker_id = _take_jobs.worker_id, worker_name = _take_jobs.worker_name,
            lease_until = _take_jobs.lease_until
        from picked p where j.ctid = p.row_ctid
        returning j as row, p.seq, p.place
    )
    select c.row, c.seq from claimed c order by c.place;
end $$;

-- For gangerd's workers.
--
--   worker       ganger.worker.id; must be alive, and stays so until this transaction has ended
--   queues       the pool's queues
--   job_types    the job types the worker has handlers for
-- Returns the jobs in claim order. Raises GG001 when the worker is not alive: its jobs have been, or are being, settled.
create function ganger._claim(worker bigint, queues text[], job_types text[], max_jobs integer,
                              hint_lanes bigint[], hint_seqs bigint[])
returns table (id bigint, lease_id uuid, job_type text, payload text, attempt integer, max_attempts integer, queue text,
               priority integer, timeout_ms bigint, kill_grace_ms bigint, tags text, owner text, metadata text,
               lane_id bigint, seq bigint)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
begin
    perform from ganger.worker w where w.id = worker and w.state = 'alive' for key share;
    if not found then
        raise exception 'worker % is not alive', worker using errcode = 'GG001';
    end if;
    return query
    select (t.job).id, (t.job).lease_id, (t.job).job_type, (t.job).payload::text, (t.job).attempts, (t.job).max_attempts,
           (t.job).queue, (t.job).priority::integer,
           (extract(epoch from (t.job).timeout) * 1000)::bigint, (extract(epoch from (t.job).kill_grace) * 1000)::bigint,
           array_to_json((t.job).tags)::text, (t.job).owner, (t.job).metadata::text, (t.job).lane_id, t.from_seq
    from ganger._take_jobs(worker, null, null, queues, job_types, max_jobs, hint_lanes, hint_seqs) t;
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
begin
    if worker is null then
        raise exception 'worker is missing: give this worker a name' using errcode = '22023';
    end if;
    perform ganger._raise_problem(ganger._name_problem('worker', worker));
    if max_jobs is null or max_jobs not between 1 and 1000 then
        raise exception 'max_jobs must be between 1 and 1000, not %', coalesce(max_jobs::text, 'null') using errcode = '22003';
    end if;
    if lease is null or lease < interval '1 s' or lease > interval '1 day' then
        raise exception 'lease must be between 1 second and 1 day, not %', coalesce(lease::text, 'null')
            using errcode = '22003';
    end if;
    return query
    select (t.job).id, (t.job).lease_id, (t.job).job_type, (t.job).payload, (t.job).attempts, (t.job).max_attempts,
           (t.job).queue, (t.job).priority::integer, (t.job).timeout, (t.job).tags, (t.job).group_key, (t.job).owner,
           (t.job).metadata, (t.job).lease_until
    from ganger._take_jobs(null, worker, clock_timestamp() + lease, coalesce(queues, '{default}'), job_types, max_jobs,
                           null, null) t;
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
        where l.state <> 'idle' and not l.paused and l.queue = any (queues) and l.job_type = any (job_types)
          and exists (select from ganger.job j where j.lane_id = l.lane_id and j.seq >= l.frontier))
    or exists (
        select from ganger.lane_signal s left join ganger.lane l on l.lane_id = s.lane_id
        where s.queue = any (queues) and s.job_type = any (job_types) and not coalesce(l.paused, false));
end $$;
