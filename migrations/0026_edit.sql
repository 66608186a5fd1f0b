-- Changing pending jobs.

-- What `changes` make of a job that is described by `was`; `attempts`: those it has had. Errors: 22023 unknown key or bad value, 22003 out
-- of range.
create function ganger._edited_input(was ganger.job_input, attempts integer, changes jsonb) returns ganger.job_input
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    i       ganger.job_input;
    checked ganger.job_input;
    bad     text;
begin
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'changes must be a JSON object' using errcode = '22023', column = 'changes', hint = 'For example {"priority": 5}.';
    end if;
    select k into bad from jsonb_object_keys(changes) k
    where k not in ('payload', 'queue', 'priority', 'run_at', 'max_attempts', 'timeout', 'kill_grace', 'retry_delay', 'retry_backoff',
                    'retry_delay_max', 'expires_at', 'tags', 'group_key', 'dead_letter_job_type', 'owner', 'metadata', 'job_type') limit 1;
    if found then
        raise exception 'changes: "%" cannot be edited', bad using errcode = '22023', column = bad,
            hint = 'Keys are payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, '
                   'retry_delay_max, expires_at, tags, group_key, dead_letter_job_type, owner, metadata, job_type.';
    end if;
    begin
        i := jsonb_populate_record(was, changes);
    exception when data_exception then
        raise exception 'changes: %', ganger._blame_key(changes) || sqlerrm
            using column = rtrim(ganger._blame_key(changes), ': '), errcode = case when sqlstate in ('22003', '22008', '22015') then '22003' else '22023' end;
    end;
    checked := i;
    if not changes ? 'max_attempts' then
        checked.max_attempts := null; -- retry() may have raised it above the bound
    end if;
    perform ganger._raise_problem(coalesce(ganger._json_misfit(changes), ganger._input_problem(checked)), 'changes: ');
    i.payload := coalesce(i.payload, '{}');
    i.queue := coalesce(i.queue, 'default');
    i.priority := coalesce(i.priority, 0);
    i.run_at := coalesce(i.run_at, clock_timestamp());
    i.max_attempts := coalesce(i.max_attempts, greatest(3, attempts + 1));
    i.retry_delay := coalesce(i.retry_delay, interval '60 s');
    i.retry_backoff := coalesce(i.retry_backoff, true);
    return i;
end $$;

-- A job as enqueue would be told it. run_at: of one that waits for a retry, when that is.
create function ganger._as_input(j ganger.job) returns ganger.job_input language sql stable as $$
    select (j.job_type, j.payload, j.queue, j.priority,
            coalesce(case when j.pending_reason in ('scheduled', 'retry') then j.due_at end, j.run_at, j.created_at), j.max_attempts,
            j.timeout, j.kill_grace, coalesce(j.retry_delay, interval '60 s'), coalesce(j.retry_backoff, true), j.retry_delay_max,
            j.expires_at, j.tags, null, null, null, null, j.group_key, null, null, j.dead_letter_job_type, j.owner,
            j.metadata)::ganger.job_input
$$;

-- Changes one pending job whose row the caller holds, in its row and by its event, which gets the number `seq`. What follows is told:
--
--   moved   it has lost its place, and is to come through the gates again
--   due     when it is due now; null: no such time
create function ganger._edit_row(j ganger.job, changes jsonb, seq bigint, out moved boolean, out due timestamptz)
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    was     constant ganger.job_input := ganger._as_input(j);
    i       constant ganger.job_input := ganger._edited_input(was, j.attempts, changes);
    gated   constant boolean := coalesce(j.pending_reason in ('blocked', 'limited', 'batch'), false);
    old     constant jsonb := to_jsonb(was);
    new     constant jsonb := to_jsonb(i);
    changed jsonb;
begin
    select jsonb_object_agg(c.key, c.value) into changed from jsonb_each(changes) c where new -> c.key is distinct from old -> c.key;
    moved := false;
    if changes ->> 'max_attempts' is not null and i.max_attempts <= j.attempts then
        raise exception 'changes: max_attempts must be more than the % attempts job % has had', j.attempts, j.id using errcode = '22003';
    elsif changed is null then
        return;
    end if;
    due := case when changes ? 'run_at' then i.run_at when not gated then j.due_at end;
    if due <= clock_timestamp() then
        due := null;
    end if;
    moved := due is null and case when gated then j.pending_reason = 'limited' and i.group_key is distinct from j.group_key
                                  else j.seq is null or (i.queue, i.priority, i.job_type) is distinct from (j.queue, j.priority::integer, j.job_type)
                                       or i.group_key is distinct from j.group_key end;
    update ganger.job x
    set job_type = i.job_type, payload = i.payload, queue = i.queue, priority = i.priority,
        lane_id = case when moved or x.seq is null or due is not null then ganger._lane_id(i.queue, i.priority, i.job_type, false)
                       else x.lane_id end,
        seq = case when due is null and not moved then x.seq end,
        run_at = case when changes ? 'run_at' and x.attempts = 0 then i.run_at else x.run_at end,
        due_at = due,
        pending_reason = case when due is not null and (x.pending_reason is null or gated) then 'scheduled'
                              when due is null and (moved or not gated) then null else x.pending_reason end,
        max_attempts = i.max_attempts, timeout = i.timeout, kill_grace = i.kill_grace,
        retry_delay = nullif(i.retry_delay, interval '60 s'), retry_backoff = nullif(i.retry_backoff, true),
        retry_delay_max = i.retry_delay_max, expires_at = i.expires_at, tags = i.tags, group_key = i.group_key,
        dead_letter_job_type = i.dead_letter_job_type, owner = i.owner, metadata = i.metadata
    where x.id = j.id;
    insert into ganger.event (id, job_id, event, data) values (seq, j.id, 'edited', changed);
    -- others: the places of its old group and its new one, and barriers that waited for tags it may have lost
    if (j.group_key is not null or i.group_key is not null)
       and (j.pending_reason = 'limited' or j.seq is not null or i.group_key is distinct from j.group_key) then
        perform ganger._signal_limited(array_agg(distinct g)) from unnest(array[j.group_key, i.group_key]) g where g is not null;
    end if;
    if (i.tags, i.owner) is distinct from (j.tags, j.owner) then
        insert into ganger.signal (kind, job_id)
        select 'blocked', b.id from ganger._barriers b where b.depends_on_tags <@ j.tags;
    end if;
end $$;

-- Changes pending jobs whose rows the caller holds.
create function ganger._edit_locked(ids bigint[], changes jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    seqs    constant bigint[] := ganger._take_seqs(cardinality(ids));
    j       ganger.job;
    n       integer := 0;
    edited  record;
    moved   bigint[] := '{}';
    soonest timestamptz;
begin
    for j in select * from ganger.job x where x.id = any (ids) order by x.id loop
        n := n + 1;
        edited := ganger._edit_row(j, changes, seqs[n]);
        if edited.moved then
            moved := moved || j.id;
        end if;
        soonest := least(soonest, edited.due);
    end loop;
    if cardinality(moved) > 0 then
        perform ganger._open_gates(moved);
    end if;
    if soonest is not null then
        perform ganger._notify_due(soonest);
    end if;
    if exists (select from ganger.signal s where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))) then
        perform ganger._notify_signal();
    end if;
end $$;

-- Changes a pending job: payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff,
-- retry_delay_max, expires_at, tags, group_key, dead_letter_job_type, owner, metadata, job_type; with the meaning and the bounds they
-- have in enqueue(), durations as text with a unit. A null clears (run_at null = now). run_at of a job that waits for a retry moves
-- that retry. What a job waits for besides the time (others, its batch, its group) it goes on waiting for. All or nothing.
-- Returns false when the job is not pending. Errors: 22023 unknown key or bad value, 22003 out of range.
create function ganger.edit(id bigint, changes jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    perform ganger._check_changes(changes);
    if ganger._is_session_bound() then
        if not ganger._may_see_job(id) then
            return false;
        end if;
        perform ganger._check_queue(coalesce(changes ->> 'queue', 'default')) where changes ? 'queue';
        if changes ? 'owner' and changes ->> 'owner' is distinct from ganger._acting_owner(null) then
            perform ganger._acting_owner(coalesce(changes ->> 'owner', ''));
        end if;
    end if;
    perform from ganger.job x where x.id = edit.id and x.status = 'pending' for update;
    if not found then
        return false;
    end if;
    perform ganger._edit_locked(array[id], changes);
    return true;
end $$;

-- Raises when `changes` are wrong for any job. (What is wrong for some: _edit_row.)
create function ganger._check_changes(changes jsonb) returns void
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'changes must be a JSON object' using errcode = '22023', column = 'changes', hint = 'For example {"priority": 5}.';
    end if;
    perform ganger._edited_input(null, 0, '{"job_type": "x"}' || changes);
end $$;
