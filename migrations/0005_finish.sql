-- How an attempt ends. Every write names (id, lease_id): a stale one changes nothing.

-- Moves jobs to history in one statement, whatever ended them. Arrays run in parallel; a null array means null for all.
-- Only what is processing under its lease is moved; with `unheld` only what nobody holds (a cancel of a pending job).
--
--   ran_us, ago_us   how long the attempt ran, and how long ago it ended (by the worker's clock); null = by the
--                    database's
-- A cancel that was requested meanwhile wins over 'completed' and 'failed'. Returns the ids that were moved. How long to wait for
-- a row that somebody's open transaction holds is the caller's to say (lock_timeout).
create function ganger._finish(ids bigint[], leases uuid[], statuses ganger.job_status[], outputs text[] default null,
                               errors text[] default null, reasons text[] default null, ran_us bigint[] default null,
                               ago_us bigint[] default null, cpu_us bigint[] default null, max_rss bigint[] default null,
                               exit_codes integer[] default null, signals integer[] default null, logs text[] default null,
                               unheld boolean default false)
returns bigint[]
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock      constant timestamptz := clock_timestamp();
    finish_ids constant bigint[] := ganger._take_seqs(cardinality(ids));
    moved      bigint[];
    cancelled  bigint[];
begin
    with gone as (
        delete from ganger.job j
        using unnest(ids, leases, statuses, outputs, errors, reasons, ran_us, ago_us, cpu_us, max_rss, exit_codes, signals, logs,
                     finish_ids)
              as g (id, lease, status, output, error, reason, ran, ago, cpu, rss, exit_code, signal, log, finish_id)
        where j.id = g.id and case when unheld then j.lease_id is null and j.status in ('pending', 'waiting')
                                   else j.lease_id = g.lease and j.status = 'processing' end
        returning j.*, g.finish_id, g.output as given_output, g.error as given_error, g.reason as given_reason, g.cpu, g.rss,
                  g.exit_code, g.signal, g.log as given_log, clock - make_interval(secs => coalesce(g.ago, 0) / 1e6) as ended,
                  g.ran, case when j.cancel_requested then 'cancelled' else g.status end as end_status
    ), kept as (
        insert into ganger.history (id, finish_id, created_at, run_at, started_at, finished_at, lease_id, worker_id, cpu_us,
            max_rss, max_attempts, attempts, status, exit_code, signal, priority, crashes, progress, retry_backoff, queue,
            job_type, payload, timeout, kill_grace, retry_delay, retry_delay_max, expires_at, tags, idempotency_key, unique_key,
            group_key, depends_on, depends_on_tags, dead_letter_job_type, dead_letter_job_id, dead_letter_of, batch_id, owner,
            metadata, progress_message, stage, output, error, failure_reason, worker_name, log, last_failed_at,
            last_retried_at, last_cancelled_at)
        select g.id, g.finish_id, g.created_at, g.run_at,
            case when g.ran is null then g.started_at else g.ended - make_interval(secs => g.ran / 1e6) end,
            g.ended, g.lease_id, g.worker_id, g.cpu, g.rss, g.max_attempts, g.attempts, g.end_status, g.exit_code, g.signal,
            g.priority, g.crashes, g.progress, g.retry_backoff, g.queue, g.job_type, g.payload, g.timeout, g.kill_grace,
            g.retry_delay, g.retry_delay_max, g.expires_at, g.tags, g.idempotency_key, g.unique_key, g.group_key,
            g.depends_on, g.depends_on_tags, g.dead_letter_job_type, g.dead_letter_job_id, g.dead_letter_of, g.batch_id,
            g.owner, g.metadata, g.progress_message, g.stage,
            case when g.end_status = 'completed' then coalesce(g.given_output::jsonb, g.output) end,
            case when g.end_status = 'failed' then g.given_error else g.error end,
            case when g.end_status = 'failed' then g.given_reason end,
            g.worker_name, coalesce(g.given_log, g.log),
            case when g.end_status = 'failed' then g.ended else g.last_failed_at end, g.last_retried_at,
            case when g.end_status = 'cancelled' then g.ended else g.last_cancelled_at end
        from gone g
        returning id, status, job_type, started_at, finished_at, error, failure_reason, finish_id
    ), counted as (
        insert into ganger.stat_delta (job_type, status, jobs, run_us)
        select k.job_type, k.status, count(*), coalesce(sum(extract(epoch from k.finished_at - k.started_at) * 1e6), 0)::bigint
        from kept k group by k.job_type, k.status
    ), told as (
        insert into ganger.event (id, job_id, event, at, data)
        select k.finish_id, k.id, k.status::text, k.finished_at,
               case when k.status = 'failed'
                    then jsonb_build_object('message', k.error, 'reason', k.failure_reason, 'will_retry', false) end
        from kept k where k.status <> 'completed'
    )
    select array_agg(k.id) into moved from kept k;
    return coalesce(moved, '{}');
end $$;

-- For gangerd's workers: finishes a batch of completed jobs. Returns the ids that were not accepted: the lease is stale, or was
-- finished by an earlier try whose answer was lost. Raises 55P03 when somebody's open transaction holds one of the rows for
-- 100 ms: then _settle_result does it row by row.
create function ganger._finish_completed(ids bigint[], leases uuid[], outputs text[], ran_us bigint[], ago_us bigint[],
                                         cpu_us bigint[], max_rss bigint[], logs text[])
returns bigint[]
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms'
as $$
declare
    moved bigint[];
begin
    moved := ganger._finish(ids, leases, array_fill('completed'::ganger.job_status, array[cardinality(ids)]), outputs,
        ran_us => ran_us, ago_us => ago_us, cpu_us => cpu_us, max_rss => max_rss, logs => logs);
    if cardinality(moved) = cardinality(ids) then
        return '{}';
    end if;
    return array(select i from unnest(ids, leases) g (i, lease) where i <> all (moved)
                 and not exists (select from ganger.history h where h.id = i and h.lease_id = lease));
end $$;

-- What is known about an attempt that ended without the job's own word.
create type ganger.attempt_facts as (
    exit_code integer,
    signal    integer,
    cpu_us    bigint,
    max_rss   bigint,
    log       text,
    ran_us    bigint,
    ago_us    bigint
);

-- When the next attempt is due: retry_delay * 2^attempts, at most retry_delay_max, times a jitter in [0.5, 1]; without
-- backoff exactly retry_delay. Never more than ten years ahead.
create function ganger._retry_at(j ganger.job) returns timestamptz language sql volatile as $$
    select clock_timestamp() + case
        when j.retry_backoff is false then coalesce(j.retry_delay, interval '60 s')
        else least(make_interval(secs => least(
                       extract(epoch from coalesce(j.retry_delay, interval '60 s')) * power(2::numeric, least(j.attempts, 40)),
                       315360000)::double precision), j.retry_delay_max)
             * (0.5 + random() / 2) end
$$;

-- Ends one attempt of a running job other than by success, and decides what becomes of the job.
--
--   outcome   error | timeout | crashed | node_lost | discarded : charged; retried while retryable and attempts are left
--             cancelled : it was stopped because of a cancel; given back if none was asked for
--             (a cancel that was asked for ends the job cancelled, whatever the outcome)
--             released | snoozed : given back uncounted; runnable at once (sibling lane), or after `delay`
--   delay     error: overrides the retry rule; snoozed: how long
-- Returns the job's new status, or null when the lease is stale. The caller's transaction holds the row from then on.
create function ganger._end_attempt(id bigint, lease_id uuid, outcome text, message text, retryable boolean, delay interval,
                                    facts ganger.attempt_facts)
returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp
as $$
declare
    j      ganger.job;
    reason text := case outcome when 'node_lost' then 'crashed' else outcome end;
    due    timestamptz;
    ended  timestamptz := clock_timestamp() - make_interval(secs => coalesce(facts.ago_us, 0) / 1e6);
begin
    select * into j from ganger.job x
    where x.id = _end_attempt.id and x.lease_id = _end_attempt.lease_id and x.status = 'processing' for update;
    if not found then
        return null;
    end if;
    if outcome = 'cancelled' and j.cancel_requested is not true then
        outcome := 'released'; -- the stop was meant for the run before this one
    end if;
    if j.cancel_requested then
        perform ganger._finish(array[j.id], array[j.lease_id], array['cancelled'::ganger.job_status],
            ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
            max_rss => array[facts.max_rss], exit_codes => array[facts.exit_code], signals => array[facts.signal],
            logs => array[facts.log]);
        return 'cancelled';
    end if;
    if outcome not in ('released', 'snoozed') and not (retryable and outcome <> 'discarded' and j.attempts < j.max_attempts) then
        if outcome in ('crashed') then
            update ganger.job x set crashes = x.crashes + 1 where x.id = j.id;
        end if;
        perform ganger._finish(array[j.id], array[j.lease_id], array['failed'::ganger.job_status],
            errors => array[message], reasons => array[reason],
            ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
            max_rss => array[facts.max_rss], exit_codes => array[facts.exit_code], signals => array[facts.signal],
            logs => array[facts.log]);
        return 'failed';
    end if;

    insert into ganger.attempt (job_id, attempt, outcome, error, exit_code, signal, cpu_us, max_rss, worker_id, worker_name,
        started_at, finished_at, log)
    values (j.id, j.attempts, outcome, message, facts.exit_code, facts.signal, facts.cpu_us, facts.max_rss, j.worker_id,
        j.worker_name, case when facts.ran_us is null then j.started_at else ended - make_interval(secs => facts.ran_us / 1e6) end,
        ended, coalesce(facts.log, j.log));
    if outcome = 'snoozed' then
        due := clock_timestamp() + coalesce(delay, interval '0');
    elsif outcome in ('error', 'timeout') then
        due := coalesce(clock_timestamp() + delay, ganger._retry_at(j));
    end if; -- a crash or a lost node says little about the job: it is claimable again at once
    if due <= clock_timestamp() then
        due := null;
    end if;
    update ganger.job x
    set status = 'pending', lease_id = null, worker_id = null, worker_name = null, lease_until = null, log = null,
        attempts = case when outcome in ('released', 'snoozed') then x.attempts - 1 else x.attempts end,
        crashes = case when outcome = 'crashed' then x.crashes + 1 else x.crashes end,
        due_at = due,
        pending_reason = case when due is null then null when outcome = 'snoozed' then 'scheduled' else 'retry' end,
        error = case when outcome in ('released', 'snoozed') then x.error else message end,
        failure_reason = case when outcome in ('released', 'snoozed') then x.failure_reason else reason end,
        last_failed_at = case when outcome in ('released', 'snoozed') then x.last_failed_at else ended end
    where x.id = j.id;
    insert into ganger.event (id, job_id, event, data)
    values ((ganger._take_seqs(1))[1], j.id,
        case outcome when 'released' then 'released' when 'snoozed' then 'waiting' else 'failed' end,
        case outcome when 'released' then jsonb_build_object('attempt', j.attempts, 'reason', message)
                     when 'snoozed' then jsonb_build_object('attempt', j.attempts, 'until', due)
                     else jsonb_build_object('message', message, 'reason', reason, 'will_retry', true) end);
    if due is null then
        perform ganger._make_runnable(array[j.id], true);
    else
        perform ganger._notify_due(due);
    end if;
    return 'pending';
end $$;

-- Applies one result by its outcome word: completed, failed (an error that is not to be retried), or what _end_attempt knows.
-- body = output JSON or message.
-- Returns the new status or null (stale). Raises 55P03 when the row is held by somebody's open transaction.
create function ganger._apply_result(id bigint, lease_id uuid, outcome text, body text, delay interval,
                                     facts ganger.attempt_facts)
returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms'
as $$
begin
    if outcome <> 'completed' then
        return ganger._end_attempt(id, lease_id, case outcome when 'failed' then 'error' else outcome end, body,
                                   outcome <> 'failed', delay, facts);
    end if;
    perform ganger._finish(array[id], array[lease_id], array['completed'::ganger.job_status], array[body],
        ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
        max_rss => array[facts.max_rss], logs => array[facts.log]);
    -- completed, cancelled (a cancel was asked for meanwhile), or null: the lease is stale
    return (select h.status::text from ganger.history h
            where h.id = _apply_result.id and h.lease_id = _apply_result.lease_id);
exception when invalid_text_representation or untranslatable_character or program_limit_exceeded
            or numeric_value_out_of_range then
    return ganger._end_attempt(id, lease_id, 'error', 'the output is not JSON that PostgreSQL accepts: ' || sqlerrm, true, null, facts);
end $$;

-- For gangerd's workers and reapers: ends one attempt. When the row is held by somebody's open transaction the result is
-- written down and applied as soon as that has ended ('deferred'): the worker goes on.
-- Returns completed | failed | cancelled | pending | deferred, 'already' when this lease has ended before (the answer to
-- an earlier try was lost), or null: the lease is stale.
create function ganger._settle_result(id bigint, lease_id uuid, outcome text, body text, delay_ms bigint, exit_code integer,
                                      signal integer, cpu_us bigint, max_rss bigint, log text, ran_us bigint, ago_us bigint)
returns text
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
declare
    answer text;
begin
    begin
        answer := ganger._apply_result(id, lease_id, outcome, body, make_interval(secs => delay_ms / 1e3),
            (exit_code, signal, cpu_us, max_rss, log, ran_us, ago_us)::ganger.attempt_facts);
    exception when lock_not_available then
        insert into ganger.late_result (job_id, lease_id, outcome, body, delay)
        select j.id, j.lease_id, _settle_result.outcome, _settle_result.body, make_interval(secs => delay_ms / 1e3)
        from ganger.job j where j.id = _settle_result.id and j.lease_id = _settle_result.lease_id;
        return case when found then 'deferred' end;
    end;
    if answer is null and exists (select from ganger.history h
                                  where h.id = _settle_result.id and h.lease_id = _settle_result.lease_id) then
        return 'already';
    end if;
    return answer;
end $$;

-- Completes a job as part of a transaction with other effects: waits for the row, so that the answer is final. True only when the
-- job has ended completed; false (stale, or cancelled meanwhile) means: roll back.
create function ganger._complete_with_effects(id bigint, lease_id uuid, output jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform from ganger.job j where j.id = _complete_with_effects.id and j.lease_id = _complete_with_effects.lease_id for update;
    return coalesce(ganger._apply_result(id, lease_id, 'completed', output::text, null, null) = 'completed', false);
end $$;

-- Applies deferred results whose row is free now. Returns how many.
create function ganger._apply_late_results() returns integer language plpgsql volatile as $$
declare
    late record;
    n    integer := 0;
begin
    for late in
        select l.* from ganger.late_result l order by l.id for update skip locked
    loop
        if exists (select from ganger.job j where j.id = late.job_id and j.lease_id = late.lease_id)
           and not exists (select from ganger.job j where j.id = late.job_id for update skip locked) then
            continue; -- still held
        end if;
        perform ganger._apply_result(late.job_id, late.lease_id, late.outcome, late.body, late.delay, null);
        delete from ganger.late_result l where l.id = late.id;
        n := n + 1;
    end loop;
    return n;
end $$;

-- Gives back, uncounted, jobs that were claimed but never started. ids/leases in parallel; a lease that is stale is passed
-- over; one whose row somebody holds goes back as soon as it is free. Returns how many went back or will. Row order by id (lock
-- order).
create function ganger._release(ids bigint[], leases uuid[], reason text) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    held record;
    n    integer := 0;
begin
    for held in
        select j.id, j.lease_id from ganger.job j join unnest(ids, leases) g (id, lease) on g.id = j.id and g.lease = j.lease_id
        order by j.id
    loop
        if ganger._settle_result(held.id, held.lease_id, 'released', reason, null, null, null, null, null, null, null, null)
           is not null then
            n := n + 1;
        end if;
    end loop;
    return n;
end $$;
