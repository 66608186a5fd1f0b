-- What the end of a job means for others: dependents, dead letter, unique key, places in group and batch. Everything is done in the
-- transaction that ends the job, but for what is others' business as well; for that a signal is left.

-- Stores the events of jobs that _finish has just moved to history, failed or cancelled. all_ids, roots: of the cascade each belongs to
-- (null: none does), in parallel.
create function ganger._tell_ends(ids bigint[], all_ids bigint[], roots bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp
-- Thousands end in one cascade, and a caller's setting has taken the other joins away.
set jit = off set enable_seqscan = off set enable_nestloop = off set enable_hashjoin = on
as $$
begin
    insert into ganger.event (id, job_id, event, at, data)
    select h.finish_id, h.id, case when h.failure_reason = 'expired' then 'expired' else h.status::text end, h.finished_at,
           case when h.status = 'failed' then jsonb_build_object('message', h.error, 'will_retry', false, 'reason', h.failure_reason)
                when r.root is not null then jsonb_build_object('root_job_id', r.root) end
    from ganger.history_ended h join unnest(all_ids, roots) as r (id, root) on r.id = h.id
    where h.id = any (ids);
end $$;

-- Counts ended items of batches for these, and leaves a signal for their places.
create function ganger._tell_batches(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    with told as (
        insert into ganger.batch_delta (batch_id, completed, failed, cancelled, ended_at)
        select h.batch_id, count(*) filter (where h.status = 'completed'), count(*) filter (where h.status = 'failed'),
               count(*) filter (where h.status = 'cancelled'), max(h.finished_at)
        from ganger.history h where h.id = any (ids) group by h.batch_id
        returning batch_id
    )
    insert into ganger.signal (kind, key) select 'batch', t.batch_id from told t;
end $$;

-- ids: jobs that _finish has just moved to history; followed: those of them that have something to follow by themselves (null: none).
create function ganger._follow_end(ids bigint[], followed bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    is_old constant boolean := current_setting('transaction_isolation') not in ('read committed', 'read uncommitted');
    signal_floor     constant bigint := pg_sequence_last_value('ganger.signal_floor'::regclass);
    dependency_floor constant bigint := pg_sequence_last_value('ganger.dependency_floor'::regclass);
    facts  record;
begin
    -- after the jobs' rows were taken: a dependent that is noted later finds them ending, and looks again
    select exists (select from ganger.dependency d where d.n >= dependency_floor) as has_dependents,
           exists (select from ganger.signal s where s.n >= signal_floor) as has_signals,
           exists (select from ganger.queue q where q.concurrency is not null)
           or exists (select from ganger.job_type t where t.concurrency is not null) as has_limits
    into facts;
    if facts.has_dependents then
        -- first what they waited for: of jobs that end together none is another's dependent any more
        delete from ganger.dependency d where d.job_id = any (followed);
        if not is_old then
            perform ganger._follow_dependents(ids);
        end if;
    end if;
    if is_old then
        -- this snapshot may be too old to tell of dependents
        insert into ganger.signal (kind, job_id) select 'ended', x from unnest(ids) x;
        facts.has_signals := true;
    end if;
    if facts.has_signals then
        perform ganger._notify_signal();
    end if;
    if facts.has_limits then
        perform ganger._notify_room(array_agg(distinct h.queue), array_agg(distinct h.job_type))
        from ganger.history h where h.id = any (ids);
    end if;
    if followed is not null then
        perform ganger._drop_unique_keys(followed);
        perform ganger._bury_dead_letters(followed);
        perform ganger._call_hooks(followed);
        perform ganger._follow_barriers(followed);
    end if;
end $$;

-- Lets dependents of ended jobs go on, or cancels them.
create function ganger._follow_dependents(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    awaited bigint[];
    bad     bigint[];
    waiters bigint[];
    free    bigint[];
begin
    -- by arrays, not by joins: what the planner thinks of so short-lived a table may be far off
    awaited := array(select distinct d.prerequisite_id from ganger.dependency d where d.prerequisite_id = any (ids));
    if cardinality(awaited) = 0 then
        return;
    end if;
    bad := array(select h.id from ganger.history h where h.id = any (awaited) and h.status <> 'completed');
    awaited := array(select a from unnest(awaited) a where a <> all (bad)); -- completed, and perhaps not even kept
    waiters := array(select distinct d.job_id from ganger.dependency d where d.prerequisite_id = any (awaited));
    if cardinality(bad) > 0 then
        perform ganger._cancel_dependents(bad);
    end if;
    if cardinality(waiters) > 0 then
        free := array(select j.id from ganger.job j where j.id = any (waiters) and j.pending_reason = 'blocked'
                      order by j.id for update skip locked);
        insert into ganger.signal (kind, job_id)
        select 'blocked', j.id from ganger.job j
        where j.id = any (waiters) and j.id <> all (free) and j.pending_reason = 'blocked';
        perform ganger._release_dependents(free);
    end if;
end $$;

-- For a signal: the same, in a transaction that sees what has been committed since.
create function ganger._follow_ended(ids bigint[]) returns void
language sql volatile set search_path = pg_catalog, ganger, pg_temp as $$
    select ganger._follow_dependents(ids)
$$;

-- Barriers that waited for tags of ended jobs: looked at again after the commit; those that waited for one that failed or was
-- cancelled are cancelled.
create function ganger._follow_barriers(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    bad     bigint[];
    waiters bigint[];
begin
    if not exists (select from ganger._barriers) then
        return;
    end if;
    bad := array(select h.id from ganger.history h where h.id = any (ids) and h.tags is not null and h.status <> 'completed');
    if cardinality(bad) > 0 then
        perform ganger._cancel_dependents(bad);
    end if;
    waiters := array(
        select distinct b.id from ganger.history h
        -- (offset 0: what is made distinct is not to come from a walk through every job)
        join (select * from ganger._barriers offset 0) b on b.depends_on_tags <@ h.tags and ganger._may_bar(h.owner, b.owner)
        where h.id = any (ids));
    perform ganger._release_dependents(array(select j.id from ganger.job j where j.id = any (waiters) and j.pending_reason = 'blocked'
                                             order by j.id for update skip locked));
    insert into ganger.signal (kind, job_id) -- another one that has such tags may be ending just now
    select 'blocked', j.id from ganger.job j where j.id = any (waiters) and j.pending_reason = 'blocked';
end $$;

-- Enqueues the dead letter of each job that has failed for good and asks for one, in its queue and for its owner; the two know each
-- other.
create function ganger._bury_dead_letters(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    h      ganger.history;
    letter bigint;
begin
    for h in
        select * from ganger.history x
        where x.id = any (ids) and x.status = 'failed' and x.dead_letter_job_type is not null order by x.id
    loop
        letter := ganger._enqueue_all(jsonb_build_array(jsonb_build_object(
            'job_type', h.dead_letter_job_type, 'queue', h.queue, 'owner', h.owner)), null);
        -- the envelope may be longer than a payload may be
        update ganger.job j
        set dead_letter_of = h.id,
            payload = jsonb_build_object(
                'original_job', jsonb_build_object('id', h.id, 'job_type', h.job_type, 'attempts', h.attempts,
                                                   'max_attempts', h.max_attempts),
                'original_payload', h.payload,
                'failure', jsonb_build_object('message', h.error, 'reason', h.failure_reason, 'failed_at', h.finished_at))
        where j.id = letter;
        update ganger.history x set dead_letter_job_id = letter where x.id = h.id;
        insert into ganger.event (id, job_id, event, data)
        values ((ganger._take_seqs(1))[1], h.id, 'dead_lettered',
                jsonb_build_object('dead_letter_job_id', letter, 'job_type', h.dead_letter_job_type));
    end loop;
end $$;
