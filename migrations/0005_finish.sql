-- How an attempt ends. Every write names (id, lease_id): a stale one changes nothing. What meets its row held by somebody is put off
-- (0030_late_results.sql).

-- Moves jobs to history in one statement, whatever ended them. Arrays run in parallel; a null array means null for all.
-- Only what is processing under its lease is moved; with `unheld` only what nobody holds (a cancel of a pending job).
-- unless_late: nor what has something in late_result, which comes first. roots: of a cascade, for the event. What follows an end, for
-- others, is done here too (_follow_end). admits: the caller's transaction is a short one, so the places of groups are given on at
-- once.
--
--   ran_us, ago_us   how long the attempt ran, and how long ago it ended (by the worker's clock); null = by the
--                    database's
-- A cancel that was requested meanwhile wins over 'completed' and 'failed'. Returns the ids that were moved. How long to wait for
-- a row that somebody's open transaction holds is the caller's to say (lock_timeout). Raises 55P03 when a row was changed between this
-- statement's snapshot and its end, which cannot happen to rows that the caller has locked before.
-- `= any (array[..])` below: an equality is a join that may be turned round, which reads all jobs for each that ends, when the table was empty
-- as the plan was made.
create function ganger._finish(ids bigint[], leases uuid[], statuses ganger.job_status[], outputs text[] default null,
                               errors text[] default null, reasons text[] default null, ran_us bigint[] default null,
                               ago_us bigint[] default null, cpu_us bigint[] default null, max_rss bigint[] default null,
                               exit_codes integer[] default null, signals integer[] default null, logs text[] default null,
                               unheld boolean default false, unless_late boolean default false,
                               roots bigint[] default null, admits boolean default false)
returns bigint[]
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock      constant timestamptz := clock_timestamp();
    million    constant float8 := 1e6; -- numeric division would cost a twentieth of all
    finish_ids constant bigint[] := ganger._take_seqs(cardinality(ids));
    moved      bigint[];
    followed   bigint[];
    groups     text[];
    items      bigint[]; -- of batches
    ended      bigint[]; -- failed or cancelled
    stepped    bigint[]; -- completed, with steps
    deleted    bigint;
begin
    with gone as (
        delete from ganger.job j
        using unnest(ids, leases, statuses, outputs, errors, reasons, ran_us, ago_us, cpu_us, max_rss, exit_codes, signals, logs,
                     finish_ids, roots)
              as g (id, lease, status, output, error, reason, ran, ago, cpu, rss, exit_code, signal, log, finish_id, root)
        where j.id = any (array[g.id]) and case when unheld then j.lease_id is null and j.status in ('pending', 'waiting')
                                   else j.lease_id = g.lease and j.status = 'processing' end
          and (not unless_late or (select not exists (select from ganger.late_result))
               or not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id))
        returning j.ctid as row_ctid, j.id, j.has_steps, g.finish_id, g.output, g.error, g.reason, g.cpu, g.rss, g.exit_code, g.signal, g.log,
                  g.root, g.ran, clock - make_interval(secs => coalesce(g.ago, 0)::float8 / million) as ended,
                  case when j.cancel_requested then 'cancelled' else g.status end as end_status
    ), kept as (
        -- The rows are read again, as this statement's snapshot has them: to hand all their columns from one part to the next would cost
        -- as much as to delete them.
        insert into ganger.history
        select h.* from gone g join ganger.job j on j.ctid = g.row_ctid
        cross join lateral ganger._ended(j, g.finish_id, g.ended, g.ran, g.end_status,
            case when g.end_status = 'completed' then g.output::jsonb end, g.error, g.reason, g.cpu, g.rss, g.exit_code, g.signal, g.log) h
        returning id, status, job_type, started_at, finished_at, group_key, batch_id,
            unique_key is not null or tags is not null or depends_on is not null or depends_on_tags is not null
            or status = 'failed' as has_sequel
    ), counted as (
        insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at, buckets)
        select k.job_type, k.status, count(*), coalesce(sum(ganger._run_us(k.started_at, k.finished_at)), 0),
               date_bin('1 s', k.finished_at, '2000-01-01 00:00+00'),
               array_agg(ganger._run_bucket(k.status, ganger._run_us(k.started_at, k.finished_at))) filter (where k.status = 'completed')
        from kept k group by k.job_type, k.status, 5
    )
    select coalesce(array_agg(k.id), '{}'), array_agg(k.id) filter (where k.has_sequel),
           array_agg(distinct k.group_key collate "C") filter (where k.group_key is not null), array_agg(k.id) filter (where k.batch_id is not null),
           array_agg(k.id) filter (where k.status <> 'completed'),
           (select array_agg(g.id) from gone g where g.has_steps and g.end_status = 'completed'), (select count(*) from gone)
    into moved, followed, groups, items, ended, stepped, deleted from kept k;
    if cardinality(moved) <> deleted then
        raise exception 'a job was changed while it ended' using errcode = '55P03', hint = 'Try again.';
    end if;
    -- What few jobs have is no part of the statement above: each part of that is got ready at each call.
    if ended is not null then
        perform ganger._tell_ends(ended, ids, roots);
    end if;
    if stepped is not null then
        delete from ganger.step s where s.job_id = any (stepped);
    end if;
    if items is not null then
        perform ganger._tell_batches(items);
    end if;
    if groups is not null then
        perform ganger._leave_groups(groups, null, admits);
    end if;
    perform ganger._follow_end(moved, followed);
    return moved;
end $$;

-- For gangerd's workers: finishes a batch of completed jobs. Returns the ids that were not accepted: the lease is stale, or was
-- finished by an earlier try whose answer was lost. Raises 55P03 when somebody's open transaction holds one of the rows for
-- 100 ms: then _settle_result does it row by row.
create function ganger._finish_completed(ids bigint[], leases uuid[], outputs text[], ran_us bigint[], ago_us bigint[],
                                         cpu_us bigint[], max_rss bigint[], logs text[])
returns bigint[]
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms'
set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off
as $$
declare
    total constant integer := cardinality(ids);
    moved bigint[];
begin
    if total = 1 and ganger._complete_one(ids[1], leases[1], outputs[1]::jsonb, ran_us[1],
            clock_timestamp() - make_interval(secs => coalesce(ago_us[1], 0)::float8 / 1e6::float8), cpu_us[1], max_rss[1], logs[1]) then
        delete from ganger.worker_claim c where c.lease_id = leases[1] and cardinality(c.job_ids) = 1;
        return '{}';
    end if;
    moved := ganger._complete_plain(ids, leases, outputs, ran_us, ago_us, cpu_us, max_rss, logs);
    if cardinality(moved) < total then
        moved := moved || ganger._finish(ids, leases, array_fill('completed'::ganger.job_status, array[total]), outputs,
            ran_us => ran_us, ago_us => ago_us, cpu_us => cpu_us, max_rss => max_rss, logs => logs, unless_late => true,
            admits => current_setting('transaction_isolation') = 'read committed');
    end if;
    if cardinality(moved) = total then
        delete from ganger.worker_claim c
        where c.lease_id = leases[1] and cardinality(c.job_ids) = total and leases[1] = all (leases);
        return '{}';
    end if;
    return array(select g.id from unnest(ids, leases, outputs, ran_us, ago_us, cpu_us, max_rss, logs)
                             g (id, lease, output, ran, ago, cpu, rss, log)
                 where g.id <> all (moved)
                   and ganger._settle_result(g.id, g.lease, 'completed', g.output, null, null, null, g.cpu, g.rss, g.log,
                                             g.ran, g.ago) is null);
end $$;

-- When the next attempt is due: retry_delay * 2^attempts, at most retry_delay_max, times a jitter in [0.5, 1], which items of
-- batches go without; without backoff exactly retry_delay. Never more than ten years ahead.
create function ganger._retry_at(j ganger.job) returns timestamptz language sql volatile as $$
    select clock_timestamp() + case
        when j.retry_backoff is false then coalesce(j.retry_delay, interval '60 s')
        else least(make_interval(secs => least(
                       extract(epoch from coalesce(j.retry_delay, interval '60 s')) * power(2::numeric, least(j.attempts, 40)),
                       315360000)::double precision), j.retry_delay_max)
             * case when j.batch_id is null then 0.5 + random() / 2 else 1 end end
$$;

-- After how many crashes a job has failed for good, however many attempts it has left.
create function ganger._max_crashes(job_type text) returns integer language plpgsql stable as $$
begin
    return coalesce((select t.max_crashes from ganger.job_type t where t.name = _max_crashes.job_type),
                    ganger._setting('max_crashes', '3')::integer);
end $$;

-- Ends one attempt of a running job other than by success, and decides what becomes of the job.
--
--   outcome   error | timeout | crashed | program_crashed | node_lost | lease_over | discarded : charged; retried while retryable
--             and attempts are left. program_crashed: the job's own program died of a signal: known as crashed, retried by the
--             retry rule. lease_over: known as crashed; it and node_lost are told as reclaimed, too
--             cancelled : it was stopped because of a cancel; given back if none was asked for
--             (a cancel that was asked for ends the job cancelled, whatever the outcome)
--             released | snoozed : given back uncounted; runnable at once (sibling lane), or after `delay`
--             waiting : given back uncounted, and suspended: `message` and `delay` say until when, as in _suspend
--   delay     error: overrides the retry rule; snoozed: how long
-- Returns the job's new status, or null when the lease is stale. The caller's transaction holds the row from then on.
create function ganger._end_attempt(id bigint, lease_id uuid, outcome text, message text, retryable boolean, delay interval,
                                    facts ganger.attempt_facts)
returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    j       ganger.job;
    by_rule boolean := outcome in ('error', 'timeout', 'program_crashed');
    is_free boolean; -- not charged
    reason  text;
    due     timestamptz;
    ended   timestamptz := clock_timestamp() - make_interval(secs => coalesce(facts.ago_us, 0) / 1e6);
begin
    select * into j from ganger.job x
    where x.id = _end_attempt.id and x.lease_id = _end_attempt.lease_id and x.status = 'processing' for update;
    if not found then
        return null;
    end if;
    if outcome in ('node_lost', 'lease_over') then
        insert into ganger.event (id, job_id, event, at, data)
        values ((ganger._take_seqs(1))[1], j.id, 'reclaimed', ended, jsonb_build_object('reason', message));
    end if;
    outcome := case when outcome in ('program_crashed', 'lease_over') then 'crashed'
                    when outcome = 'cancelled' and j.cancel_requested is not true
                    then 'released' -- the stop was meant for the run before this one
                    else outcome end;
    is_free := outcome in ('released', 'snoozed', 'waiting');
    if j.cancel_requested then
        perform ganger._finish(array[j.id], array[j.lease_id], array['cancelled'::ganger.job_status],
            ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
            max_rss => array[facts.max_rss], exit_codes => array[facts.exit_code], signals => array[facts.signal],
            logs => array[facts.log]);
        return 'cancelled';
    end if;
    if not is_free and not (retryable and outcome <> 'discarded' and j.attempts < j.max_attempts
                            and not (outcome = 'crashed' and j.crashes + 1 >= ganger._max_crashes(j.job_type))) then
        if outcome = 'crashed' then
            update ganger.job x set crashes = x.crashes + 1 where x.id = j.id;
        end if;
        perform ganger._finish(array[j.id], array[j.lease_id], array['failed'::ganger.job_status],
            errors => array[message], reasons => array[outcome],
            ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
            max_rss => array[facts.max_rss], exit_codes => array[facts.exit_code], signals => array[facts.signal],
            logs => array[facts.log]);
        return 'failed';
    end if;

    insert into ganger.attempt (job_id, attempt, lease_id, outcome, error, exit_code, signal, cpu_us, max_rss, worker_id,
        worker_name, started_at, finished_at, log)
    values (j.id, j.attempts, j.lease_id, outcome, case when outcome <> 'waiting' then message end, facts.exit_code, facts.signal,
        facts.cpu_us, facts.max_rss, j.worker_id, j.worker_name,
        case when facts.ran_us is null then j.started_at else ended - make_interval(secs => facts.ran_us / 1e6) end,
        ended, coalesce(facts.log, j.log));
    if outcome = 'waiting' then
        return ganger._suspend(j, message, delay, ended);
    end if;
    reason := case outcome when 'node_lost' then 'crashed' else outcome end;
    if outcome = 'snoozed' then
        due := clock_timestamp() + coalesce(delay, interval '0');
    elsif by_rule then
        due := coalesce(clock_timestamp() + delay, ganger._retry_at(j));
    end if; -- the crash of a worker or a lost node says little about the job: it is claimable again at once
    if due <= clock_timestamp() then
        due := null;
    end if;
    -- What a failed attempt said of itself is not the next one's; a job that is put off goes on where it was.
    update ganger.job x
    set status = 'pending', seq = null, lease_id = null, worker_id = null, worker_name = null, lease_until = null, log = null,
        attempts = case when is_free then x.attempts - 1 else x.attempts end,
        crashes = case when outcome = 'crashed' then x.crashes + 1 else x.crashes end,
        due_at = due,
        pending_reason = case when due is null then null when outcome = 'snoozed' then 'scheduled' else 'retry' end,
        error = case when is_free then x.error else message end,
        failure_reason = case when is_free then x.failure_reason else reason end,
        last_failed_at = case when is_free then x.last_failed_at else ended end,
        output = case when is_free then x.output end, progress = case when is_free then x.progress end,
        progress_message = case when is_free then x.progress_message end, stage = case when is_free then x.stage end
    where x.id = j.id;
    insert into ganger.event (id, job_id, event, data)
    values ((ganger._take_seqs(1))[1], j.id,
        case outcome when 'released' then 'released' when 'snoozed' then 'waiting' else 'failed' end,
        case outcome when 'released' then jsonb_build_object('attempt', j.attempts, 'reason', message)
                     when 'snoozed' then jsonb_build_object('attempt', j.attempts, 'until', due)
                     else jsonb_build_object('message', message, 'reason', reason, 'will_retry', true) end);
    if due is null then
        perform ganger._make_runnable(array[j.id], true); -- keeps its place in its group and batch
        if j.group_key is not null then
            perform ganger._signal('regroup', j.group_key); -- unless there are fewer by now
        end if;
    else
        perform ganger._notify_due(due);
        perform ganger._leave_places(j);
    end if;
    if due is null and j.batch_id is not null and not ganger._is_batch_running(j.batch_id) then
        perform ganger._signal('batch', j.batch_id); -- paused: it does not start again
    end if;
    return 'pending';
end $$;

-- Applies one result by its outcome word: completed, failed (an error that is not to be retried), or what _end_attempt knows.
-- body = output JSON, message, or what to wait for (_suspend). What the running job said before and was put off comes first; a result
-- that was, wins.
-- Returns the new status or null (stale). Raises 55P03 when the row is held by somebody's open transaction for 100 ms.
create function ganger._apply_result(id bigint, lease_id uuid, outcome text, body text, delay interval,
                                     facts ganger.attempt_facts)
returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms' set jit = off set enable_seqscan = off
as $$
declare
    moved  bigint[];
    answer text;
begin
    perform from ganger.job j where j.id = _apply_result.id and j.lease_id = _apply_result.lease_id for update;
    if exists (select from ganger.late_result l where l.job_id = _apply_result.id and l.lease_id = _apply_result.lease_id) then
        if not ganger._apply_notes(id, lease_id) then
            return null;
        end if;
    end if;
    if outcome <> 'completed' then
        return ganger._end_attempt(id, lease_id, case outcome when 'failed' then 'error' else outcome end, body,
                                   outcome <> 'failed', delay, facts);
    end if;
    moved := ganger._finish(array[id], array[lease_id], array['completed'::ganger.job_status], array[body],
        ran_us => array[facts.ran_us], ago_us => array[facts.ago_us], cpu_us => array[facts.cpu_us],
        max_rss => array[facts.max_rss], logs => array[facts.log]);
    -- completed, cancelled (a cancel was asked for meanwhile), or null: the lease is stale
    select h.status::text into answer from ganger.history h
    where h.id = _apply_result.id and h.lease_id = _apply_result.lease_id;
    if answer is not null and coalesce(cardinality(moved), 0) = 0 then
        perform ganger._wait_at_commit(); -- it ended so before
    end if;
    return answer;
exception when invalid_text_representation or untranslatable_character or program_limit_exceeded
            or numeric_value_out_of_range then
    return ganger._end_attempt(id, lease_id, 'error', 'the output is not JSON that PostgreSQL accepts: ' || sqlerrm, true, null, facts);
end $$;

-- How an attempt with this lease has ended, or will by a result that was put off: an outcome as in the view attempts; null: it
-- runs, or is unknown.
create function ganger._ended_as(id bigint, lease_id uuid) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
begin
    return coalesce(
        (select coalesce(h.outcome, h.failure_reason, h.status::text) from ganger.history h
         where h.id = _ended_as.id and h.lease_id = _ended_as.lease_id),
        (select a.outcome from ganger.attempt a where a.job_id = _ended_as.id and a.lease_id = _ended_as.lease_id),
        (select ganger._attempt_outcome(l.outcome) from ganger.late_result l
         where l.job_id = _ended_as.id and l.lease_id = _ended_as.lease_id and not ganger._is_note(l.outcome)
         order by l.id limit 1));
end $$;

-- The word in the view attempts for one given to _apply_result.
create function ganger._attempt_outcome(outcome text) returns text language sql immutable parallel safe as $$
    select case when outcome = 'failed' then 'error' when outcome in ('program_crashed', 'lease_over') then 'crashed'
                else outcome end
$$;

-- A result that was refused, as its job had been taken from whoever brings it, or was ended by others: one event for each lease that was
-- the job's once. Not what only gives the job back.
create function ganger._note_refused(id bigint, lease_id uuid, outcome text) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    told constant jsonb := jsonb_build_object('outcome', ganger._attempt_outcome(outcome), 'lease', left(lease_id::text, 8));
begin
    if outcome not in ('waiting', 'snoozed', 'released', 'cancelled')
       and not exists (select from ganger.event e where e.job_id = _note_refused.id and e.event = 'late_result' and e.data = told)
       and ganger._ended_as(id, lease_id) <> 'completed' then -- that one was it, and its answer was lost
        insert into ganger.event (id, job_id, event, data) values ((ganger._take_seqs(1))[1], _note_refused.id, 'late_result', told);
    end if;
end $$;

-- Ends one attempt without waiting for its row: `held` are the jobs whose rows the caller holds, the others' results are put off.
-- True: it has ended, or will. False: the lease is stale, or has a result.
create function ganger._settle_held(held bigint[], id bigint, lease_id uuid, outcome text, body text, delay_ms bigint,
                                    facts ganger.attempt_facts) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    delay constant interval := make_interval(secs => delay_ms / 1e3);
    is_taken boolean;
begin
    if id = any (held) then
        is_taken := ganger._apply_result(id, lease_id, outcome, body, delay, facts) is not null;
    else
        is_taken := ganger._put_off(id, lease_id, outcome, body, delay, facts);
    end if;
    -- facts: an attempt that ran
    if not is_taken and facts is not null and ganger._ended_as(id, lease_id) is distinct from ganger._attempt_outcome(outcome) then
        perform ganger._note_refused(id, lease_id, outcome);
    end if;
    return is_taken;
end $$;

-- For gangerd's workers and reapers: ends one attempt. When the row is held by somebody's open transaction the result is
-- written down and applied as soon as that has ended ('deferred'): the worker goes on.
-- Returns completed | failed | cancelled | pending | waiting | deferred, 'already' when this lease has ended so before (the answer to
-- an earlier try was lost) or in a cancel, or null: the lease is stale, or has another result.
create function ganger._settle_result(id bigint, lease_id uuid, outcome text, body text, delay_ms bigint, exit_code integer,
                                      signal integer, cpu_us bigint, max_rss bigint, log text, ran_us bigint, ago_us bigint)
returns text
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    facts  constant ganger.attempt_facts := (exit_code, signal, cpu_us, max_rss, log, ran_us, ago_us);
    answer text;
begin
    begin
        answer := ganger._apply_result(id, lease_id, outcome, body, make_interval(secs => delay_ms / 1e3), facts);
    exception when lock_not_available then
        answer := case when ganger._put_off(id, lease_id, outcome, body, make_interval(secs => delay_ms / 1e3), facts)
                       then 'deferred' end;
    end;
    if answer = 'deferred' then
        perform ganger._wait_at_commit(); -- it may have been written down before
    elsif answer is null and ganger._ended_as(id, lease_id) in ('cancelled', ganger._attempt_outcome(outcome)) then
        perform ganger._wait_at_commit();
        return 'already';
    elsif answer is null and ran_us is not null then -- outside workers are told by the answer
        perform ganger._note_refused(id, lease_id, outcome);
    end if;
    return answer;
end $$;

-- Completes a job as part of a transaction with other effects: waits for the row, so that the answer is final. True only when the
-- job has ended completed; false (stale, or cancelled meanwhile) means: roll back.
create function ganger._complete_with_effects(id bigint, lease_id uuid, output jsonb, cpu_us bigint default null,
                                              max_rss bigint default null) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    is_cancelled boolean;
begin
    if ganger._complete_one(id, lease_id, output, null, clock_timestamp(), cpu_us, max_rss, null) then
        return true;
    end if;
    select coalesce(j.cancel_requested, false) into is_cancelled from ganger.job j
    where j.id = _complete_with_effects.id and j.lease_id = _complete_with_effects.lease_id and j.status = 'processing' for update;
    if not found then
        return false;
    end if;
    if exists (select from ganger.late_result l where l.job_id = _complete_with_effects.id) then
        return coalesce(ganger._apply_result(id, lease_id, 'completed', output::text, null, null) = 'completed', false);
    end if;
    perform ganger._finish(array[id], array[lease_id], array['completed'::ganger.job_status], array[output::text],
                           cpu_us => array[cpu_us], max_rss => array[max_rss]);
    return not is_cancelled;
end $$;

-- Gives back, uncounted, running jobs whose rows the caller holds: what _end_attempt does with `released`, for all of them at once. None of
-- them is to be cancelled, is in a group or batch, or has said anything that was put off.
create function ganger._give_back(ids bigint[], reason text) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock constant timestamptz := clock_timestamp();
    seqs  constant bigint[] := ganger._take_seqs(cardinality(ids));
begin
    insert into ganger.event (id, job_id, event, data)
    select g.seq, j.id, 'released', jsonb_build_object('attempt', j.attempts, 'reason', _give_back.reason)
    from unnest(ids, seqs) g (id, seq) join ganger.job j on j.id = any (array[g.id]);
    insert into ganger.attempt (job_id, attempt, lease_id, outcome, error, worker_id, worker_name, started_at, finished_at, log)
    select j.id, j.attempts, j.lease_id, 'released', _give_back.reason, j.worker_id, j.worker_name, j.started_at, clock, j.log
    from unnest(ids) g (id) join ganger.job j on j.id = any (array[g.id]);
    update ganger.job j
    set status = 'pending', seq = null, lease_id = null, worker_id = null, worker_name = null, lease_until = null, log = null,
        attempts = j.attempts - 1
    from unnest(ids) g (id) where j.id = any (array[g.id]);
    perform ganger._make_runnable(ids, true);
end $$;

-- Gives back, uncounted, jobs that were claimed but never started. ids/leases in parallel; a lease that is stale is passed
-- over; one whose row somebody holds goes back as soon as it is free. Returns how many went back or will. Waits for no row.
create function ganger._release(ids bigint[], leases uuid[], reason text) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    held bigint[] := array(
        select j.id from ganger.job j join unnest(ids, leases) g (id, lease) on j.id = any (array[g.id]) and g.lease = j.lease_id
        order by j.id + 0 for update of j skip locked);
    plain bigint[] := array(
        select distinct j.id from unnest(held) h (id)
        cross join lateral (select x.* from ganger.job x where x.id = h.id offset 0) j
        where j.cancel_requested is not true and j.group_key is null and j.batch_id is null
          and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id)
        order by j.id);
    item record;
    n    integer := cardinality(plain);
begin
    if n > 0 then
        perform ganger._give_back(plain, reason);
    end if;
    if n = cardinality(ids) then
        return n; -- to compare each with each costs more than all that went before
    end if;
    for item in
        select g.id, g.lease from unnest(ids, leases) g (id, lease) where g.id <> all (plain) order by g.id
    loop
        n := n + ganger._settle_held(held, item.id, item.lease, 'released', reason, null, null)::integer;
    end loop;
    return n;
end $$;
