-- What gangerd's workers ask for on behalf of the handlers they run.

-- What earlier runs of a running job have left for this one: its steps (name, result), and one row with a null name: the token its last
-- wait was for, as {token, status, data}, or null. No rows: the lease is stale.
create function ganger._memory(id bigint, lease_id uuid) returns table (name text, result jsonb)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    steps constant jsonb := ganger._steps(id, lease_id);
begin
    if steps is null then
        return;
    end if;
    return query
    select null::text, (select jsonb_build_object('token', t.token, 'status', t.status, 'data', t.data)
                        from (select e.data ->> 'token' as token from ganger.event e
                              where e.job_id = _memory.id and e.event = 'resumed' order by e.id + 0 desc limit 1) w
                        join ganger.token t on t.token = w.token)
    union all
    select s.key, s.value from jsonb_each(steps) s;
end $$;

-- Leaves the event `prolonged` {ms, until}: a running job was given `ms` from now on. Takes no lock; a stale lease leaves nothing.
create function ganger._note_prolonged(id bigint, lease_id uuid, ms bigint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    clock constant timestamptz := clock_timestamp();
begin
    insert into ganger.event (id, job_id, event, at, data)
    select (ganger._take_seqs(1))[1], j.id, 'prolonged', clock,
           jsonb_build_object('ms', ms, 'until', clock + make_interval(secs => least(ms, 315360000000) / 1e3))
    from ganger.job j
    where j.id = _note_prolonged.id and j.lease_id = _note_prolonged.lease_id and j.status = 'processing';
end $$;

-- Job types with an on_error hook, as the worker that was started last says.
create table ganger.hook_type (
    job_type text primary key
);

-- For a worker that has loaded its handlers: job types that have a hook, and such that have none. A name that leaves no room for
-- ":on_error" has none: a job must be able to end.
create function ganger._tell_hooks(with_hook text[], without_hook text[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    insert into ganger.hook_type select distinct t from unnest(with_hook) t
    where octet_length(t) <= 255 - octet_length(':on_error') order by 1 on conflict do nothing;
    delete from ganger.hook_type h where h.job_type = any (without_hook);
end $$;

-- Has the on_error hook of each of these jobs called that has failed for good and has one: by a job of its own, with one attempt and in the
-- transaction that ends the failed job. So the hook has a time limit, an attempt and a log as any job, and its own end, whatever it
-- is, changes nothing for the failed job and calls no hook. ids: jobs that _finish has just moved to history.
create function ganger._call_hooks(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    h    ganger.history;
    hook bigint;
begin
    for h in
        select x.* from ganger.history x join ganger.hook_type t on t.job_type = x.job_type
        where x.id = any (ids) and x.status = 'failed' order by x.id
    loop
        hook := ganger._enqueue_all(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
            'job_type', h.job_type || ':on_error', 'queue', h.queue, 'priority', h.priority, 'owner', h.owner, 'max_attempts', 1,
            'timeout', coalesce(h.timeout, (select t.timeout from ganger.job_type t where t.name = h.job_type)),
            'kill_grace', h.kill_grace))), null);
        -- it may be longer than a payload may be
        update ganger.job j
        set payload = jsonb_build_object('id', h.id, 'job_type', h.job_type, 'queue', h.queue, 'priority', h.priority,
                'payload', h.payload, 'attempt', h.attempts, 'max_attempts', h.max_attempts, 'tags', h.tags, 'owner', h.owner,
                'metadata', h.metadata, 'group_key', h.group_key, 'message', h.error, 'reason', h.failure_reason)
        where j.id = hook;
        insert into ganger.event (id, job_id, event, data)
        values ((ganger._take_seqs(1))[1], h.id, 'on_error', jsonb_build_object('job_id', hook));
    end loop;
end $$;
