-- What operators say about queues, job types and groups. In force as soon as it is committed: for claims at once, for the
-- places of groups with the next claim, tick or maintain().

create function ganger._count_problem(label text, value integer, lowest integer) returns text language sql immutable parallel safe as $$
    select case when value < lowest then format('22003 %s must be at least %s, not %s', label, lowest, value) end
$$;

-- A rate needs both its parts.
create function ganger._rate_problem(rate integer, rate_period interval) returns text language sql immutable parallel safe as $$
    select case when (rate is null) <> (rate_period is null)
                then E'22023 rate and rate_period belong together\nFor example rate => 100, rate_period => ''1 min''.'
                else coalesce(ganger._count_problem('rate', rate, 1), ganger._duration_problem('rate_period', rate_period, false)) end
$$;

-- Sets the limits of a queue, all of them: null = none. They hold over all nodes.
--
--   concurrency        jobs of the queue running at once; 0 stops it
--   group_concurrency  jobs of each group_key running at once, unless set_group_limit() says otherwise for that group
--   rate, rate_period  at most so many starts in any such time
--   retention          how long its ended jobs are kept, of all end states; null = as configured for all
-- Errors: 22023 a bad name or duration, or one half of a rate; 22003 a number out of range.
create function ganger.set_queue(queue text, concurrency integer default null, group_concurrency integer default null,
                                 rate integer default null, rate_period interval default null, retention interval default null)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(
        case when queue is null then '22023 queue is missing' end, ganger._name_problem('queue', queue),
        ganger._count_problem('concurrency', concurrency, 0), ganger._count_problem('group_concurrency', group_concurrency, 1),
        ganger._rate_problem(rate, rate_period), ganger._duration_problem('retention', retention, true)));
    insert into ganger.queue as q (name, concurrency, group_concurrency, rate, rate_period, retention)
    values (queue, concurrency, group_concurrency, rate, rate_period, retention)
    on conflict (name) do update
    set concurrency = excluded.concurrency, group_concurrency = excluded.group_concurrency, rate = excluded.rate,
        rate_period = excluded.rate_period, retention = excluded.retention
    where (q.concurrency, q.group_concurrency, q.rate, q.rate_period, q.retention)
          is distinct from (excluded.concurrency, excluded.group_concurrency, excluded.rate, excluded.rate_period, excluded.retention);
    if found then
        perform ganger._signal('queue', queue);
    end if;
end $$;

-- Sets what holds for a job type, all of it: null = no limit, or the general rule.
--
--   concurrency  jobs of the type running at once, over all nodes and queues
--   timeout      of jobs enqueued without one; comes before the handler's
--   max_crashes  after so many crashes a job fails for good; null = the setting max_crashes (3)
-- Errors: as set_queue().
create function ganger.set_job_type(job_type text, concurrency integer default null, timeout interval default null,
                                    max_crashes integer default null)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(
        case when job_type is null then '22023 job_type is missing' end, ganger._name_problem('job_type', job_type),
        ganger._count_problem('concurrency', concurrency, 0), ganger._duration_problem('timeout', timeout, false),
        ganger._count_problem('max_crashes', max_crashes, 1)));
    insert into ganger.job_type as t (name, concurrency, timeout, max_crashes)
    values (job_type, concurrency, timeout, max_crashes)
    on conflict (name) do update
    set concurrency = excluded.concurrency, timeout = excluded.timeout, max_crashes = excluded.max_crashes;
    perform ganger._signal('job_type', job_type);
end $$;

-- Sets the limit of one group, over all queues; it comes before the queue's group_concurrency. All null takes it away.
--
--   concurrency        jobs of the group running at once
--   rate, rate_period  at most so many starts in any such time
-- Errors: as set_queue().
create function ganger.set_group_limit(group_key text, concurrency integer default null, rate integer default null,
                                       rate_period interval default null)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(
        case when group_key is null then '22023 group_key is missing' end, ganger._name_problem('group_key', group_key),
        ganger._count_problem('concurrency', concurrency, 0), ganger._rate_problem(rate, rate_period)));
    if concurrency is null and rate is null then
        delete from ganger.group_limit l where l.group_key = set_group_limit.group_key;
    else
        insert into ganger.group_limit values (group_key, concurrency, rate, rate_period)
        on conflict on constraint group_limit_pkey do update
        set concurrency = excluded.concurrency, rate = excluded.rate, rate_period = excluded.rate_period;
    end if;
    perform ganger._signal('regroup', group_key);
end $$;

-- Deletes ended jobs past the retention of their queue (set_queue), a stretch of history at a time, for `budget`. Each queue has a mark how
-- far it got, so that history is read once for it, not in every pass. A row that somebody holds just then is left to the general
-- retention. Where a queue's retention is longer than the general one, partitions stay for so long, and the jobs of the other
-- queues (queue '') go this way, too. Returns how many.
create function ganger._expire_queues(budget interval default '200 ms') returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    deadline constant timestamptz := clock_timestamp() + budget;
    one   record;
    n     bigint := 0;
begin
    for one in
        with general (part, retention) as (
            values ('history_completed', ganger._setting('retention_completed', '30 days')::interval),
                   ('history_ended', ganger._setting('retention_failed', '90 days')::interval)
        )
        select q.name as queue, g.part, q.retention from ganger.queue q, general g where q.retention is not null
        union all
        select '', g.part, g.retention from general g where g.retention < (select max(q.retention) from ganger.queue q)
        order by 1, 2
    loop
        n := n + ganger._expire_queue(one.queue, one.part, clock_timestamp() - one.retention, deadline);
    end loop;
    return n;
end $$;

-- The part of it for one queue ('' = those without a retention of their own) and one side of history.
create function ganger._expire_queue(queue text, part text, horizon timestamptz, deadline timestamptz) returns bigint
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    step  constant integer := 5000;
    mark  bigint;
    seen  record;
    n     bigint := 0;
begin
    insert into ganger.retention_mark values (queue, part, 0) on conflict do nothing;
    select m.finish_id into mark from ganger.retention_mark m
    where m.queue = _expire_queue.queue and m.part = _expire_queue.part for update skip locked;
    while found and clock_timestamp() < deadline loop
        execute format($q$
            with stretch as materialized (
                select h.id, h.finish_id, h.queue, h.finished_at from ganger.%I h where h.finish_id > $1 order by h.finish_id limit $2
            ), past as materialized (
                select s.* from stretch s
                where s.finish_id < coalesce((select min(x.finish_id) from stretch x where x.finished_at >= $3), 9223372036854775807)
            )
            select max(p.finish_id) as finish_id, count(*) as n,
                   array_agg(p.id) filter (where case when $4 = '' then not exists (
                       select from ganger.queue q where q.name = p.queue and q.retention is not null) else p.queue = $4 end) as ids
            from past p $q$, part)
        into seen using mark, step, horizon, queue;
        exit when seen.n = 0;
        n := n + ganger._forget(array(select h.id from ganger.history h
                                      where h.id = any (seen.ids) and not ganger._is_retiring(h.tableoid) for update skip locked));
        mark := seen.finish_id;
        update ganger.retention_mark m set finish_id = mark where m.queue = _expire_queue.queue and m.part = _expire_queue.part;
        exit when seen.n < step;
    end loop;
    return n;
end $$;

-- Pausing stops claims; what runs goes on, what is enqueued waits. Remembered until it is resumed. Each returns whether that
-- changed anything. Errors: 22023 a bad name.
create function ganger.pause_queue(queue text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(case when queue is null then '22023 queue is missing' end,
                                           ganger._name_problem('queue', queue)));
    insert into ganger.queue as q (name, paused) values (queue, true)
    on conflict (name) do update set paused = true where not q.paused;
    if not found then
        return false;
    end if;
    perform ganger._signal('queue', queue);
    return true;
end $$;

create function ganger.resume_queue(queue text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.queue q set paused = false where q.name = resume_queue.queue and q.paused;
    if not found then
        return false;
    end if;
    perform ganger._signal('queue', queue);
    perform ganger._notify_work(queue);
    return true;
end $$;

create function ganger.pause_job_type(job_type text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(case when job_type is null then '22023 job_type is missing' end,
                                           ganger._name_problem('job_type', job_type)));
    insert into ganger.job_type as t (name, paused) values (job_type, true)
    on conflict (name) do update set paused = true where not t.paused;
    if not found then
        return false;
    end if;
    perform ganger._signal('job_type', job_type);
    return true;
end $$;

create function ganger.resume_job_type(job_type text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.job_type t set paused = false where t.name = resume_job_type.job_type and t.paused;
    if not found then
        return false;
    end if;
    perform ganger._signal('job_type', job_type);
    return true;
end $$;

-- Queues with jobs, or about which something was said.
create view ganger.queues with (security_barrier) as
select x.queue as name, coalesce(bool_or(q.paused), false) as paused,
       coalesce(sum(x.runnable), 0)::bigint as runnable, coalesce(sum(x.pending), 0)::bigint as pending,
       coalesce(sum(x.processing), 0)::bigint as processing, min(x.oldest) as oldest_runnable_at,
       min(q.concurrency) as concurrency, min(q.group_concurrency) as group_concurrency, min(q.rate) as rate,
       min(q.rate_period) as rate_period, min(q.retention) as retention,
       coalesce(sum(x.waiting), 0)::bigint as waiting
from (select l.queue, 0::bigint as runnable, 0::bigint as pending, 0::bigint as processing, 0::bigint as waiting,
             null::timestamptz as oldest from ganger.lane l
      union all
      select k.name, 0, 0, 0, 0, null::timestamptz as oldest from ganger.queue k
      union all
      select j.queue, count(*) filter (where j.seq is not null and j.status = 'pending'), count(*) filter (where j.status = 'pending'),
             count(*) filter (where j.status = 'processing'), count(*) filter (where j.status = 'waiting'),
             min(coalesce(j.run_at, j.created_at)) filter (where j.seq is not null and j.status = 'pending')
      from ganger.job j group by j.queue) x
left join ganger.queue q on q.name = x.queue
group by x.queue;

-- Job types with live jobs, or about which something was said.
create view ganger.job_types with (security_barrier) as
select x.job_type as name, coalesce(bool_or(t.paused), false) as paused,
       coalesce(sum(x.runnable), 0)::bigint as runnable, coalesce(sum(x.pending), 0)::bigint as pending,
       coalesce(sum(x.processing), 0)::bigint as processing, coalesce(sum(x.waiting), 0)::bigint as waiting,
       min(t.concurrency) as concurrency, min(t.timeout) as timeout, min(t.max_crashes) as max_crashes
from (select k.name as job_type, 0::bigint as runnable, 0::bigint as pending, 0::bigint as processing, 0::bigint as waiting
      from ganger.job_type k
      union all
      select j.job_type, count(*) filter (where j.seq is not null and j.status = 'pending'), count(*) filter (where j.status = 'pending'),
             count(*) filter (where j.status = 'processing'), count(*) filter (where j.status = 'waiting')
      from ganger.job j group by j.job_type) x
left join ganger.job_type t on t.name = x.job_type
group by x.job_type;

-- Groups with live jobs, or with a limit of their own. held: places taken, by jobs that run or are about to.
create view ganger.groups with (security_barrier) as
select x.group_key, coalesce(sum(x.pending), 0)::bigint as pending, coalesce(sum(x.limited), 0)::bigint as limited,
       coalesce(sum(x.held), 0)::bigint as held, coalesce(sum(x.processing), 0)::bigint as processing,
       min(l.concurrency) as concurrency, min(l.rate) as rate, min(l.rate_period) as rate_period
from (select k.group_key, 0::bigint as pending, 0::bigint as limited, 0::bigint as held, 0::bigint as processing from ganger.group_limit k
      union all
      select j.group_key, count(*) filter (where j.status = 'pending'), count(*) filter (where j.pending_reason = 'limited'),
             count(*) filter (where j.seq is not null), count(*) filter (where j.status = 'processing')
      from ganger.job j where j.group_key is not null group by j.group_key) x
left join ganger.group_limit l on l.group_key = x.group_key
group by x.group_key;
