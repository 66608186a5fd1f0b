-- What workers outside gangerd say about the jobs they hold, and what people do to jobs.

-- What fail, discard, snooze and the waits share: true when the attempt ended as its worker said, or will.
create function ganger._outside_result(id bigint, lease_id uuid, outcome text, body text, delay interval default null)
returns boolean language plpgsql volatile as $$
declare
    answer constant text := ganger._settle_result(id, lease_id, outcome, body, (extract(epoch from delay) * 1000)::bigint,
                                                  null, null, null, null, null, null, null);
begin
    return coalesce(answer in ('deferred', 'pending', 'waiting', 'failed')
                    or (answer = 'already' and ganger._ended_as(id, lease_id) = ganger._attempt_outcome(outcome)), false);
end $$;

-- The result of a claimed job: it ends completed when this commits. True is final, so that it can be part of a transaction with other
-- writes.
--
--   output   any JSON; null leaves what set_output() gave
-- Returns false when the lease is stale, the job was cancelled, or the attempt has ended otherwise: roll back what belongs to it.
-- Repeating a call whose answer was lost is safe: the same lease gets the same answer.
-- Errors: 55P03 when somebody's open transaction holds the job's row for more than 100 ms: nothing was changed, call again.
create function ganger.complete(id bigint, lease_id uuid, output jsonb default null) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._apply_result(id, lease_id, 'completed', output::text, null, null) is not distinct from 'completed';
exception when lock_not_available then
    raise exception 'job % cannot be completed now: another transaction holds it', id using errcode = '55P03',
        detail = 'A call that changes this job, such as cancel(), was made in a transaction that has been open for more than 100 ms since.',
        hint = 'Nothing was changed. Roll back and call again.';
end $$;

-- The attempt failed. Retried by the job's rule while attempts are left, unless retryable is false.
--
--   error   a message for people; null: "no message was given"
-- Returns whether the attempt ended (or will, as soon as a transaction that holds the job's row has ended) so. False: the lease is
-- stale, the job was cancelled, or the attempt has another result. A repeated call gets the same answer.
create function ganger.fail(id bigint, lease_id uuid, error text, retryable boolean default true) returns boolean
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select ganger._outside_result(id, lease_id, case when retryable is false then 'failed' else 'error' end,
                                  coalesce(error, 'no message was given'))
$$;

-- The job failed for good: no retry, failure_reason discarded. Parameters and answer as those of fail().
create function ganger.discard(id bigint, lease_id uuid, error text) returns boolean
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select ganger._outside_result(id, lease_id, 'discarded', coalesce(error, 'no message was given'))
$$;

-- Gives the job back without a charge; runnable again after `delay` (0 .. 100 years). Output and progress so far are kept. The answer
-- is that of fail(). Errors: 22023 delay missing or below zero, 22003 too long.
create function ganger.snooze(id bigint, lease_id uuid, delay interval) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(case when delay is null then '22023 delay is missing'
                                       else ganger._duration_problem('delay', delay, true) end);
    return ganger._outside_result(id, lease_id, 'snoozed', null, delay);
end $$;

-- The four below change a running job in place. True: it is written, or will be as soon as a transaction that holds the job's row has
-- ended. False: the lease is stale, the attempt has a result, or the job was cancelled; nothing was written.

-- "Still at it": an outside worker's lease runs for `extend` (1 s .. 1 day) from now. Errors: 22003 extend out of range.
create function ganger.heartbeat(id bigint, lease_id uuid, extend interval default '60 s') returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if extend is null or extend < interval '1 s' or extend > interval '1 day' then
        raise exception 'extend must be between 1 second and 1 day, not %', coalesce(extend::text, 'null') using errcode = '22003', column = 'extend';
    end if;
    return ganger._note(id, lease_id, 'heartbeat', null, clock_timestamp() + extend);
end $$;

-- How far the attempt is: percent 0..100, a message, the name of a stage; null leaves what is there. The next attempt begins without.
-- Errors: 22003 percent out of range.
create function ganger.set_progress(id bigint, lease_id uuid, percent integer, message text default null, stage text default null)
returns boolean language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if percent not between 0 and 100 then
        raise exception 'percent must be between 0 and 100, not %', percent using errcode = '22003', column = 'percent';
    end if;
    return ganger._note(id, lease_id, 'progress', jsonb_build_object('percent', percent, 'message', message, 'stage', stage)::text);
end $$;

-- An output kept so far; complete() without one leaves it in force. An attempt that fails takes it along: only a completed job has
-- an output.
create function ganger.set_output(id bigint, lease_id uuid, output jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._note(id, lease_id, 'output', output::text);
end $$;

-- Appends a line to the attempt's log; the last 64 KiB are kept.
create function ganger.log(id bigint, lease_id uuid, line text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._note(id, lease_id, 'log', coalesce(line, ''));
end $$;

-- What comes after an SQL handler, in its transaction: completes the job with what it has returned. Always true; a stale lease or a cancel
-- meanwhile raises GG002, so that the function's effects are rolled back. In a handler's own statement (check_sql_handler.sql) it is
-- called in whatever role and search_path the handler has left.
create function ganger._end_sql_handler(id bigint, lease_id uuid, result jsonb, cpu_us bigint default null, max_rss bigint default null)
returns boolean language plpgsql volatile as $$
begin
    if pg_catalog.octet_length(result::pg_catalog.text) operator(pg_catalog.>) 1048576 then -- as of every handler, docs/handlers.md
        raise exception 'the output has % bytes, more than 1048576', pg_catalog.octet_length(result::pg_catalog.text)
            using errcode = '22023';
    end if;
    reset role;
    if not ganger._complete_with_effects(_end_sql_handler.id, _end_sql_handler.lease_id, result, cpu_us, max_rss) then
        raise exception 'the lease of job % is no longer valid', _end_sql_handler.id using errcode = 'GG002';
    end if;
    return true;
end $$;

-- Runs an SQL handler and completes its job in one transaction. `function` was checked when the configuration was
-- read: function(jsonb, ganger.jobs) returns jsonb. Runs with the caller's rights, not the owner's, and with the caller's
-- search_path, which is for the handler: whatever stands here must mean the same in any, so all of it is qualified.
-- Always true; a stale lease or a cancel meanwhile raises GG002, so that the function's effects are rolled back. Errors: 42883 when
-- the function is gone, and the function's own.
-- With `applies` it is the function that the output of a program is given to: it may return void, too, and the job's output is what it
-- returns, or else what it was given. cpu_us, max_rss and log are the program's. node: as in _running_job.
create function ganger.run_sql_handler(function text, id bigint, lease_id uuid, applies boolean default false,
                                       output jsonb default null, cpu_us bigint default null, max_rss bigint default null,
                                       log text default null, node text default null) returns boolean
language plpgsql volatile as $$
declare
    -- exactly that one, whatever else has the name
    handler constant pg_catalog.regprocedure := pg_catalog.to_regprocedure(pg_catalog.format('%s(jsonb, ganger.jobs)', function));
    call    constant pg_catalog.text := pg_catalog.format('select %s($1, $2)', handler::pg_catalog.oid::pg_catalog.regproc);
    job     ganger.jobs;
    result  pg_catalog.jsonb;
begin
    if handler is null then
        raise exception 'there is no function %(jsonb, ganger.jobs)', function using errcode = '42883';
    end if;
    job := ganger._running_job(run_sql_handler.id, run_sql_handler.lease_id, node);
    if job.id is null then
        raise exception 'the lease of job % is no longer valid', run_sql_handler.id using errcode = 'GG002';
    end if;
    if not applies then
        execute call into result using job.payload, job;
    else
        if exists (select from pg_catalog.pg_proc p where p.oid operator(pg_catalog.=) handler::pg_catalog.oid
                   and p.prorettype operator(pg_catalog.=) 'pg_catalog.void'::pg_catalog.regtype::pg_catalog.oid) then
            execute call using output, job;
        else
            execute call into result using output, job;
        end if;
        result := coalesce(result, output);
    end if;
    reset role; -- the handler may have set one for this transaction, which may not call what follows
    if log is not null then
        perform ganger.log(run_sql_handler.id, run_sql_handler.lease_id, log);
    end if;
    return ganger._end_sql_handler(run_sql_handler.id, run_sql_handler.lease_id, result, cpu_us, max_rss);
end $$;

-- Cancels a job. Pending: it is cancelled when this commits. Running: true means it will end cancelled whatever its handler
-- returns; it stays processing until it has been stopped. `owner`: only if it is that owner's; null: whoever owns it. False: not
-- there, already ended, or another's; a caller bound to one owner has only its own, and 42501 for naming another. Waits for an open transaction that changes the same job, as long as the caller's lock_timeout
-- lets it.
create function ganger.cancel(id bigint, owner text default null) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    j ganger.job;
begin
    owner := ganger._acting_owner(owner);
    select * into j from ganger.job x
    where x.id = cancel.id and (cancel.owner is null or x.owner = cancel.owner)
      and ganger._in_session(x.queue) for update;
    if not found then
        perform ganger._wait_at_commit(); -- it may have ended just now
        return false;
    end if;
    if j.status = 'processing' then
        update ganger.job x set cancel_requested = true where x.id = j.id and x.cancel_requested is not true;
        perform pg_notify('ganger', 'cancel');
        return true;
    end if;
    return cardinality(ganger._finish(array[j.id], array[null::uuid], array['cancelled'::ganger.job_status], unheld => true)) = 1;
end $$;

-- Runs a failed or cancelled job again: pending at once, one more attempt than it has had if they were used up, its crashes forgotten, and
-- an expiry that has passed. It still waits for its group, its batch, and those of its prerequisites that are live (again) if it never
-- started; it takes its unique key if that is free, and goes without if not. False: it is in no such state.
create function ganger.retry(id bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if ganger._is_session_bound() and not ganger._may_see_job(id) then
        return false;
    end if;
    if ganger._retry(array[id]) = 1 then
        return true;
    end if;
    perform ganger._wait_at_commit(); -- somebody may have done so just now
    return false;
end $$;

-- The same for many. Returns how many that was.
create function ganger._retry(ids bigint[]) returns bigint
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    seqs constant bigint[] := ganger._take_seqs(cardinality(ids));
    back bigint[];
begin
    with gone as materialized (
        delete from ganger.history x
        where x.id = any (ids) and x.status in ('failed', 'cancelled') and not ganger._is_retiring(x.tableoid)
        returning x.*
    ), tried as (
        insert into ganger.attempt (job_id, attempt, lease_id, outcome, error, exit_code, signal, cpu_us, max_rss, worker_id,
            worker_name, started_at, finished_at, log)
        select h.id, h.attempts, h.lease_id, coalesce(h.outcome, h.failure_reason, h.status::text),
            case when h.status = 'failed' then h.error end,
            h.exit_code, h.signal, h.cpu_us, h.max_rss, h.worker_id, h.worker_name, h.started_at, h.finished_at, h.log
        from gone h where h.lease_id is not null
    ), made as (
        insert into ganger.job (id, lane_id, created_at, run_at, started_at, max_attempts, attempts, priority,
            retry_backoff, queue, job_type, payload, timeout, kill_grace, retry_delay, retry_delay_max, expires_at, tags,
            idempotency_key, unique_key, group_key, depends_on, depends_on_tags, dead_letter_job_type, dead_letter_job_id,
            dead_letter_of, batch_id, schedule_id, owner, metadata, error, failure_reason, last_failed_at, last_retried_at,
            last_cancelled_at, pending_reason, has_steps)
        select h.id, ganger._lane_id(h.queue, h.priority, h.job_type, false), h.created_at, h.run_at, h.started_at,
            greatest(h.max_attempts, h.attempts + 1), h.attempts,
            h.priority, h.retry_backoff, h.queue, h.job_type, h.payload, h.timeout, h.kill_grace,
            h.retry_delay, h.retry_delay_max, case when h.expires_at > clock_timestamp() then h.expires_at end, h.tags,
            h.idempotency_key, h.unique_key, h.group_key, h.depends_on,
            h.depends_on_tags, h.dead_letter_job_type, h.dead_letter_job_id, h.dead_letter_of, h.batch_id, h.schedule_id, h.owner, h.metadata,
            h.error, h.failure_reason, h.last_failed_at, clock_timestamp(), h.last_cancelled_at,
            case when h.batch_id is not null then 'batch' end, true
        from gone h
    ), counted as (
        insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at)
        select h.job_type, h.status, - count(*), - coalesce(sum(ganger._run_us(h.started_at, h.finished_at)), 0), '-infinity'
        from gone h group by h.job_type, h.status
    ), told as (
        insert into ganger.event (id, job_id, event, data)
        select seqs[row_number() over (order by h.id)], h.id, 'retried',
               jsonb_build_object('attempts', h.attempts, 'max_attempts', greatest(h.max_attempts, h.attempts + 1))
        from gone h
    ), returned as (
        insert into ganger.batch_delta (batch_id, completed, failed, cancelled)
        select h.batch_id, 0, - count(*) filter (where h.status = 'failed'), - count(*) filter (where h.status = 'cancelled')
        from gone h where h.batch_id is not null group by h.batch_id
    )
    select array_agg(h.id order by h.id) into back from gone h;
    if back is not null then
        perform ganger._renew_ties(back);
    end if;
    return coalesce(cardinality(back), 0);
end $$;

-- Retried jobs are live again: each takes its unique key if that is free, waits for those of its prerequisites that are live, too, and
-- goes on as far as it can.
create function ganger._renew_ties(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    -- in the order of keys, as enqueue_many
    perform ganger._retake_unique_key(k.id, k.unique_key, k.owner)
    from (select j.id, j.unique_key, j.owner from ganger.job j
          where j.id = any (ids) and j.unique_key is not null order by j.unique_key collate "C", j.id) k;
    insert into ganger.dependency (prerequisite_id, job_id)
    select distinct d.id, j.id from ganger.job j, unnest(j.depends_on) d (id)
    where j.id = any (ids) and j.started_at is null and exists (select from ganger.job p where p.id = d.id offset 0);
    insert into ganger.signal (kind, key)
    select distinct 'batch', j.batch_id from ganger.job j where j.id = any (ids) and num_nonnulls(j.batch_id) = 1; -- `is not null` would have their index walked through
    if found then
        perform ganger._notify_signal();
    end if;
    perform ganger._open_gates(array(select j.id from ganger.job j where j.id = any (ids) and j.batch_id is null order by j.id));
end $$;

-- Rows of a partition that is being taken apart are nobody's any more.
create function ganger._is_retiring(part oid) returns boolean language sql stable as $$
    select exists (select from ganger.retiring r where r.part = _is_retiring.part)
$$;

-- Takes rows out of history for good, with everything that belongs to them. ids are locked by the caller's statement.
create function ganger._forget(ids bigint[]) returns bigint
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    n bigint;
begin
    with gone as (
        delete from ganger.history h where h.id = any (ids) and not ganger._is_retiring(h.tableoid)
        returning h.id, h.job_type, h.status, h.started_at, h.finished_at
    ), attempts as (
        delete from ganger.attempt a using gone g where a.job_id = any (array[g.id])
    ), events as (
        delete from ganger.event e using gone g where e.job_id = any (array[g.id])
    ), keys as (
        -- a unique key that somebody is just taking over is his
        delete from ganger.job_key k where k.ctid = any (array(
            select x.ctid from gone g join ganger.job_key x on x.job_id = any (array[g.id]) for update of x skip locked))
    ), steps as (
        delete from ganger.step s using gone g where s.job_id = any (array[g.id])
    ), tokens as (
        -- one that is being completed just now stays, for _forget_tokens
        delete from ganger.token t where t.token = any (array(
            select x.token from gone g join ganger.token x on x.job_id = any (array[g.id])
            where not exists (select from ganger.job j where j.wait_token = x.token offset 0) for update of x skip locked))
    ), counted as (
        insert into ganger.stat_delta (job_type, status, jobs, run_us, buckets)
        select r.job_type, r.status, - count(*), - coalesce(sum(r.us), 0), case when r.bucket is not null then array[r.bucket] end
        from (select g.job_type, g.status, x.us, ganger._run_bucket(g.status, x.us) as bucket
              from gone g, ganger._run_us(g.started_at, g.finished_at) as x (us)) r
        group by r.job_type, r.status, r.bucket
    )
    select count(*) into n from gone;
    return n;
end $$;

-- Deletes a job that has ended, with all that belongs to it. False: unknown, or live.
create function ganger.delete_job(id bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    if not ganger._may_see_job(id) then
        return false;
    end if;
    return ganger._forget(array(select h.id from ganger.history h where h.id = delete_job.id for update)) = 1;
end $$;

-- Deletes ended jobs (completed, failed, cancelled) that finished longer ago than `older_than` (zero or more) when it is called. Returns how many.
-- Jobs past their retention that a duty is deleting already are left to it. Errors: 22023 older_than missing or below zero.
create function ganger.cleanup(older_than interval default '30 days') returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    horizon timestamptz;
    n       bigint;
    total   bigint := 0;
begin
    perform ganger._raise_problem(case when older_than is null then '22023 older_than is missing'
                                       else ganger._duration_problem('older_than', older_than, true) end);
    horizon := clock_timestamp() - older_than; -- once: what ends meanwhile stays, or this would never end
    loop
        n := ganger._forget(array(select h.id from ganger.history h
            where h.finished_at < horizon and not ganger._is_retiring(h.tableoid)
            limit 10000 for update skip locked));
        total := total + n;
        exit when n = 0;
    end loop;
    return total;
end $$;
