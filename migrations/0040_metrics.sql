-- Metrics: what only the database knows, for ganger-api, which asks every few seconds while somebody looks.

-- Ends of jobs since the database was made, retained or not: what the deltas said when they were folded (_fold_stats). They only grow.
-- revived: ended jobs that came to life again (retry), so ended - revived and the live jobs together are all jobs there ever were.
create table ganger.stat_total (
    status  ganger.job_status primary key,
    ended   bigint not null,
    revived bigint not null
) with (fillfactor = 10);

-- The numbers, one a row: what (a word), of whom (a queue or node; null: of all), in which state (null: none), value.
--
--   queue_jobs       by queue and state: runnable, processing, waiting, and what keeps pending jobs: scheduled, retry, blocked, limited, batch
--   queue_oldest     by queue: seconds since the oldest runnable job's time (run_at, else created_at)
--   queue_paused     by queue: 1 or 0
--   enqueued         jobs there ever were; not told while live jobs are estimated, as it would go up and down;  ended  by state: how they ended; a job that was retried ends again
--   nodes            by state: alive, stopped, and lost: buried, and no node of that name has come back
--   node_silence     by node that is alive: seconds since its last heartbeat
--   workers          by state: alive, and dead while what they held is still to be settled
--   snapshot_xids, snapshot_seconds   the oldest snapshot that keeps dead rows from being removed
--   late_results     results that wait for a row somebody else has locked
--
-- At most 100 queues have rows of their own, those with the most jobs; '(other)' has the rest. The same for nodes. Live
-- jobs are counted, or estimated where they are many: see _live_counts().
create function ganger._metrics()
returns table (what text, name text, state text, value double precision)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
    with live as materialized (
        select l.queue, case when l.status <> 'pending' then l.status::text else coalesce(l.reason, 'runnable') end as state,
               sum(l.jobs)::bigint as n, min(l.oldest) as oldest, bool_and(l.is_exact) as is_exact
        from ganger._live_counts() l group by 1, 2
    ), ranked as materialized (
        select q.queue, case when row_number() over (order by sum(q.n) desc, q.queue) <= 100 and q.queue <> '(other)' then q.queue else '(other)' end as name
        from (select l.queue, l.n from live l union all select k.name, 0 from ganger.queue k union all select distinct a.queue, 0 from ganger.lane a) q
        group by q.queue
    ), shown as materialized (
        select distinct r.name from ranked r
    ), ended as materialized (
        select e.status, sum(e.ended)::bigint as ended, sum(e.revived)::bigint as revived
        from (select t.status, t.ended, t.revived from ganger.stat_total t
              union all
              select d.status, case when isfinite(d.ended_at) then d.jobs else 0 end, case when d.ended_at = '-infinity' then - d.jobs else 0 end
              from ganger.stat_delta d where d.ended_at is not null) e
        group by e.status
    )
    select 'queue_jobs', s.name, v.state, coalesce(c.n, 0)::double precision
    from shown s
    cross join unnest('{runnable, scheduled, retry, blocked, limited, batch, processing, waiting}'::text[]) v (state)
    left join (select r.name, l.state, sum(l.n) as n from live l join ranked r using (queue) group by 1, 2) c on c.name = s.name and c.state = v.state
    union all
    select 'queue_oldest', s.name, null, coalesce(extract(epoch from clock_timestamp() - min(l.oldest)), 0)::double precision
    from shown s join ranked r on r.name = s.name left join live l using (queue) group by s.name
    union all
    select 'queue_paused', s.name, null, coalesce(bool_or(k.paused), false)::integer
    from shown s join ranked r on r.name = s.name left join ganger.queue k on k.name = r.queue group by s.name
    union all
    select 'enqueued', null, null, (coalesce((select sum(l.n) from live l), 0) + coalesce((select sum(e.ended - e.revived) from ended e), 0))::double precision
    where not exists (select from live l where not l.is_exact)
    union all
    select 'ended', null, v.state, coalesce(e.ended, 0)
    from unnest('{completed, failed, cancelled}'::text[]) v (state) left join ended e on e.status::text = v.state
    union all
    select 'nodes', null, v.state, count(n.id)
    from unnest('{alive, stopped, lost}'::text[]) v (state)
    left join (select distinct on (n.name) n.id, case when n.state = 'dead' then 'lost' else n.state end as state
               from ganger.node n order by n.name, n.id desc) n on n.state = v.state
    group by v.state
    union all
    (select 'node_silence', n.name, null, greatest(extract(epoch from clock_timestamp() - n.seen_at), 0)
     from ganger.node n where n.state = 'alive' order by n.id limit 100)
    union all
    select 'workers', null, v.state, count(w.id)
    from unnest('{alive, dead}'::text[]) v (state)
    left join ganger.worker w on w.state = v.state and (w.state = 'alive' or not w.is_cleared)
    group by v.state
    union all
    select x.what, null, null, coalesce(x.value, 0)
    from ganger._oldest_horizon() h
    cross join lateral (values ('snapshot_xids', h.xids::double precision), ('snapshot_seconds', h.held_ms / 1000.0)) x (what, value)
    union all
    select 'late_results', null, null, count(*) from ganger.late_result
$$;
