-- What a running job says of itself (notes), and what met its row held by somebody's open transaction: it is written to late_result
-- and applied, in its order, as soon as the row is free.

-- Writes down a result whose row somebody's open transaction holds, to be applied when that has ended. The first result of a
-- lease counts. False: the lease is stale, or has a result.
create function ganger._put_off(id bigint, lease_id uuid, outcome text, body text, delay interval, facts ganger.attempt_facts)
returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
begin
    insert into ganger.late_result (job_id, lease_id, outcome, body, delay, ended_at, facts)
    select j.id, j.lease_id, _put_off.outcome, _put_off.body, _put_off.delay,
           clock_timestamp() - make_interval(secs => coalesce(facts.ago_us, 0) / 1e6), _put_off.facts
    from ganger.job j
    where j.id = _put_off.id and j.lease_id = _put_off.lease_id and j.status = 'processing'
      and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id
                      and not ganger._is_note(l.outcome));
    return found;
end $$;

-- What a running job says of itself, in the order it says it; the rest of late_result are results.
create function ganger._is_note(outcome text) returns boolean language sql immutable parallel safe as $$
    select outcome in ('heartbeat', 'progress', 'output', 'log', 'step')
$$;

-- The end of a log: at most 64 KiB, whole characters.
create function ganger._log_tail(log text) returns text language plpgsql immutable parallel safe as $$
declare
    most constant integer := 65536;
begin
    while octet_length(log) > most loop
        -- no character has more than four bytes: never cuts too much, and halves the rest at least
        log := right(log, - greatest(1, (octet_length(log) - most) / 4));
    end loop;
    return log;
end $$;

-- Writes one note into a running job's row, which the caller holds. body, until: as in late_result.
create function ganger._write_note(id bigint, kind text, body text, until timestamptz) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    was   record;
    given jsonb;
begin
    case kind
    when 'heartbeat' then
        update ganger.job j set lease_until = until
        where j.id = _write_note.id and j.worker_id is null and j.cancel_requested is not true;
    when 'output' then
        update ganger.job j set output = body::jsonb where j.id = _write_note.id;
    when 'log' then
        update ganger.job j set log = ganger._log_tail(coalesce(j.log, '') || body || E'\n') where j.id = _write_note.id;
    when 'step' then
        given := body::jsonb;
        insert into ganger.step (job_id, name, result) values (_write_note.id, given ->> 'name', given -> 'result')
        on conflict (job_id, name) do update set result = excluded.result;
        update ganger.job j set has_steps = true where j.id = _write_note.id and j.has_steps is not true;
    when 'progress' then
        given := body::jsonb;
        select j.progress, j.progress_message, j.stage into was from ganger.job j where j.id = _write_note.id;
        update ganger.job j
        set progress = coalesce((given ->> 'percent')::smallint, j.progress),
            progress_message = coalesce(given ->> 'message', j.progress_message), stage = coalesce(given ->> 'stage', j.stage)
        where j.id = _write_note.id
          and (coalesce((given ->> 'percent')::smallint, was.progress), coalesce(given ->> 'message', was.progress_message),
               coalesce(given ->> 'stage', was.stage))
              is distinct from (was.progress, was.progress_message, was.stage)
        returning j.progress, j.progress_message, j.stage into was;
        if found then
            insert into ganger.event (id, job_id, event, data)
            values ((ganger._take_seqs(1))[1], _write_note.id, 'progress',
                    jsonb_build_object('percent', was.progress, 'message', was.progress_message, 'stage', was.stage));
        end if;
    end case;
end $$;

-- Writes the notes that were put off for a lease, oldest first; the caller holds the job's row, and so is the only one at it. False:
-- a result was put off, and nothing comes after that.
create function ganger._apply_notes(id bigint, lease_id uuid) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    late ganger.late_result;
begin
    for late in
        select * from ganger.late_result l
        where l.job_id = _apply_notes.id and l.lease_id = _apply_notes.lease_id order by l.id
    loop
        if not ganger._is_note(late.outcome) then
            return false;
        end if;
        delete from ganger.late_result l where l.id = late.id;
        if found then
            perform ganger._write_note(late.job_id, late.outcome, late.body, late.until);
        end if;
    end loop;
    return true;
end $$;

-- Notes something about a running job: kind as in _is_note. A row that somebody's open transaction holds is waited for 100 ms; then
-- the note is put off. True: it is written, or will be. False: the lease is stale, has a result, or the job was cancelled.
create function ganger._note(id bigint, lease_id uuid, kind text, body text, until timestamptz default null) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set lock_timeout = '100ms'
as $$
declare
    is_cancelled boolean;
begin
    select coalesce(j.cancel_requested, false) into is_cancelled from ganger.job j
    where j.id = _note.id and j.lease_id = _note.lease_id and j.status = 'processing' for update skip locked;
    if not found then
        -- only now the dearer way, which can fail: the row is held, or there is none
        if not exists (select from ganger.job j where j.id = _note.id and j.lease_id = _note.lease_id
                       and j.status = 'processing' and j.cancel_requested is not true) then
            return false;
        end if;
        begin
            select coalesce(j.cancel_requested, false) into is_cancelled from ganger.job j
            where j.id = _note.id and j.lease_id = _note.lease_id and j.status = 'processing' for update;
        exception when lock_not_available then
            insert into ganger.late_result (job_id, lease_id, outcome, body, until)
            select _note.id, _note.lease_id, kind, _note.body, _note.until
            where not exists (select from ganger.late_result l where l.job_id = _note.id and l.lease_id = _note.lease_id
                              and not ganger._is_note(l.outcome));
            return found;
        end;
    end if;
    if coalesce(is_cancelled, true) or not ganger._apply_notes(id, lease_id) then
        return false;
    end if;
    perform ganger._write_note(id, kind, body, until);
    return true;
end $$;

-- Applies what was put off and whose row is free now. Returns how many.
create function ganger._apply_late_results() returns integer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
declare
    late ganger.late_result;
    held bigint[] := '{}'; -- what follows in their leases has to wait with it
    n    integer := 0;
begin
    for late in
        select * from ganger.late_result l order by l.id
    loop
        continue when late.job_id = any (held);
        perform from ganger.job j where j.id = late.job_id and j.lease_id = late.lease_id for update skip locked;
        if not found and exists (select from ganger.job j where j.id = late.job_id and j.lease_id = late.lease_id) then
            held := held || late.job_id;
            continue;
        end if;
        begin
            delete from ganger.late_result l
            where l.id in (select x.id from ganger.late_result x where x.id = late.id for update skip locked);
            continue when not found; -- another session has applied it
            if not ganger._is_note(late.outcome) then
                -- the first result counts: two that were put off at the same time did not see each other
                delete from ganger.late_result l where l.job_id = late.job_id and l.lease_id = late.lease_id;
                late.facts.ago_us := (extract(epoch from clock_timestamp() - late.ended_at) * 1e6)::bigint;
                perform ganger._apply_result(late.job_id, late.lease_id, late.outcome, late.body, late.delay, late.facts);
            elsif exists (select from ganger.job j where j.id = late.job_id and j.lease_id = late.lease_id) then
                perform ganger._write_note(late.job_id, late.outcome, late.body, late.until);
            end if;
        exception
            -- the table is locked, or the server lacks something: that is nobody's failure, and passes; all of them wait for it
            when lock_not_available or transaction_rollback or insufficient_resources or system_error then
                exit;
            -- one that PostgreSQL does not take must not keep the duties from all others
            when others then
                delete from ganger.late_result l where l.id = late.id;
                if not ganger._is_note(late.outcome) then
                    delete from ganger.late_result l where l.job_id = late.job_id and l.lease_id = late.lease_id;
                    perform ganger._end_attempt(late.job_id, late.lease_id, 'error', 'its result could not be applied: ' || sqlerrm,
                                                true, null, null);
                end if;
        end;
        n := n + 1;
    end loop;
    return n;
end $$;
