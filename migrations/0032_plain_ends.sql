-- The short way for completed jobs of which nobody else wants to know that they have ended, or only their group; and those among them that
-- nobody keeps.
-- Plain jobs: no batch, no unique key, no tags (a barrier may wait for them), no prerequisites, no group, no steps, no cancel asked
-- for. Simple ones may have a unique key and a group. All others go the way of _finish.

-- The row of the history for a job that ends, whichever way: what it was, and how it ended. Becomes part of the statement that calls it as long as
-- no argument is volatile.
create function ganger._ended(j ganger.job, finish_id bigint, ended timestamptz, ran_us bigint, end_status ganger.job_status,
                              output jsonb, error text, reason text, cpu_us bigint, max_rss bigint, exit_code integer,
                              signal integer, log text)
returns setof ganger.history language sql stable as $$
    select j.id, finish_id, j.created_at, j.run_at,
        case when ran_us is null then j.started_at else ended - make_interval(secs => ran_us::float8 / 1e6::float8) end,
        ended, j.lease_id, j.worker_id, cpu_us, max_rss, j.max_attempts, j.attempts, end_status, exit_code, signal,
        j.priority, j.crashes, j.progress, j.retry_backoff, j.queue, j.job_type, j.payload, j.timeout, j.kill_grace,
        j.retry_delay, j.retry_delay_max, j.expires_at, j.tags, j.idempotency_key, j.unique_key, j.group_key,
        j.depends_on, j.depends_on_tags, j.dead_letter_job_type, j.dead_letter_job_id, j.dead_letter_of, j.batch_id,
        j.schedule_id, j.owner, j.metadata, j.progress_message, j.stage,
        case when end_status = 'completed' then coalesce(output, j.output) end,
        case when end_status = 'failed' then error else j.error end,
        case when end_status = 'failed' then case reason when 'node_lost' then 'crashed' else reason end end,
        case when end_status = 'failed' and reason = 'node_lost' then 'node_lost' end,
        j.worker_name, coalesce(log, j.log),
        case when end_status = 'failed' then ended else j.last_failed_at end, j.last_retried_at,
        case when end_status = 'cancelled' then ended else j.last_cancelled_at end
$$;

-- _ended_row: the same as one value, also where an argument is volatile. Made of the one above, as those columns should stand once; to ask
-- either for what the other is takes ten milliseconds to plan, or a tenth of each end.
do $$
begin
    execute (select format('create function ganger._ended_row(%s) returns ganger.history language sql stable as %L',
                           pg_get_function_arguments(p.oid), regexp_replace(p.prosrc, '^\s*select (.*)$', 'select row(\1)::ganger.history'))
             from pg_proc p where p.oid = 'ganger._ended'::regproc);
end $$;

-- These become part of the statement that asks.
create function ganger._is_simple(j ganger.job) returns boolean language sql immutable parallel safe as $$
    select j.batch_id is null and j.tags is null and j.depends_on is null and j.depends_on_tags is null
           and j.has_steps is not true and j.cancel_requested is not true
$$;

create function ganger._is_plain(j ganger.job) returns boolean language sql immutable parallel safe as $$
    select ganger._is_simple(j) and j.unique_key is null and j.group_key is null
$$;

-- Completes one plain job where nothing is out of the ordinary: no result put off, no limit of a queue or job type, no retention of
-- zero or of a queue, no old snapshot. False: it is not so, the lease is stale, or somebody holds the row: who waits for it must look for
-- results that were put off after the wait; nothing was done. The caller has set search_path, and jit and enable_seqscan off: to set them here, too, would cost a twentieth of all.
-- The row of the history is made of the one deleted, which may be a newer one than a snapshot shows, and is handed on whole: to ask a value
-- for each of its columns would cost a twentieth of all. Its number is as from _take_seq, mostly without the call.
create function ganger._complete_one(id bigint, lease_id uuid, output jsonb, ran_us bigint, ended timestamptz, cpu_us bigint,
                                     max_rss bigint, log text) returns boolean
language plpgsql volatile as $$
declare
    epoch            constant bigint := pg_sequence_last_value('ganger.epoch_seq'::regclass);
    signal_floor     constant bigint := pg_sequence_last_value('ganger.signal_floor'::regclass);
    dependency_floor constant bigint := pg_sequence_last_value('ganger.dependency_floor'::regclass);
    gone    record;
    took_us bigint;
    is_news boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        return false;
    end if;
    delete from ganger.job j
    where j.ctid = (select x.ctid from ganger.job x where x.id = _complete_one.id and x.lease_id = _complete_one.lease_id for update skip locked)
      and j.lease_id = _complete_one.lease_id and j.status = 'processing' and ganger._is_plain(j)
      and not exists (select from ganger.late_result
                      union all select from ganger.queue q where q.concurrency is not null or q.retention is not null
                      union all select from ganger.job_type t where t.concurrency is not null
                      union all select from ganger.setting s where s.name = 'retention_completed' and s.value::interval <= interval '0')
    returning ganger._ended_row(j, coalesce(ganger._seq_in(epoch), ganger._take_seq()), ended, ran_us, 'completed', _complete_one.output,
                                null, null, cpu_us, max_rss, null, null, _complete_one.log) as h into gone;
    if not found then
        return false;
    end if;
    took_us := coalesce(ran_us, ganger._run_us((gone.h).started_at, ended));
    insert into ganger.history_completed select * from unnest(array[gone.h]);
    insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at, buckets)
    values ((gone.h).job_type, 'completed', 1, took_us, date_bin('1 s', ended, '2000-01-01 00:00+00'),
            array[ganger._run_bucket('completed', took_us)])
    -- after the job's row was taken: see _follow_end
    returning exists (select from ganger.dependency d where d.n >= dependency_floor)
           or exists (select from ganger.signal s where s.n >= signal_floor) into is_news;
    if is_news then
        perform ganger._follow_end(array[id], null);
    end if;
    return true;
end $$;

-- Simple jobs of one of gangerd's batches (see _finish_completed for the parameters): plain ones that nobody keeps are deleted, the others
-- move to the history. Returns the ids of those that ended so. While results that were put off wait, or with a first job that is not
-- simple (a batch's jobs are mostly alike), none does.
create function ganger._complete_plain(ids bigint[], leases uuid[], outputs text[], ran_us bigint[], ago_us bigint[], cpu_us bigint[],
                                       max_rss bigint[], logs text[]) returns bigint[]
language plpgsql volatile set jit = off set enable_seqscan = off as $$
declare
    rules   record;
    dropped bigint[] := '{}';
begin
    select exists (select from ganger.late_result) as is_late,
           (select case when ganger._is_plain(j) then 'plain' when ganger._is_simple(j) then 'simple' else 'other' end
            from ganger.job j where j.id = ids[1]) as first,
           exists (select from ganger.setting s where s.name = 'retention_completed' and s.value::interval <= interval '0') as by_default,
           exists (select from ganger.queue q where q.retention is not null) as by_queue,
           exists (select from ganger.queue q where q.concurrency is not null)
           or exists (select from ganger.job_type t where t.concurrency is not null) as is_limited
    into rules;
    if rules.is_late or rules.first = 'other' then
        return '{}';
    end if;
    -- the end of one that is limited is news to others
    if not rules.is_limited and (rules.by_queue or rules.by_default) then
        dropped := ganger._drop_completed(ids, leases, ago_us, rules.by_default);
    end if;
    if cardinality(dropped) < cardinality(ids) then
        return dropped || ganger._keep_completed(ids, leases, outputs, ran_us, ago_us, cpu_us, max_rss, logs, rules.first = 'simple');
    end if;
    return dropped;
end $$;

-- Moves plain jobs, or simple ones, to the history; returns their ids. By index into the arrays: to unnest eight of them is dearer.
-- `= any (array[..])`: as in _finish.
create function ganger._keep_completed(ids bigint[], leases uuid[], outputs text[], ran_us bigint[], ago_us bigint[], cpu_us bigint[],
                                       max_rss bigint[], logs text[], simple boolean) returns bigint[]
language plpgsql volatile set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock      constant timestamptz := clock_timestamp();
    finish_ids constant bigint[] := ganger._take_seqs(cardinality(ids));
    moved      bigint[];
    keyed      bigint[]; -- with a unique key
    groups     text[];
    queue      text; -- of all of them
begin
    with gone as (
        delete from ganger.job j using generate_series(1, cardinality(ids)) i
        where j.id = any (array[ids[i]]) and j.lease_id = leases[i] and j.status = 'processing'
          and case when simple then ganger._is_simple(j) else ganger._is_plain(j) end
        returning j.ctid as row_ctid, j.id, j.job_type, j.started_at, j.queue, j.group_key, j.unique_key is not null as is_keyed, i,
                  clock - make_interval(secs => coalesce(ago_us[i], 0)::float8 / 1e6::float8) as ended
    ), kept as (
        -- The rows are read again, as this statement's snapshot has them: to hand all their columns from one part to the next would cost
        -- as much as to delete them.
        insert into ganger.history_completed
        select h.* from gone g left join ganger.job j on j.ctid = g.row_ctid
        cross join lateral ganger._ended(j, case when j.id is null then ganger._changed_meanwhile() else finish_ids[g.i] end, g.ended,
            ran_us[g.i], 'completed', outputs[g.i]::jsonb, null, null, cpu_us[g.i], max_rss[g.i], null, null, logs[g.i]) h
    ), counted as (
        insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at, buckets)
        select k.job_type, 'completed', count(*), coalesce(sum(k.took_us), 0), k.ended_at,
               array_agg(ganger._run_bucket('completed', k.took_us))
        from (select g.job_type, coalesce(ran_us[g.i], ganger._run_us(g.started_at, g.ended)) as took_us,
                     date_bin('1 s', g.ended, '2000-01-01 00:00+00') as ended_at
              from gone g) k
        group by k.job_type, k.ended_at
    )
    select coalesce(array_agg(g.id), '{}'), (select array_agg(g.id) from gone g where simple and g.is_keyed),
           (select array_agg(distinct g.group_key collate "C") from gone g where simple and g.group_key is not null),
           (select case when min(g.queue) = max(g.queue) then min(g.queue) end from gone g where simple)
    into moved, keyed, groups, queue from gone g;
    if groups is not null then
        perform ganger._leave_groups(groups, queue, current_setting('transaction_isolation') = 'read committed');
    end if;
    perform ganger._follow_end(moved, null);
    if keyed is not null then
        perform ganger._drop_unique_keys(keyed); -- all that _follow_end would do for them
    end if;
    return moved;
end $$;

-- For a row that was changed between a statement's snapshot and its end.
create function ganger._changed_meanwhile() returns bigint language plpgsql stable as $$
begin
    raise exception 'a job was changed while it ended' using errcode = '55P03', hint = 'Try again.';
end $$;

-- Deletes plain jobs that nobody keeps; returns their ids. by_default: nobody keeps those of a queue that says nothing. Plain here: no
-- idempotency key, no token, too, which are for others to look after.
create function ganger._drop_completed(ids bigint[], leases uuid[], ago_us bigint[], by_default boolean) returns bigint[]
language plpgsql volatile set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock   constant timestamptz := clock_timestamp();
    unkept  constant text[] := array(select q.name from ganger.queue q where q.retention <= interval '0');
    kept    constant text[] := array(select q.name from ganger.queue q where q.retention > interval '0');
    dropped bigint[];
    least_id bigint;
    most_id  bigint;
begin
    if not by_default and unkept = '{}' then
        return '{}';
    end if;
    with gone as (
        delete from ganger.job j using generate_series(1, cardinality(ids)) i
        where j.id = any (array[ids[i]]) and j.lease_id = leases[i] and j.status = 'processing' and ganger._is_plain(j)
          and (by_default and j.queue <> all (kept) or j.queue = any (unkept)) and j.idempotency_key is null
          and (select not exists (select from ganger.token t where t.job_id = any (ids)))
        returning j.id, j.job_type, clock - make_interval(secs => coalesce(ago_us[i], 0)::float8 / 1e6::float8) as ended
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
