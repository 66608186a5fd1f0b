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
        raise exception 'changes must be a JSON object' using errcode = '22023';
    end if;
    select k into bad from jsonb_object_keys(changes) k
    where k not in ('payload', 'queue', 'priority', 'run_at', 'max_attempts', 'timeout', 'kill_grace', 'retry_delay', 'retry_backoff',
                    'retry_delay_max', 'expires_at', 'tags', 'group_key', 'dead_letter_job_type', 'owner', 'metadata', 'job_type') limit 1;
    if found then
        raise exception 'changes: "%" cannot be edited', bad using errcode = '22023',
            hint = 'Keys are payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, '
                   'retry_delay_max, expires_at, tags, group_key, dead_letter_job_type, owner, metadata, job_type.';
    end if;
    begin
        i := jsonb_populate_record(was, changes);
    exception when data_exception then
        raise exception 'changes: %', ganger._blame_key(changes) || sqlerrm
            using errcode = case when sqlstate in ('22003', '22008', '22015') then '22003' else '22023' end;
    end;
    checked := i;
    if not changes ? 'max_attempts' then
        checked.max_attempts := null; -- retry() may have raised it above the bound
    end if;
    perform ganger._raise_problem(coalesce(ganger._json_misfit(changes), ganger._input_problem(checked)), 'changes: ');
    if changes ->> 'max_attempts' is not null and i.max_attempts <= attempts then
        raise exception 'changes: max_attempts must be more than the % attempts the job has had', attempts using errcode = '22003';
    end if;
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

-- Changes a pending job whose row the caller holds. False: nothing is different from what it was.
create function ganger._edit_job(j ganger.job, changes jsonb) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set enable_seqscan = off as $$
declare
    was     constant ganger.job_input := ganger._as_input(j);
    i       constant ganger.job_input := ganger._edited_input(was, j.attempts, changes);
    gated   constant boolean := j.pending_reason in ('blocked', 'limited', 'batch');
    changed jsonb;
    due     timestamptz;
    moved   boolean; -- it needs a place in a lane
begin
    select jsonb_object_agg(c.key, c.value) into changed from jsonb_each(changes) c
    where to_jsonb(i) -> c.key is distinct from to_jsonb(was) -> c.key;
    if changed is null then
        return false;
    end if;
    due := case when changes ? 'run_at' then i.run_at when not gated or j.pending_reason is null then j.due_at end;
    if due <= clock_timestamp() then
        due := null;
    end if;
    moved := due is null
             and (j.pending_reason is not distinct from 'limited' and i.group_key is null or coalesce(not gated, true)
             and (j.seq is null or (i.queue, i.priority, i.job_type) is distinct from (j.queue, j.priority::integer, j.job_type)
                  or i.group_key is distinct from j.group_key));
    update ganger.job x
    set job_type = i.job_type, payload = i.payload, queue = i.queue, priority = i.priority,
        lane_id = case when moved or x.seq is null or due is not null then ganger._lane_id(i.queue, i.priority, i.job_type, false)
                       else x.lane_id end,
        seq = case when due is null and not moved then x.seq end,
        run_at = case when changes ? 'run_at' and x.attempts = 0 then i.run_at else x.run_at end,
        due_at = due,
        pending_reason = case when due is not null and (x.pending_reason is null or gated) then 'scheduled'
                              when due is null and not coalesce(gated, false) then null else x.pending_reason end,
        max_attempts = i.max_attempts, timeout = i.timeout, kill_grace = i.kill_grace,
        retry_delay = nullif(i.retry_delay, interval '60 s'), retry_backoff = nullif(i.retry_backoff, true),
        retry_delay_max = i.retry_delay_max, expires_at = i.expires_at, tags = i.tags, group_key = i.group_key,
        dead_letter_job_type = i.dead_letter_job_type, owner = i.owner, metadata = i.metadata
    where x.id = j.id;
    insert into ganger.event (id, job_id, event, data) values ((ganger._take_seqs(1))[1], j.id, 'edited', changed);
    if moved then
        perform ganger._open_gates(array[j.id]);
    elsif due is not null then
        perform ganger._notify_due(due);
    end if;
    perform ganger._follow_edit(j, i.group_key);
    return true;
end $$;

-- What an edit means for others: the places of its old group and its new one, and barriers that waited for tags it has lost.
create function ganger._follow_edit(was ganger.job, group_key text) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set enable_seqscan = off as $$
begin
    perform ganger._signal_limited(array_agg(distinct g)) from unnest(array[was.group_key, group_key]) g
    where g is not null and (was.pending_reason = 'limited' or was.seq is not null
                             or was.group_key is distinct from _follow_edit.group_key);
end $$;

-- Changes a pending job: payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff,
-- retry_delay_max, expires_at, tags, group_key, dead_letter_job_type, owner, metadata, job_type; with the meaning and the bounds they
-- have in enqueue(), durations as text with a unit. A null clears (run_at null = now). run_at of a job that waits for a retry moves
-- that retry. What a job waits for besides the time (others, its batch, its group) it goes on waiting for. All or nothing.
-- Returns false when the job is not pending. Errors: 22023 unknown key or bad value, 22003 out of range.
create function ganger.edit(id bigint, changes jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set enable_seqscan = off as $$
declare
    j ganger.job;
begin
    perform ganger._check_changes(changes);
    select * into j from ganger.job x where x.id = edit.id and x.status = 'pending' for update;
    if not found then
        return false;
    end if;
    perform ganger._edit_job(j, changes);
    return true;
end $$;

-- Raises when `changes` are wrong for any job. (What is wrong for some: _edited_input.)
create function ganger._check_changes(changes jsonb) returns void
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'changes must be a JSON object' using errcode = '22023';
    end if;
    perform ganger._edited_input(null, 0, '{"job_type": "x"}' || changes);
end $$;

-- The same for many pending jobs whose rows the caller holds.
create function ganger._edit_locked(ids bigint[], changes jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set enable_seqscan = off as $$
declare
    j ganger.job;
begin
    for j in select * from ganger.job x where x.id = any (ids) order by x.id loop
        perform ganger._edit_job(j, changes);
    end loop;
end $$;
