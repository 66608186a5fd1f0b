-- Steps, waits and tokens: a job that goes on after a time, or when somebody has said so. It starts again from the top; its steps
-- remember what is done.

-- What a job has done for good. Kept over waits and failures, for retry() too; gone when the job has completed, or is forgotten.
create table ganger.step (
    job_id bigint not null,
    name   text not null,
    result jsonb not null,
    primary key (job_id, name)
);

-- Something that will be said from outside, once.
create table ganger.token (
    token        text primary key,
    status       text not null default 'waiting',          -- waiting, completed, timed_out
    data         jsonb,                                    -- given with the completion
    job_id       bigint,                                   -- whose it is; any job may wait for it
    tags         text[],
    timeout_at   timestamptz,                              -- null = none
    created_at   timestamptz not null default clock_timestamp(),
    completed_at timestamptz
);
create index token_due on ganger.token (timeout_at) where status = 'waiting' and timeout_at is not null;
create index token_ended on ganger.token (coalesce(completed_at, timeout_at)) where status <> 'waiting';
create index token_job on ganger.token (job_id) where job_id is not null;

create view ganger.tokens with (security_barrier) as
select t.token, t.status, t.data, t.job_id, t.tags, t.timeout_at, t.created_at, t.completed_at from ganger.token t;

-- What a handler may leave behind as JSON text, as docs/handlers.md says of every output.
create function ganger._json_problem(label text, value jsonb) returns text language sql immutable parallel safe as $$
    select case when octet_length(value::text) > 1048576
                then '22023 ' || label || ' has ' || octet_length(value::text)
                     || E' bytes, more than 1048576\nKeep it elsewhere, and here where it is.' end
$$;

create function ganger._step_problem(step text) returns text language sql immutable parallel safe as $$
    select case when step is null then '22023 step is missing' else ganger._name_problem('step', step) end
$$;

-- The result that was kept for a step of this job by any of its attempts; null: none yet, or the lease is stale. (A step whose
-- result is JSON null has 'null'.) Sees what this attempt has put and what was put off. Errors: 22023 step missing, empty or too long.
create function ganger.step_get(id bigint, lease_id uuid, step text) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    perform ganger._raise_problem(ganger._step_problem(step));
    return (
        select coalesce(
            (select l.body::jsonb -> 'result' from ganger.late_result l
             where l.job_id = j.id and l.lease_id = j.lease_id
               and case when l.outcome = 'step' then l.body::jsonb ->> 'name' = step_get.step end
             order by l.id desc limit 1),
            (select s.result from ganger.step s where s.job_id = j.id and s.name = step_get.step))
        from ganger.job j
        where j.id = step_get.id and j.lease_id = step_get.lease_id and j.status = 'processing');
end $$;

-- All of them in one object, for gangerd's workers; null: the lease is stale.
create function ganger._steps(id bigint, lease_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return (
        select coalesce((select jsonb_object_agg(s.name, s.result) from ganger.step s where s.job_id = j.id), '{}')
            || coalesce((select jsonb_object_agg(l.body::jsonb ->> 'name', l.body::jsonb -> 'result' order by l.id)
                         from ganger.late_result l
                         where l.job_id = j.id and l.lease_id = j.lease_id and l.outcome = 'step'), '{}')
        from ganger.job j
        where j.id = _steps.id and j.lease_id = _steps.lease_id and j.status = 'processing');
end $$;

-- Keeps the result of a step, in the place of an earlier one of that name.
--
--   step     a name, 1..255 bytes
--   result   any JSON, at most 1 MiB as text; null = JSON null
-- True: it is kept, or will be as soon as a transaction that holds the job's row has ended; step_get() sees it at once. False: the
-- lease is stale, the attempt has a result, or the job was cancelled. Errors: 22023 bad step, result too large.
create function ganger.step_put(id bigint, lease_id uuid, step text, result jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(coalesce(ganger._step_problem(step), ganger._json_problem('result', result)));
    return ganger._note(id, lease_id, 'step', jsonb_build_object('name', step, 'result', coalesce(result, 'null'))::text);
end $$;

-- An instant in a wait's body; without an offset it is UTC.
create function ganger._instant(value text) returns timestamptz language plpgsql stable set timezone = 'UTC' as $$
begin
    return value::timestamptz;
end $$;

-- Suspends a running job whose row the caller holds: the attempt is given back, its group gets a place, what the job has said so far
-- stays.
--
--   body    {"token": "..."}, {"until": "<instant>"}, or null: `delay` from `ended`, when its handler said so
-- Returns the job's new status: waiting, or pending when there is nothing to wait for any more. Errors: 22023 nothing to wait for, 42704
-- unknown token.
create function ganger._suspend(j ganger.job, body text, delay interval, ended timestamptz) returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    awaited constant text := body::jsonb ->> 'token';
    until   constant timestamptz := case when awaited is null
                                         then coalesce(ganger._instant(body::jsonb ->> 'until'), ended + delay) end;
    is_over boolean := until <= clock_timestamp();
begin
    if awaited is not null then
        select t.status <> 'waiting' into is_over from ganger.token t where t.token = awaited;
        if not found then
            raise exception 'there is no token %', awaited using errcode = '42704';
        end if;
    elsif until is null or not isfinite(until) then
        raise exception 'a wait needs a duration, a point in time or a token' using errcode = '22023';
    end if;
    update ganger.job x
    set status = 'waiting', seq = null, lease_id = null, worker_id = null, worker_name = null, lease_until = null, log = null,
        attempts = x.attempts - 1, due_at = until, pending_reason = null, wait_token = awaited
    where x.id = j.id;
    insert into ganger.event (id, job_id, event, data)
    values ((ganger._take_seqs(1))[1], j.id, 'waiting', jsonb_build_object('attempt', j.attempts)
            || case when awaited is null then jsonb_build_object('until', until) else jsonb_build_object('token', awaited) end);
    perform ganger._leave_places(j);
    if is_over then
        perform ganger._resume(array[j.id]);
        return 'pending';
    elsif awaited is not null then
        perform ganger._signal('token', awaited, j.id); -- it may be ending just now
    else
        perform ganger._notify_due(until);
    end if;
    return 'waiting';
end $$;

-- Lets waiting jobs go on whose rows the caller holds.
create function ganger._resume(ids bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if cardinality(ids) = 0 then
        return;
    end if;
    insert into ganger.event (id, job_id, event, data)
    select g.seq, j.id, 'resumed',
           case when j.wait_token is null then jsonb_build_object('until', j.due_at)
                else jsonb_build_object('token', j.wait_token,
                         'status', (select t.status from ganger.token t where t.token = j.wait_token)) end
    from unnest(ids, ganger._take_seqs(cardinality(ids))) g (id, seq) join ganger.job j on j.id = any (array[g.id]);
    update ganger.job j set wait_token = null where j.id = any (ids) and num_nonnulls(j.wait_token) = 1; -- `is not null` would have their index walked through
    perform ganger._open_gates(ids);
end $$;

-- Suspends the job for `duration` (0 .. 100 years); then it starts again from the top. The attempt is given back: waits cost
-- none. Progress, output and steps so far are kept.
-- True: the wait is recorded, or will be as soon as a transaction that holds the job's row has ended: stop working on the job. False:
-- the lease is stale, the job was cancelled, or the attempt has another result. A repeated call gets the same answer.
-- Errors: 22023 duration missing or below zero, 22003 too long.
create function ganger.wait_for(id bigint, lease_id uuid, duration interval) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(case when duration is null then '22023 duration is missing'
                                       else ganger._duration_problem('duration', duration, true) end);
    return ganger._outside_result(id, lease_id, 'waiting', jsonb_build_object('until', clock_timestamp() + duration)::text);
end $$;

-- Suspends the job until a point in time; one that has passed lets it go on at once. Answer as that of wait_for().
-- Errors: 22023 at missing or infinite.
create function ganger.wait_until(id bigint, lease_id uuid, at timestamptz) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if at is null or not isfinite(at) then
        raise exception 'at must be a point in time, not %', coalesce(at::text, 'null') using errcode = '22023';
    end if;
    return ganger._outside_result(id, lease_id, 'waiting', jsonb_build_object('until', at)::text);
end $$;

-- What became of a token, or a wait for it. Any job may wait for any token, several for one.
--
-- Returns {"status": ..., "data": ...}:
--   completed   with the data it was completed with; the job runs on
--   timed_out   nobody completed it in time; the job runs on
--   waiting     the job is suspended (or will be, as in wait_for()), its lease is gone: stop. When the token has ended the job starts
--               again from the top, and this call answers what became of the token
--   lost        the lease is stale, the job was cancelled, or the attempt has another result: stop
-- Errors: 42704 unknown token.
create function ganger.wait_for_token(id bigint, lease_id uuid, token text) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    t ganger.token;
begin
    -- without a lock: an open transaction of the waiter's would hold up who completes it
    select * into t from ganger.token x where x.token = wait_for_token.token;
    if not found then
        raise exception 'there is no token %', coalesce(token, 'null') using errcode = '42704',
            hint = 'Tokens are made by create_token(), and forgotten some time after they have ended.';
    end if;
    if t.status <> 'waiting' and ganger._is_mine(id, lease_id) then
        return jsonb_build_object('status', t.status, 'data', t.data);
    end if;
    if (t.status = 'waiting' or ganger._ended_as(id, lease_id) = 'waiting')
       and ganger._outside_result(id, lease_id, 'waiting', jsonb_build_object('token', token)::text) then
        return jsonb_build_object('status', 'waiting', 'data', null);
    end if;
    return jsonb_build_object('status', 'lost', 'data', null);
end $$;

-- Does the attempt with this lease still run, without a result or a cancel?
create function ganger._is_mine(id bigint, lease_id uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return exists (select from ganger.job j
                   where j.id = _is_mine.id and j.lease_id = _is_mine.lease_id and j.status = 'processing'
                     and j.cancel_requested is not true)
       and not exists (select from ganger.late_result l where l.job_id = _is_mine.id and l.lease_id = _is_mine.lease_id
                       and not ganger._is_note(l.outcome));
end $$;

-- Makes a token that is to be completed once, and returns it. It is unguessable: whoever has it may complete it.
--
--   timeout   how long it may be completed (0 .. 100 years); null = for ever
--   tags      words to find it by
--   job_id    the job it belongs to; it is kept as long as that is known. Null: as long as it is not ended, and for the retention of
--             completed jobs after that
-- A job that is to wait for it keeps it as a step: a wait starts the job again from the top.
-- Errors: 22023 bad timeout or tags, 22003 timeout too long, 42704 unknown job.
create function ganger.create_token(timeout interval default null, tags text[] default null, job_id bigint default null) returns text
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    made  constant text := 'tok_' || gen_random_uuid();
    until constant timestamptz := clock_timestamp() + timeout;
    input ganger.job_input;
begin
    input.job_type := 't';
    input.tags := tags;
    perform ganger._raise_problem(coalesce(ganger._duration_problem('timeout', timeout, true), ganger._input_problem(input)));
    if job_id is not null and not (ganger._may_see_job(job_id)
                                   and (exists (select from ganger.job j where j.id = create_token.job_id)
                                        or exists (select from ganger.history h where h.id = create_token.job_id))) then
        raise exception 'there is no job %', job_id using errcode = '42704';
    end if;
    insert into ganger.token as t (token, status, job_id, tags, timeout_at)
    values (made, case when until <= clock_timestamp() then 'timed_out' else 'waiting' end, create_token.job_id,
            create_token.tags, until);
    if until is not null then
        perform ganger._notify_due(until);
    end if;
    return made;
end $$;

-- Says that what a token stands for has happened: the jobs that wait for it go on when this commits.
--
--   data   any JSON, at most 1 MiB as text, for wait_for_token()
-- True for the first one only; false: unknown, completed before, or timed out. Waits for another open transaction that completes the same
-- token, and for nothing else. Errors: 22023 data too large.
create function ganger.complete_token(token text, data jsonb default null) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    perform ganger._raise_problem(ganger._json_problem('data', data));
    -- looked at first: one that has timed out may be held by a duty
    if not exists (select from ganger.token t where t.token = complete_token.token and t.status = 'waiting'
                   and (t.timeout_at is null or t.timeout_at > clock_timestamp())) then
        perform ganger._wait_at_commit(); -- who completes it once more hears that it is completed
        return false;
    end if;
    update ganger.token t set status = 'completed', data = complete_token.data, completed_at = clock_timestamp()
    where t.token = complete_token.token and t.status = 'waiting' and (t.timeout_at is null or t.timeout_at > clock_timestamp());
    if not found then
        perform ganger._wait_at_commit();
        return false;
    end if;
    perform ganger._wake_waiters(array[token]);
    return true;
end $$;

-- The token as the view tokens shows it: one row, or none.
create function ganger.get_token(token text) returns setof ganger.tokens
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select * from ganger.tokens t where t.token = get_token.token
$$;

-- Wakes who waits for tokens that the caller's transaction has ended.
--
-- Whoever begins to wait reads the token, whoever ends it looks for waiters, and neither sees the other before its commit. So both leave
-- a signal, which is worked after that commit by somebody who sees it. A waiter's signal may be dropped when the token has not ended in
-- that later snapshot: the signal of its end is not committed then, so who works that one sees the waiter. No lock is needed, and
-- nobody waits.
create function ganger._wake_waiters(tokens text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    insert into ganger.signal (kind, key) select 'token', t from unnest(tokens) t;
    perform ganger._notify_signal();
    if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then -- else it would meet newer versions
        perform ganger._resume(array(
            select j.id from ganger.job j
            where j.wait_token = any (tokens) and j.wait_token is not null and j.status = 'waiting'
            order by j.id + 0 for update skip locked));
    end if;
end $$;

-- A signal's second look at tokens and who waits for them: all its waiters (job_id null), or one. A waiter that somebody holds gets a
-- signal of its own. (`is not distinct from` keeps the index on wait_token out where there is an id: thousands may wait for one.)
create function ganger._recheck_waiters(tokens text[], job_ids bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    ids   bigint[]; -- waiters for tokens that have ended
    keys  text[];
    freed bigint[];
begin
    with ended as materialized (
        select g.key, g.job_id from unnest(tokens, job_ids) g (key, job_id)
        where not exists (select from ganger.token t where t.token = g.key and t.status = 'waiting')
    )
    select array_agg(w.id), array_agg(w.key) into ids, keys
    from (select j.id, e.key from ended e join ganger.job j on j.wait_token = any (array[e.key]) where e.job_id is null and j.status = 'waiting'
          union
          select j.id, e.key from ended e join ganger.job j on j.id = any (array[e.job_id])
          where j.wait_token is not distinct from e.key and j.status = 'waiting') w;
    if ids is null then
        return;
    end if;
    freed := array(select j.id from unnest(ids, keys) w (id, key) join ganger.job j on j.id = any (array[w.id])
                   where j.wait_token is not distinct from w.key and j.status = 'waiting'
                   order by j.id + 0 for update of j skip locked);
    perform ganger._resume(freed);
    insert into ganger.signal (kind, key, job_id, not_before)
    select 'token', w.key, w.id, clock_timestamp() + interval '200 ms' from unnest(ids, keys) w (id, key)
    where w.id <> all (freed) and exists (select from ganger.job j where j.id = w.id offset 0);
end $$;

-- Ends tokens nobody has completed in time. One that is being completed just now is passed over. Returns how many.
create function ganger._expire_tokens() returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    clock constant timestamptz := clock_timestamp(); -- a volatile function in the condition would keep the index from it
    due   text[];
    n     integer := 0;
begin
    loop
        due := array(select t.token from ganger.token t
                     where t.status = 'waiting' and t.timeout_at is not null and t.timeout_at <= clock
                     order by t.timeout_at limit 1000 for update skip locked);
        exit when cardinality(due) = 0;
        update ganger.token t set status = 'timed_out' where t.token = any (due);
        perform ganger._wake_waiters(due);
        n := n + cardinality(due);
    end loop;
    return n;
end $$;

-- When the next token times out; null: none will.
create function ganger._next_timeout(after timestamptz default '-infinity') returns timestamptz
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off as $$
begin
    return (select t.timeout_at from ganger.token t
            where t.status = 'waiting' and t.timeout_at is not null and t.timeout_at > after order by t.timeout_at limit 1);
end $$;

-- Deletes tokens that ended longer ago than the retention of completed jobs, unless their job is known or a job waits for them. (Those
-- of a job go with it, see _forget; one that never ends, and is nobody's, stays.) Returns how many, at most 1000.
create function ganger._forget_tokens() returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    past constant timestamptz := clock_timestamp() - ganger._setting('retention_completed', '30 days')::interval;
    n    integer;
begin
    delete from ganger.token t
    where t.token = any (array(
        select x.token from ganger.token x
        where x.status <> 'waiting' and coalesce(x.completed_at, x.timeout_at) < past
          and not exists (select from ganger.job j where j.id = x.job_id offset 0)
          and not exists (select from ganger.history h where h.id = x.job_id offset 0)
          and not exists (select from ganger.job j where j.wait_token = x.token offset 0)
        limit 1000 for update skip locked));
    get diagnostics n = row_count;
    return n;
end $$;
