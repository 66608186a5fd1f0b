-- What is drawn: how many jobs ended over time, an overview of all, run times and waits of a type, failures by their message. Everything here
-- reads counts that are kept anyway, or a bounded number of rows: none of it costs more with more history.

-- ---- ends over time
-- ganger.stat_rate holds them; _fold_stats() fills it from the rows that count ends anyway, so that an end writes nothing for it.

-- How long ends are kept by the second, the minute and the hour.
create function ganger._rate_spans() returns table (span integer, kept interval) language sql immutable parallel safe as $$
    values (1, interval '2 min'), (60, interval '48 h'), (3600, interval '30 days')
$$;

-- What came into the table of live jobs by time, as PostgreSQL itself counts it: no enqueue pays for it.
create table ganger.enqueue_rate (
    span     integer not null,                         -- as in stat_rate
    began_at timestamptz not null,
    jobs     bigint not null,
    primary key (span, began_at)
) with (fillfactor = 50);
create sequence ganger.enqueue_mark;                   -- that count, plus one, when it was last looked at
select setval('ganger.enqueue_mark', pg_stat_get_tuples_inserted('ganger.job'::regclass) + 1);

-- Adds what came since the last call. A count that is lower than before has begun anew (a crash of the server, a restored backup, a
-- failover): what came before this call is not known then. Only for who holds the lock of _fold_stats().
create function ganger._count_enqueued(clock timestamptz) returns void
language plpgsql volatile set jit = off set enable_seqscan = off as $$
declare
    counted constant bigint := pg_stat_get_tuples_inserted('ganger.job'::regclass) + 1;
    mark    constant bigint := pg_sequence_last_value('ganger.enqueue_mark'::regclass);
begin
    if counted = mark then
        return;
    end if;
    perform setval('ganger.enqueue_mark', counted);
    if counted > mark then
        insert into ganger.enqueue_rate as e (span, began_at, jobs)
        select p.span, date_bin(make_interval(secs => p.span), clock, '2000-01-01 00:00+00'), counted - mark from ganger._rate_spans() p
        on conflict (span, began_at) do update set jobs = e.jobs + excluded.jobs;
    end if;
end $$;

-- Deletes what is older than it is kept.
create function ganger._forget_rates(clock timestamptz) returns void
language plpgsql volatile set jit = off set enable_seqscan = off as $$
declare
    p record;
begin
    for p in select s.span, s.kept from ganger._rate_spans() s loop
        delete from ganger.stat_rate r where r.span = p.span and r.began_at < clock - p.kept;
        delete from ganger.enqueue_rate e where e.span = p.span and e.began_at < clock - p.kept;
    end loop;
end $$;

-- The step that suits a time of `since`.
create function ganger._series_step(since interval) returns interval language sql immutable parallel safe as $$
    select case when since <= interval '2 min' then interval '1 s' when since <= interval '2 h' then interval '1 min'
                when since <= interval '12 h' then interval '5 min' when since <= interval '24 h' then interval '10 min'
                when since <= interval '48 h' then interval '20 min' when since <= interval '8 days' then interval '1 h'
                else interval '6 h' end
$$;

-- What is wrong with these two; null: nothing.
create function ganger._series_problem(since interval, step interval) returns text language sql immutable parallel safe as $$
    select case
        when since is null then '22023 since is missing'
        when since < interval '1 s' or since > interval '30 days' then format('22023 since must be between 1 second and 30 days, not %s', since)
        when step is null then null
        when step < interval '1 s' or step > interval '30 days' then format('22023 step must be between 1 second and 30 days, not %s', step)
        when step > since then format('22023 step must be no longer than since, %s, not %s', since, step)
        when extract(epoch from step) <> trunc(extract(epoch from step)) then format('22023 step must be whole seconds, not %s', step)
        when since > interval '2 min' and extract(epoch from step)::bigint % 60 <> 0
        then format('22023 step must be whole minutes where since is more than 2 minutes, not %s', step)
        when since > interval '48 h' and extract(epoch from step)::bigint % 3600 <> 0
        then format('22023 step must be whole hours where since is more than 48 hours, not %s', step)
        when extract(epoch from since) / extract(epoch from step) > 2000
        then format('22023 a step of %s makes more than 2000 points of %s', step, since) end
$$;

-- How many jobs ended in each step of the time since then, the running step last:
--
--   from, to, step_seconds         the first step begins at `from`
--   at                             when each step began, seconds since 1970
--   completed, failed, cancelled   jobs that ended so in it, retained or not; an attempt that will be retried is no end
--   enqueued                       jobs that came in it, retried ones among them, and those of transactions that were rolled back; they are
--                                  seen some seconds late; null with a job_type
--   job_types                      with by_type: [{job_type, completed, failed, cancelled, ended: [..]}], the eight with most ends
--
-- step: null chooses; whole seconds with a `since` of up to 2 minutes, whole minutes of up to 48 hours, else whole hours.
-- Errors: 22023 since not 1 second to 30 days, step longer than that or not as said, or more than 2000 of them.
create function ganger.throughput(since interval default '1 h', step interval default null, job_type text default null,
                                  by_type boolean default false)
returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    origin  constant timestamptz := '2000-01-01 00:00+00';
    clock   constant timestamptz := clock_timestamp();
    width   interval := coalesce(step, ganger._series_step(since));
    seconds bigint;
    unit    integer; -- the rows that are read
    first   timestamptz;
    steps   integer;
    result  jsonb;
begin
    perform ganger._raise_problem(ganger._series_problem(since, step));
    seconds := extract(epoch from width)::bigint;
    width := make_interval(secs => seconds); -- a month, a day: as long as they are today, without one
    unit := case when seconds % 3600 = 0 then 3600 when seconds % 60 = 0 then 60 else 1 end;
    first := date_bin(width, clock - make_interval(secs => extract(epoch from since)::float8) + width, origin);
    steps := 1 + floor(extract(epoch from clock - first) / seconds);
    with ends as materialized (
        select x.job_type, floor(extract(epoch from x.at - first) / seconds)::integer as i,
               sum(x.completed) as completed, sum(x.failed) as failed, sum(x.cancelled) as cancelled
        from (select r.job_type, r.began_at as at, r.completed, r.failed, r.cancelled
              from ganger.stat_rate r where r.span = unit and r.began_at >= first
              union all
              select d.job_type, d.ended_at, case d.status when 'completed' then d.jobs else 0 end,
                     case d.status when 'failed' then d.jobs else 0 end, case d.status when 'cancelled' then d.jobs else 0 end
              from ganger.stat_delta d where d.ended_at >= first) x
        where (throughput.job_type is null or x.job_type = throughput.job_type) and x.at < first + steps * width
        group by 1, 2
    ), came as (
        select floor(extract(epoch from e.began_at - first) / seconds)::integer as i, sum(e.jobs) as jobs
        from ganger.enqueue_rate e where e.span = unit and e.began_at >= first group by 1
    ), all_ends as (
        select e.i, sum(e.completed) as completed, sum(e.failed) as failed, sum(e.cancelled) as cancelled from ends e group by e.i
    ), places as (
        select i, extract(epoch from first)::bigint + i * seconds as at from generate_series(0, steps - 1) i
    ), types as (
        select e.job_type, sum(e.completed) as completed, sum(e.failed) as failed, sum(e.cancelled) as cancelled
        from ends e where by_type group by 1 order by sum(e.completed + e.failed + e.cancelled) desc, 1 limit 8
    )
    select jsonb_build_object('from', first, 'to', clock, 'step_seconds', seconds,
               'at', jsonb_agg(p.at order by p.i), 'completed', jsonb_agg(coalesce(a.completed, 0) order by p.i),
               'failed', jsonb_agg(coalesce(a.failed, 0) order by p.i), 'cancelled', jsonb_agg(coalesce(a.cancelled, 0) order by p.i),
               'enqueued', case when throughput.job_type is null then jsonb_agg(coalesce(c.jobs, 0) order by p.i) end)
           || case when by_type then jsonb_build_object('job_types', (
                  select coalesce(jsonb_agg(jsonb_build_object('job_type', t.job_type, 'completed', t.completed, 'failed', t.failed,
                      'cancelled', t.cancelled, 'ended', (
                          select jsonb_agg(coalesce(e.completed + e.failed + e.cancelled, 0) order by q.i)
                          from generate_series(0, steps - 1) q (i) left join ends e on e.i = q.i and e.job_type = t.job_type))
                      order by t.completed + t.failed + t.cancelled desc, t.job_type), '[]') from types t))
                  else '{}' end
    into result
    from places p left join all_ends a on a.i = p.i left join came c on c.i = p.i;
    return result;
end $$;

-- ---- live jobs, counted or estimated

-- More than 75,000 live jobs, as far as is known: from what PostgreSQL counts, which a crash of the server makes it forget, and from what the
-- last vacuum or analyze left behind, which it does not.
create function ganger._are_many() returns boolean language sql stable as $$
    select greatest(pg_stat_get_live_tuples(c.oid), c.reltuples) > 75000 from pg_class c where c.oid = 'ganger.job'::regclass
$$;

-- How many live jobs there are in each queue, of each type, status and reason (`reason`: as it stands in the row), and since when the oldest
-- that could run has waited. Counted, as long as they are fewer than some 75,000; else estimated from the rows on every so manieth page of the
-- table, but for those that run, which are known: then `is_exact` is false and `oldest` comes from the heads of the lanes. Few jobs in a
-- table that many have left are counted by the index, unless most of its entries are dead, too.
create function ganger._live_counts()
returns table (queue text, job_type text, status ganger.job_status, reason text, jobs bigint, oldest timestamptz, is_exact boolean)
language plpgsql stable set jit = off set enable_sort = off set enable_seqscan = on as $$
#variable_conflict use_column
declare
    pages_read constant integer := 2500;
    pages constant bigint := pg_relation_size('ganger.job') / current_setting('block_size')::bigint;
    share float8;
begin
    if pages <= pages_read or pages <= 10 * pages_read and not ganger._are_many() then
        return query
        select j.queue, j.job_type, j.status, case when j.seq is null then j.pending_reason end, count(*),
               min(coalesce(j.run_at, j.created_at)) filter (where j.seq is not null and j.status = 'pending'), true
        from ganger.job j group by 1, 2, 3, 4;
        return;
    elsif not ganger._are_many() and pg_stat_get_dead_tuples('ganger.job'::regclass) <= 150000 then
        perform set_config('enable_seqscan', 'off', true); -- until this function ends
        if (select j.id from ganger.job j order by j.id offset 75000 limit 1) is null then
            return query
            select j.queue, j.job_type, j.status, case when j.seq is null then j.pending_reason end, count(*),
                   min(coalesce(j.run_at, j.created_at)) filter (where j.seq is not null and j.status = 'pending'), true
            from (select * from ganger.job x order by x.id offset 0) j group by 1, 2, 3, 4;
            return;
        end if;
    end if;
    share := pages_read::float8 / pages;
    return query execute format($q$
        select j.queue, j.job_type, j.status, case when j.seq is null then j.pending_reason end, round(count(*) / %s)::bigint,
               null::timestamptz, false
        from ganger.job j tablesample system (%s) where j.status <> 'processing' group by 1, 2, 3, 4 $q$, share, share * 100);
    return query
    select r.queue, r.job_type, 'processing'::ganger.job_status, null::text, count(*), null::timestamptz, false
    from ganger._processing r group by 1, 2;
    return query
    select l.queue, l.job_type, 'pending'::ganger.job_status, null::text, 0::bigint, min(h.since), false
    from (select x.* from ganger.lane x where x.state <> 'idle' order by x.seen_at limit 2000) l
    cross join lateral (select coalesce(j.run_at, j.created_at) as since from ganger.job j
                        where j.lane_id = l.lane_id and j.seq >= l.frontier and j.status = 'pending' order by j.seq limit 1) h
    group by 1, 2;
end $$;

-- The state of everything, for a page that is looked at often:
--
--   at, is_exact        false: live jobs are many, and their counts are estimates (those that run are always counted)
--   counts              jobs by status; ended ones as far as they are retained
--   pending             the pending ones by reason: runnable, scheduled, retry, blocked, limited, paused, batch
--   oldest_wait_seconds of the jobs that could run now; null: none
--   queues              [{queue, paused, runnable, pending, processing, waiting, oldest_wait_seconds}], those with jobs, with a lane, or about which
--                       something was said; by name
--   ended               {last_minute, last_hour, last_day}: each {completed, failed}
--   failing             job types with failures in the last hour: [{job_type, failed, completed}], most failures first, at most 20
--   nodes, workers, busy_workers   alive now; workers of nodes, without those outside gangerd
--
-- Reads the live jobs once (see _live_counts), and no history.
create function ganger.overview() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    clock constant timestamptz := clock_timestamp();
    result jsonb;
begin
    with live as materialized (
        select l.queue, l.status, l.jobs, l.oldest, l.is_exact, coalesce(q.paused, false) as is_queue_paused,
               case when l.status <> 'pending' then null when l.reason is not null then l.reason
                    when q.paused or t.paused then 'paused'
                    when (q.concurrency is not null or q.rate is not null) and ganger._is_full('queue', q.name)
                         or t.concurrency is not null and ganger._is_full('job_type', t.name) then 'limited'
                    else 'runnable' end as reason
        from ganger._live_counts() l
        left join ganger.queue q on q.name = l.queue
        left join ganger.job_type t on t.name = l.job_type
    ), queues as (
        select x.queue, coalesce(sum(x.jobs) filter (where x.reason = 'runnable'), 0) as runnable,
               coalesce(sum(x.jobs) filter (where x.status = 'pending'), 0) as pending,
               coalesce(sum(x.jobs) filter (where x.status = 'processing'), 0) as processing,
               coalesce(sum(x.jobs) filter (where x.status = 'waiting'), 0) as waiting, min(x.oldest) as oldest
        from (select l.queue, l.status, l.reason, l.jobs, l.oldest from live l
              union all select n.queue, null, null, 0, null from ganger.lane n group by n.queue
              union all select k.name, null, null, 0, null from ganger.queue k) x
        group by x.queue
    ), counts as (
        select s.status, coalesce(sum(c.jobs), 0)::bigint as jobs
        from unnest(enum_range(null::ganger.job_status)) s (status)
        left join (select l.status, l.jobs from live l union all select e.status, e.jobs from ganger._ended_counts(null) e) c on c.status = s.status
        group by s.status
    ), rates as materialized (
        select * from ganger._end_rates(null)
    ), failing as (
        select r.job_type, r.failed[2] as failed, r.completed[2] as completed from rates r where r.failed[2] > 0 order by 2 desc, 1 limit 20
    )
    select jsonb_build_object(
        'at', clock,
        'is_exact', (select coalesce(bool_and(l.is_exact), true) from live l),
        'counts', (select jsonb_object_agg(c.status, c.jobs) from counts c),
        'pending', (select jsonb_object_agg(p.reason, p.jobs)
                    from (select r.reason, coalesce(sum(l.jobs), 0) as jobs
                          from unnest('{runnable, scheduled, retry, blocked, limited, paused, batch}'::text[]) r (reason)
                          left join live l on l.reason = r.reason group by r.reason) p),
        'oldest_wait_seconds', (select round(extract(epoch from clock - min(q.oldest))::numeric, 3) from queues q),
        'queues', (select coalesce(jsonb_agg(jsonb_build_object('queue', q.queue, 'paused', coalesce(k.paused, false), 'runnable', q.runnable,
                       'pending', q.pending, 'processing', q.processing, 'waiting', q.waiting,
                       'oldest_wait_seconds', round(extract(epoch from clock - q.oldest)::numeric, 3)) order by q.queue), '[]')
                   from queues q left join ganger.queue k on k.name = q.queue),
        'ended', (select jsonb_build_object(
                      'last_minute', jsonb_build_object('completed', coalesce(sum(r.completed[1]), 0), 'failed', coalesce(sum(r.failed[1]), 0)),
                      'last_hour', jsonb_build_object('completed', coalesce(sum(r.completed[2]), 0), 'failed', coalesce(sum(r.failed[2]), 0)),
                      'last_day', jsonb_build_object('completed', coalesce(sum(r.completed[3]), 0), 'failed', coalesce(sum(r.failed[3]), 0)))
                  from rates r),
        'failing', (select coalesce(jsonb_agg(to_jsonb(f) order by f.failed desc, f.job_type), '[]') from failing f),
        'nodes', (select count(*) from ganger.node n where n.state = 'alive'),
        'workers', (select count(*) from ganger.worker w join ganger.node n on n.id = w.node_id where w.state = 'alive' and n.state = 'alive'),
        'busy_workers', (select count(distinct r.worker_id) from ganger._processing r where r.worker_id is not null))
    into result;
    return result;
end $$;

-- ---- run times and waits

-- One row for each job type that has jobs, retained or live, ended some in a day, or about which something was said. Counts of live ones are
-- estimates where those of overview() are. failure_share: failed among the completed and failed of the last hour, or of the last day where none ended in
-- that hour; null: none in a day.
create function ganger.job_type_overview()
returns table (job_type text, paused boolean, pending bigint, processing bigint, waiting bigint, completed bigint, failed bigint, cancelled bigint,
               completed_last_minute bigint, completed_last_hour bigint, completed_last_day bigint, failed_last_hour bigint, failed_last_day bigint,
               failure_share numeric, average_run_seconds numeric, p50_run_seconds numeric, p95_run_seconds numeric)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    return query
    with live as materialized (
        select l.job_type, l.status, l.jobs, null::bigint as run_us from ganger._live_counts() l
    ), rates as materialized (
        select * from ganger._end_rates(null)
    ), counts as (
        select c.job_type,
               coalesce(sum(c.jobs) filter (where c.status = 'pending'), 0)::bigint as pending,
               coalesce(sum(c.jobs) filter (where c.status = 'processing'), 0)::bigint as processing,
               coalesce(sum(c.jobs) filter (where c.status = 'waiting'), 0)::bigint as waiting,
               coalesce(sum(c.jobs) filter (where c.status = 'completed'), 0)::bigint as completed,
               coalesce(sum(c.jobs) filter (where c.status = 'failed'), 0)::bigint as failed,
               coalesce(sum(c.jobs) filter (where c.status = 'cancelled'), 0)::bigint as cancelled,
               sum(c.run_us) filter (where c.status = 'completed') as run_us
        from (select * from live union all select * from ganger._ended_counts(null)
              union all select t.name, null, 0, null from ganger.job_type t
              union all select r.job_type, null, 0, null from rates r) c
        group by c.job_type
    )
    select c.job_type, coalesce(t.paused, false), c.pending, c.processing, c.waiting, c.completed, c.failed, c.cancelled,
           coalesce(r.completed[1], 0), coalesce(r.completed[2], 0), coalesce(r.completed[3], 0), coalesce(r.failed[2], 0), coalesce(r.failed[3], 0),
           round(coalesce(r.failed[2]::numeric / nullif(r.failed[2] + r.completed[2], 0), r.failed[3]::numeric / nullif(r.failed[3] + r.completed[3], 0)), 4),
           round(c.run_us / nullif(c.completed, 0) / 1e6, 6), p.p50, p.p95
    from counts c
    left join ganger.job_type t on t.name = c.job_type
    left join rates r on r.job_type = c.job_type
    left join ganger._run_percentiles(null) p on p.job_type = c.job_type
    order by c.job_type;
end $$;

-- The newest of the jobs of a type among the newest ended ones of all types, and how long they waited and ran. Waits count jobs that began once
-- only, of others their first start is not known here.
create function ganger._recent_ends(job_type text, look_at integer)
returns table (failed boolean, crashed boolean, run_us bigint, wait_us bigint, finished_at timestamptz)
language plpgsql stable set jit = off set enable_seqscan = off as $$
begin
    return query
    select h.status = 'failed', h.failure_reason is not distinct from 'crashed', ganger._run_us(h.started_at, h.finished_at),
           case when h.attempts = 1 then greatest(ganger._run_us(coalesce(h.run_at, h.created_at), h.started_at), 0) end, h.finished_at
    from (select * from (select x.job_type, x.status, x.failure_reason, x.started_at, x.finished_at, x.run_at, x.created_at, x.attempts
                         from ganger.history_completed x order by x.finish_id desc limit look_at) c
          union all
          select * from (select x.job_type, x.status, x.failure_reason, x.started_at, x.finished_at, x.run_at, x.created_at, x.attempts
                         from ganger.history_ended x order by x.finish_id desc limit look_at) e) h
    where h.job_type = _recent_ends.job_type and h.status <> 'cancelled';
end $$;

-- How long the jobs of a type ran and waited, and how they end; null: nobody knows such a type.
--
--   jobs, average_seconds, p50_seconds, p90_seconds, p95_seconds, p99_seconds   of all retained completed jobs; percentiles are less than 19 % off
--   buckets      their run times: [{from_seconds, to_seconds, jobs}], ascending, each twice as long as the one before, none left out in between
--   recent       of those among the newest 20,000 completed and 20,000 failed jobs of all types: jobs, failed, crashed, since (when the oldest of them
--                ended); run and wait: {p50_seconds, p95_seconds, max_seconds}. A wait is from when a job could run until it began, of jobs
--                that began once
--   failure_share {last_hour, last_day}: failed among completed and failed; null: none ended
--   paused, concurrency, timeout_seconds, max_crashes   what is said of the type (max_crashes: or of all types)
create function ganger.durations(job_type text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    result jsonb;
    second constant float8 := 1e6;
begin
    if job_type is null then
        raise exception 'job_type is missing' using errcode = '22023';
    end if;
    if not exists (select from ganger._ended_counts(durations.job_type)) and not exists (select from ganger.job_type t where t.name = durations.job_type)
       and not exists (select from ganger.lane l where l.job_type = durations.job_type)
       and not exists (select from ganger.stat_rate r where r.span = 3600 and r.job_type = durations.job_type) then
        return null;
    end if;
    with doubled as materialized (
        select floor(s.bucket / 4.0)::integer as n, sum(s.jobs) as jobs
        from (select x.bucket, x.jobs from ganger.stat_run x where x.job_type = durations.job_type
              union all
              select b.bucket, x.jobs / cardinality(x.buckets) from ganger.stat_delta x, unnest(x.buckets) as b (bucket)
              where x.job_type = durations.job_type) s
        group by 1 having sum(s.jobs) > 0
    ), recent as materialized (
        select * from ganger._recent_ends(durations.job_type, 20000)
    ), rates as (
        select * from ganger._end_rates(durations.job_type)
    )
    select jsonb_build_object('job_type', durations.job_type, 'jobs', coalesce(p.jobs, 0),
               'average_seconds', (select round(sum(e.run_us) / nullif(sum(e.jobs), 0) / 1e6, 6)
                                   from ganger._ended_counts(durations.job_type) e where e.status = 'completed'),
               'p50_seconds', p.p50, 'p90_seconds', p.p90, 'p95_seconds', p.p95, 'p99_seconds', p.p99,
               'buckets', (select coalesce(jsonb_agg(jsonb_build_object('from_seconds', power(2::float8, g.n) / second,
                               'to_seconds', power(2::float8, g.n + 1) / second, 'jobs', coalesce(d.jobs, 0)) order by g.n), '[]')
                           from generate_series((select min(x.n) from doubled x), (select max(x.n) from doubled x)) g (n)
                           left join doubled d on d.n = g.n),
               'recent', (select jsonb_build_object('jobs', count(*), 'failed', count(*) filter (where r.failed),
                              'crashed', count(*) filter (where r.crashed), 'since', min(r.finished_at),
                              'run', jsonb_build_object(
                                  'p50_seconds', round((percentile_cont(0.5) within group (order by r.run_us) / second)::numeric, 6),
                                  'p95_seconds', round((percentile_cont(0.95) within group (order by r.run_us) / second)::numeric, 6),
                                  'max_seconds', round((max(r.run_us) / second)::numeric, 6)),
                              'wait', jsonb_build_object(
                                  'p50_seconds', round((percentile_cont(0.5) within group (order by r.wait_us) / second)::numeric, 6),
                                  'p95_seconds', round((percentile_cont(0.95) within group (order by r.wait_us) / second)::numeric, 6),
                                  'max_seconds', round((max(r.wait_us) / second)::numeric, 6))) from recent r),
               'failure_share', (select jsonb_build_object(
                                     'last_hour', round(max(r.failed[2])::numeric / nullif(max(r.failed[2] + r.completed[2]), 0), 4),
                                     'last_day', round(max(r.failed[3])::numeric / nullif(max(r.failed[3] + r.completed[3]), 0), 4)) from rates r),
               'paused', coalesce(t.paused, false), 'concurrency', t.concurrency, 'timeout_seconds', extract(epoch from t.timeout),
               'max_crashes', ganger._max_crashes(durations.job_type))
    into result
    from (select) one
    left join ganger._run_percentiles(durations.job_type) p on p.job_type = durations.job_type
    left join ganger.job_type t on t.name = durations.job_type;
    return result;
end $$;

-- ---- failures by their message

-- A message without what differs from job to job: its first line, with a star for each number, uuid, long hexadecimal word and quoted text.
-- Where it begins with "HTTP 503", as a webhook's does, that stays: it says what went wrong, and 404 and 503 are mended differently.
-- Immutable: messages that are told alike here stay so, as filters name their group.
create function ganger._error_pattern(message text) returns text language sql immutable parallel safe as $$
    select coalesce(substring(message from '^HTTP [0-9]{3}\M'), '') ||
        regexp_replace(regexp_replace(left(split_part(coalesce(message, ''), E'\n', 1), 300), '^HTTP [0-9]{3}\M', ''),
        '"[^"]*"|(?<![[:alnum:]])''[^'']*''|[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}|0x[[:xdigit:]]+'
        '|\m[[:xdigit:]]*[0-9][[:xdigit:]]{7,}\M|[0-9]+([.:,-][0-9]+)*', '*', 'g')
$$;

-- The name of the group that a message belongs to: 12 hexadecimal digits. The filter error_group takes it.
create function ganger._error_group(message text) returns text language sql immutable parallel safe as $$
    select left(encode(sha256(convert_to(ganger._error_pattern(message), 'UTF8')), 'hex'), 12)
$$;

-- Failures grouped by their message, those with most jobs first: of the newest 5,000 failed and cancelled jobs those that failed, and of the 5,000
-- that are due next those that will be retried.
--
--   error_group       names the group: {"error_group": ..., "status": "failed"} is a filter for retry_jobs, list_jobs and the others
--   pattern           the message, with a star for what differs
--   failed, retrying  how many jobs of it were met: failed for good, and to be retried
--   job_types, reasons   what they are
--   first_at, last_at    when the oldest and the newest of them failed
--   example_job_id, example_message   the newest of them
--
-- Errors: 22023 since missing or not more than zero; 22003 max_groups not 1 to 1,000.
create function ganger.failures(since interval default '24 h', job_type text default null, max_groups integer default 50)
returns table (error_group text, pattern text, failed bigint, retrying bigint, job_types text[], reasons text[], first_at timestamptz,
               last_at timestamptz, example_job_id bigint, example_message text)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_nestloop = off as $$
#variable_conflict use_column
declare
    look_at constant integer := 5000;
    horizon timestamptz;
begin
    perform ganger._raise_problem(case when since is null then '22023 since is missing' else ganger._duration_problem('since', since, false) end);
    if max_groups is null or max_groups not between 1 and 1000 then
        raise exception 'max_groups must be between 1 and 1000, not %', coalesce(max_groups::text, 'null') using errcode = '22003';
    end if;
    horizon := clock_timestamp() - since;
    return query
    with ends as (
        select h.id, h.job_type, h.status, h.error, h.failure_reason, h.finished_at from ganger.history_ended h
        order by h.finish_id desc limit look_at
    ), dues as (
        select j.id, j.job_type, j.status, j.error, j.failure_reason, j.last_failed_at, j.pending_reason from ganger.job j
        where j.wait_token is null and j.lease_until is null and j.due_at is not null
        order by j.wait_token, j.lease_until, j.due_at limit look_at
    ), met as materialized (
        select e.id, e.job_type, coalesce(e.error, '') as error, e.failure_reason, e.finished_at as at, true as is_final from ends e where e.status = 'failed'
        union all
        select d.id, d.job_type, coalesce(d.error, ''), d.failure_reason, d.last_failed_at, false from dues d
        where d.status = 'pending' and d.pending_reason = 'retry' and d.failure_reason is not null
    ), messages as ( -- equal ones are looked at once
        select m.error, ganger._error_pattern(m.error) as pattern from (select distinct x.error from met x) m
    ), placed as (
        select m.*, p.pattern from met m join messages p on p.error = m.error
        where (failures.job_type is null or m.job_type = failures.job_type) and m.at > horizon
    )
    select ganger._error_group((array_agg(p.error order by p.at desc, p.id desc))[1]), p.pattern, count(*) filter (where p.is_final),
           count(*) filter (where not p.is_final), array_agg(distinct p.job_type), array_agg(distinct p.failure_reason), min(p.at), max(p.at),
           (array_agg(p.id order by p.at desc, p.id desc))[1], (array_agg(p.error order by p.at desc, p.id desc))[1]
    from placed p group by p.pattern
    order by count(*) desc, max(p.at) desc limit max_groups;
end $$;
