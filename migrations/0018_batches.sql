-- Batches: many jobs (items) under one name, a few of them at a time, and one job when all have ended.
--
-- An item is `batch`, outside the claim index, until it is given one of the batch's places, and keeps that until it has ended: through
-- retries, snoozes and waits. As with groups, only short transactions give places, under an advisory lock of the batch
-- (_admit_batches). They alone write batch_state. What operators say is in ganger.batch, whose rows they never lock; so neither has
-- to wait for the other, nor a finish for any: that leaves a batch_delta and a signal.

create table ganger.batch (
    id           text primary key,
    job_type     text not null,
    concurrency  integer not null,
    total        integer not null default 0,
    first_id     bigint,                               -- its items' ids begin here, and rise in their order
    paused       boolean not null default false,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    cancelled_at timestamptz,
    owner        text,
    on_finish    jsonb                                 -- one entry of enqueue_many
);
-- How far it is, but for batch_delta.
create table ganger.batch_state (
    batch_id         text primary key,
    completed        integer not null default 0,
    failed           integer not null default 0,
    cancelled        integer not null default 0,
    ended_at         timestamptz,                      -- when its last item ended so far
    finished_at      timestamptz,                      -- all have ended, and what follows that is done
    was_cancelled    boolean,                          -- when it finished
    on_finish_job_id bigint
) with (fillfactor = 50);
-- Items that have ended (or were taken back by retry(): below zero), in the transactions that did it.
create table ganger.batch_delta (
    batch_id  text not null,
    completed integer not null,
    failed    integer not null,
    cancelled integer not null,
    ended_at  timestamptz
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index batch_delta_batch on ganger.batch_delta (batch_id);
create index history_batch on ganger.history (batch_id) where batch_id is not null;
create index event_batch on ganger.event ((data ->> 'batch_id')) where job_id is null;

-- Batches. Status: pending (not started), running, paused, completed, completed_with_errors (an item failed or was cancelled by
-- itself), cancelled (finished_at null: an item has not stopped yet). completed and failed count items.
create view ganger.batches with (security_barrier) as
select b.id, b.job_type,
       case when f.is_cancelled then 'cancelled'
            when f.is_over then case when f.completed = b.total then 'completed' else 'completed_with_errors' end
            when b.started_at is null then 'pending'
            when b.paused then 'paused' else 'running' end as status,
       b.concurrency, b.total, f.completed, f.failed, b.paused and not f.is_over as paused, f.is_cancelled as cancelled, b.created_at,
       b.started_at, case when f.is_over then coalesce(s.finished_at, greatest(s.ended_at, d.ended_at, b.started_at, b.cancelled_at)) end
       as finished_at, b.owner, s.on_finish_job_id, f.items_cancelled
from ganger.batch b
join ganger.batch_state s on s.batch_id = b.id
cross join lateral (select coalesce(sum(x.completed), 0) as completed, coalesce(sum(x.failed), 0) as failed,
                           coalesce(sum(x.cancelled), 0) as cancelled, max(x.ended_at) as ended_at
                    from ganger.batch_delta x where x.batch_id = b.id) d
cross join lateral (select (s.completed + d.completed)::integer as completed, (s.failed + d.failed)::integer as failed,
                           (s.cancelled + d.cancelled)::integer as items_cancelled,
                           coalesce(s.was_cancelled, b.cancelled_at is not null) as is_cancelled,
                           s.finished_at is not null
                           or ((b.started_at is not null or b.cancelled_at is not null)
                               and s.completed + s.failed + s.cancelled + d.completed + d.failed + d.cancelled = b.total) as is_over) f;

-- May its items start? The items of a cancelled or finished one have ended; what runs after that is what somebody has retried.
create function ganger._is_batch_running(id text) returns boolean
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return exists (select from ganger.batch b
                   where b.id = _is_batch_running.id and (b.started_at is not null or b.cancelled_at is not null)
                     and (not b.paused or exists (select from ganger.batch_state s where s.batch_id = b.id and s.finished_at is not null)));
end $$;

-- Must a job, an item of this batch (null: of none) with or without a place, wait for it?
create function ganger._is_batch_closed(batch_id text, batch_place boolean) returns boolean language sql stable as $$
    select batch_id is not null and (batch_place is not true or not ganger._is_batch_running(batch_id))
$$;

-- An event of the batch itself, as read_events() tells it: without a job.
create function ganger._tell_batch(id text, event text, data jsonb default '{}') returns void
language sql volatile set search_path = pg_catalog, ganger, pg_temp as $$
    insert into ganger.event (id, event, data)
    values ((ganger._take_seqs(1))[1], _tell_batch.event, jsonb_build_object('batch_id', _tell_batch.id) || _tell_batch.data)
$$;

-- Takes the places of a paused batch's items back, as far as they have not started. True: some are in others' hands just now.
create function ganger._hold_items(keys text[]) returns boolean
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    ready bigint[] := array(select j.id from ganger.job j
                            where j.batch_id = any (keys) and j.pending_reason is distinct from 'batch'
                              and (j.seq is not null and j.status = 'pending' or j.pending_reason = 'limited'));
    n     bigint;
begin
    if cardinality(ready) = 0 then
        return false;
    end if;
    with mine as materialized (
        select j.id, j.group_key from ganger.job j
        where j.id = any (ready) and (j.seq is not null and j.status = 'pending' or j.pending_reason = 'limited') order by j.id for update skip locked
    ), held as (
        update ganger.job j set seq = null, due_at = null, pending_reason = 'batch', batch_place = null
        from mine m where j.id = any (array[m.id]) returning j.id
    ), freed as (
        insert into ganger.signal (kind, key) select distinct 'group', m.group_key from mine m where m.group_key is not null
    )
    select count(*) into n from held;
    return n < cardinality(ready);
end $$;

-- Cancels what is live of cancelled batches, but for what somebody has retried since: pending items at once, running ones are
-- asked to stop. True: some are in others' hands just now.
create function ganger._withdraw_items(keys text[]) returns boolean
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    live bigint[];
    free bigint[];
begin
    with of_batches as (
        select j.id, j.batch_id, j.last_retried_at, j.cancel_requested from ganger.job j where j.batch_id = any (keys)
    )
    select coalesce(array_agg(j.id), '{}') into live
    from of_batches j join ganger.batch b on b.id = any (array[j.batch_id])
    where j.cancel_requested is not true and (j.last_retried_at is null or j.last_retried_at < b.cancelled_at);
    if cardinality(live) = 0 then
        return false;
    end if;
    free := array(select j.id from ganger.job j where j.id = any (live) order by j.id for update skip locked);
    update ganger.job j set cancel_requested = true where j.id = any (free) and j.status = 'processing';
    if found then
        perform pg_notify('ganger', 'cancel');
    end if;
    perform ganger._finish(array_agg(j.id), array_agg(null::uuid), array_agg('cancelled'::ganger.job_status), unheld => true)
    from (select x.id from ganger.job x where x.id = any (free) and x.status <> 'processing' order by x.id) j having count(*) > 0;
    return cardinality(free) < cardinality(live);
end $$;

-- Gives free places of running batches, whose locks the caller has, to their next items. One that somebody's open transaction holds is
-- passed over, and looked at again; so is a batch with many places.
create function ganger._admit_items(keys text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    most constant integer := 1000; -- of a batch, at a call
    ids  bigint[];
begin
    with room as materialized (
        select b.id, b.cancelled_at, -- of a cancelled one only what somebody has retried since
               greatest(0, least(most, b.concurrency - (select count(*) from ganger.job j
                                                        where j.batch_id = b.id and j.pending_reason is distinct from 'batch'
                                                          and j.batch_place))) as places
        from ganger.batch b where b.id = any (keys) and ganger._is_batch_running(b.id)
    ), next as materialized (
        select r.id as key, n.id
        from room r
        cross join lateral (
            select j.id from ganger.job j
            where j.batch_id = r.id and j.pending_reason is not distinct from 'batch' and (r.cancelled_at is null or j.last_retried_at > r.cancelled_at)
            order by j.schedule_id, j.id limit r.places for update skip locked) n
    ), missed as (
        insert into ganger.signal (kind, key)
        select 'batch', r.id from room r cross join lateral (select count(*) as n from next x where x.key = r.id) got
        where (got.n < r.places or got.n = most)
          and got.n < (select count(*) from ganger.job j
                       where j.batch_id = r.id and j.pending_reason is not distinct from 'batch'
                         and (r.cancelled_at is null or j.last_retried_at > r.cancelled_at))
    )
    select coalesce(array_agg(n.id order by n.id), '{}') into ids from next n;
    if cardinality(ids) > 0 then
        update ganger.job j set pending_reason = null, batch_place = true where j.id = any (ids);
        perform ganger._open_gates(ids);
    end if;
end $$;

-- For signals: gives the places of these batches, tells how far they are, and ends those whose items have all ended. One that another
-- session is at is left to a signal.
create function ganger._admit_batches(keys text[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    locked text[] := ganger._lock_places('batch', keys, 'batch');
    item   record;
    again  boolean;
begin
    -- statements of their own, so that they see what the holder of each lock before us has done
    for item in
        select b.id, b.cancelled_at from ganger.batch b
        where b.id = any (locked) and (b.cancelled_at is not null or (b.paused and not ganger._is_batch_running(b.id)))
    loop
        again := case when item.cancelled_at is not null then ganger._withdraw_items(array[item.id])
                      else ganger._hold_items(array[item.id]) end;
        if again then
            insert into ganger.signal (kind, key) values ('batch', item.id);
        end if;
    end loop;
    perform ganger._admit_items(locked);
    for item in
        with gone as (
            delete from ganger.batch_delta d where d.batch_id = any (locked) returning d.*
        ), news as (
            select g.batch_id, sum(g.completed) as completed, sum(g.failed) as failed, sum(g.cancelled) as cancelled,
                   max(g.ended_at) as ended_at
            from gone g group by g.batch_id
        ), folded as (
            update ganger.batch_state s
            set completed = s.completed + n.completed, failed = s.failed + n.failed, cancelled = s.cancelled + n.cancelled,
                ended_at = greatest(s.ended_at, n.ended_at)
            from news n where s.batch_id = any (array[n.batch_id]) returning s.*
        )
        select b.id, b.total, b.started_at, coalesce(f.completed, s.completed) as completed, coalesce(f.failed, s.failed) as failed,
               coalesce(f.cancelled, s.cancelled) as cancelled, f.batch_id is not null as is_news
        from ganger.batch b join ganger.batch_state s on s.batch_id = any (array[b.id]) left join folded f on f.batch_id = b.id
        where b.id = any (locked) and s.finished_at is null and (b.started_at is not null or b.cancelled_at is not null)
    loop
        if item.completed + item.failed + item.cancelled = item.total then
            perform ganger._end_batch(item.id);
        elsif item.is_news and item.started_at is not null then
            perform ganger._tell_batch(item.id, 'batch_progress', jsonb_build_object(
                'total', item.total, 'completed', item.completed, 'failed', item.failed));
        end if;
    end loop;
end $$;

-- All items have ended: enqueues what on_finish says, and writes down that it is over. The caller has the batch's lock, so this is done
-- once. A job that is refused by now (a prerequisite has failed, its key is taken) does not keep the batch from its end: the event says so.
create function ganger._end_batch(id text) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    b       ganger.batches;
    job     bigint;
    problem text;
begin
    select * into b from ganger.batches x where x.id = _end_batch.id;
    begin
        job := ganger._enqueue_on_finish(b.id, b.status);
    exception
        when lock_not_available or deadlock_detected then
            insert into ganger.signal (kind, key) values ('batch', b.id); -- an equal key is in somebody's open transaction
            return;
        when serialization_failure or insufficient_resources or system_error then
            raise; -- tried again: that is nothing about the job
        when others then
            problem := regexp_replace(sqlerrm, '^jobs\[0\]: ', '');
    end;
    update ganger.batch_state s
    set finished_at = b.finished_at, was_cancelled = b.cancelled, on_finish_job_id = job
    where s.batch_id = b.id;
    perform ganger._tell_batch(b.id, 'batch_finished', jsonb_strip_nulls(jsonb_build_object(
        'status', b.status, 'total', b.total, 'completed', b.completed, 'failed', b.failed,
        'on_finish_job_id', job, 'on_finish_error', problem)));
end $$;

-- The job of a finished batch; it knows by its metadata which one, and how that ended. Null: none was asked for.
create function ganger._enqueue_on_finish(id text, status text) returns bigint
language sql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms' as $$
    select ganger._enqueue_all(jsonb_build_array(
               jsonb_build_object('owner', b.owner) || b.on_finish
               || jsonb_build_object('metadata', coalesce(nullif(b.on_finish -> 'metadata', 'null'), '{}')
                                     || jsonb_build_object('batch_id', b.id, 'batch_status', _enqueue_on_finish.status))), null)
    from ganger.batch b where b.id = _enqueue_on_finish.id and b.on_finish is not null
$$;

-- Deletes batches and what belongs to them; their jobs are gone.
create function ganger._drop_batches(ids text[]) returns void
language sql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    delete from ganger.batch_delta d where d.batch_id = any (ids);
    delete from ganger.batch_state s where s.batch_id = any (ids);
    delete from ganger.event e where e.job_id is null and e.data ->> 'batch_id' = any (ids);
    delete from ganger.batch b where b.id = any (ids)
$$;

-- Finished batches of whose jobs none is left; one without items goes as a completed job does. Returns how many.
create function ganger._forget_batches() returns integer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    empty_until constant timestamptz := clock_timestamp() - ganger._setting('retention_completed', '30 days')::interval;
    ids text[] := array(
        select b.id from ganger.batch_state s join ganger.batch b on b.id = any (array[s.batch_id])
        where s.finished_at is not null and (b.total > 0 or s.finished_at < empty_until)
          and not exists (select from ganger.history h where h.batch_id = b.id offset 0)
          and not exists (select from ganger.job j where j.batch_id = b.id offset 0)
        order by s.finished_at limit 1000 for update skip locked);
begin
    perform ganger._drop_batches(ids);
    return cardinality(ids);
end $$;

-- Nothing is for everybody.
