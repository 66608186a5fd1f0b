-- Completed jobs that nobody keeps: with a retention of zero they are deleted by the statement that ends them, and never written
-- to the history. Only plain ones, of which nothing else would want to know that they have ended: no batch, no key, no tags (a barrier may
-- wait for them), no prerequisites, no group, no steps. The others take the usual way, and are deleted by the duty of retention.

-- Ends jobs of one of gangerd's batches in this way (see _finish_completed for the parameters); returns the ids of those that were. Those that
-- are limited, as the end of one is news to others, are not; nor those that somebody has asked to cancel.
create function ganger._drop_completed(ids bigint[], leases uuid[], ago_us bigint[]) returns bigint[]
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock   constant timestamptz := clock_timestamp();
    rules   record;
    dropped bigint[];
    least_id bigint;
    most_id  bigint;
begin
    select ganger._setting('retention_completed', '30 days')::interval <= interval '0' as by_default,
           array(select q.name from ganger.queue q where q.retention <= interval '0') as unkept,
           array(select q.name from ganger.queue q where q.retention > interval '0') as kept
    into rules;
    if not rules.by_default and rules.unkept = '{}' then
        return '{}'; -- apart, as every batch of a system that keeps its jobs comes here: no query of its own
    end if;
    if exists (select from ganger.queue q where q.concurrency is not null)
       or exists (select from ganger.job_type t where t.concurrency is not null)
       or exists (select from ganger.late_result) then
        return '{}';
    end if;
    with gone as (
        delete from ganger.job j using unnest(ids, leases, ago_us) as g (id, lease, ago)
        where j.id = any (array[g.id]) and j.lease_id = g.lease and j.status = 'processing' and j.cancel_requested is not true
          and (rules.by_default and j.queue <> all (rules.kept) or j.queue = any (rules.unkept))
          and j.batch_id is null and j.idempotency_key is null and j.unique_key is null and j.tags is null
          and j.depends_on is null and j.depends_on_tags is null and j.group_key is null and j.has_steps is not true
          and (select not exists (select from ganger.token t where t.job_id = any (ids)))
        returning j.id, j.job_type, clock - make_interval(secs => coalesce(g.ago, 0)::float8 / 1e6::float8) as ended
    ), counts as materialized (
        select g.job_type, date_bin('1 s', g.ended, '2000-01-01 00:00+00') as ended, count(*) as n from gone g group by 1, 2
    ), counted as ( -- an end, and at once one known no more
        insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at)
        select c.job_type, 'completed'::ganger.job_status, c.n, 0, c.ended from counts c
        union all
        select c.job_type, 'completed'::ganger.job_status, -c.n, 0, null from counts c
    )
    select coalesce(array_agg(g.id), '{}') into dropped from gone g;
    if dropped <> '{}' then
        -- what earlier attempts have left; mostly there is nothing between the first and the last
        select min(d), max(d) into least_id, most_id from unnest(dropped) d;
        if exists (select from ganger.attempt a where a.job_id between least_id and most_id) then
            delete from ganger.attempt a where a.job_id = any (dropped);
        end if;
        if exists (select from ganger.event e where e.job_id between least_id and most_id) then
            delete from ganger.event e where e.job_id = any (dropped);
        end if;
        perform ganger._follow_end(dropped, null);
    end if;
    return dropped;
end $$;
