-- What gangerd's workers ask for on behalf of the handlers they run.

-- What earlier runs of a running job have left for this one: its steps (name, result), and one row with a null name: the token its last
-- wait was for, as {token, status, data}, or null. No rows: the lease is stale.
create function ganger._memory(id bigint, lease_id uuid) returns table (name text, result jsonb)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
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
                              where e.job_id = _memory.id and e.event = 'resumed' order by e.id desc limit 1) w
                        join ganger.token t on t.token = w.token)
    union all
    select s.key, s.value from jsonb_each(steps) s;
end $$;

-- Leaves the event `prolonged` {ms, until}: a running job was given `ms` from now on. Takes no lock; a stale lease leaves nothing.
create function ganger._note_prolonged(id bigint, lease_id uuid, ms bigint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set enable_seqscan = off as $$
declare
    clock constant timestamptz := clock_timestamp();
begin
    insert into ganger.event (id, job_id, event, at, data)
    select (ganger._take_seqs(1))[1], j.id, 'prolonged', clock,
           jsonb_build_object('ms', ms, 'until', clock + make_interval(secs => least(ms, 315360000000) / 1e3))
    from ganger.job j
    where j.id = _note_prolonged.id and j.lease_id = _note_prolonged.lease_id and j.status = 'processing';
end $$;

revoke all on all routines in schema ganger from public;
