-- Keys: one job at most for each idempotency key (as long as it is known) and unique key (as long as it is live, or for a while).

-- Takes the keys of a new job for it. Returns null: they are its own; or the id of the job that has one of them, after on_conflict
-- was applied to that. An equal key in another open transaction is waited for. Errors: 23505 with on_conflict error.
create function ganger._take_keys(job_id bigint, i ganger.job_input) returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    other bigint;
begin
    if i.idempotency_key is not null then -- a function with settings costs more than a look at what it is called with
        other := ganger._take_idempotency_key(job_id, i);
    end if;
    if other is null and i.unique_key is not null then
        other := ganger._take_unique_key(job_id, i);
        if other is not null and i.idempotency_key is not null then
            perform ganger._point_idempotency_key(i, other);
        end if;
    end if;
    if other is not null then
        perform ganger._wait_at_commit();
    end if;
    return other;
end $$;

create function ganger._take_idempotency_key(job_id bigint, i ganger.job_input) returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    scope constant text := ganger._key_scope();
    other bigint;
begin
    while i.idempotency_key is not null loop
        insert into ganger.job_key (kind, key, owner, job_id)
        values ('idempotency', i.idempotency_key, scope, _take_idempotency_key.job_id) on conflict do nothing;
        exit when found;
        select k.job_id into other from ganger.job_key k
        where k.kind = 'idempotency' and k.key = i.idempotency_key and k.owner = scope;
        exit when found;
    end loop;
    return other;
end $$;

-- A new job's unique key turned out to be `other`'s (null: it did not): so its idempotency key now stands for that one.
create function ganger._point_idempotency_key(i ganger.job_input, other bigint) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    if other is not null and i.idempotency_key is not null then
        update ganger.job_key k set job_id = other
        where k.kind = 'idempotency' and k.key = i.idempotency_key and k.owner = ganger._key_scope();
    end if;
end $$;

-- (`select 'unique'`: to the planner not the word that the index job_key_unique has, which it might walk through.)
-- The same for its unique key. Looks first: a holder that somebody's open transaction is about to end is live until that is committed,
-- and not waited for.
create function ganger._take_unique_key(job_id bigint, i ganger.job_input) returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    scope  constant text := ganger._key_scope();
    until  constant timestamptz := clock_timestamp() + i.unique_for;
    holder record;
begin
    loop
        select k.job_id, k.expires_at into holder from ganger.job_key k
        where k.kind = (select 'unique') and k.key = i.unique_key and k.owner = scope;
        if not found then
            insert into ganger.job_key (kind, key, owner, job_id, expires_at)
            values ('unique', i.unique_key, scope, _take_unique_key.job_id, until) on conflict do nothing;
            if found then
                return null;
            end if;
            continue;
        end if;
        exit when case when holder.expires_at is null then exists (select from ganger.job j where j.id = holder.job_id)
                       else holder.expires_at > clock_timestamp() end;
        -- its holder has ended (a statement of its own: its snapshot is not older than the row's): what removes such rows waits
        -- for nobody, so it may be here still
        update ganger.job_key k set job_id = _take_unique_key.job_id, expires_at = until
        where k.kind = (select 'unique') and k.key = i.unique_key and k.owner = scope and k.job_id = holder.job_id;
        if found then
            return null;
        end if;
    end loop;
    if i.on_conflict = 'error' then
        raise exception 'unique_key "%" is taken by job %', i.unique_key, holder.job_id using errcode = '23505',
            hint = 'Wait until that job has ended, or say on_conflict => ''ignore'', ''replace'' or ''reschedule''.';
    elsif i.on_conflict in ('replace', 'reschedule') then
        perform ganger._change_holder(holder.job_id, i);
    end if;
    return holder.job_id;
end $$;

-- A retried job is live again: it takes its unique key if that is free, and goes without it if not.
create function ganger._retake_unique_key(job_id bigint, unique_key text, owner text) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    i ganger.job_input;
begin
    i.unique_key := unique_key;
    perform ganger._take_unique_key(job_id, i);
    -- a bound producer's keys are apart, and may be where this one was
    insert into ganger.job_key (kind, key, owner, job_id) values ('unique', unique_key, coalesce(owner, ''), job_id)
    on conflict do nothing;
end $$;

-- on_conflict replace and reschedule: changes the job that has the key, if it is pending and nobody is at it; else it is too late, and
-- it stays as it is.
create function ganger._change_holder(holder bigint, i ganger.job_input) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    had     integer;
    changes jsonb;
begin
    select j.attempts into had from ganger.job j where j.id = holder and j.status = 'pending' for update skip locked;
    if not found then
        return;
    end if;
    changes := jsonb_build_object('run_at', i.run_at);
    if i.on_conflict = 'replace' then
        changes := changes || jsonb_build_object('job_type', i.job_type, 'queue', i.queue, 'payload', coalesce(i.payload, '{}'),
            'priority', i.priority, 'max_attempts', greatest(coalesce(i.max_attempts, 3), had + 1), 'timeout', i.timeout,
            'kill_grace', i.kill_grace, 'retry_delay', i.retry_delay, 'retry_backoff', i.retry_backoff,
            'retry_delay_max', i.retry_delay_max, 'expires_at', i.expires_at, 'tags', i.tags, 'group_key', i.group_key,
            'dead_letter_job_type', i.dead_letter_job_type, 'metadata', i.metadata);
    end if;
    perform ganger.edit(holder, changes);
end $$;

-- The usual call of enqueue_many: no key of it stands there twice, no entry has two, and those that are taken are of live jobs, and to be
-- left with them. Takes the others for the new jobs, in the order of _claim_keys, and returns ids as that does. null: it is not so, or
-- somebody was faster; then nothing was taken, and nothing is locked: who goes through the keys one by one begins with the first. So this is
-- a subtransaction, which has a number of its own where it takes keys: more than 64 such calls in one transaction are dear for all sessions.
-- A holder that somebody's open transaction is about to delete still counts, as if this call had come before it.
create function ganger._take_keys_at_once(jobs jsonb, ids bigint[]) returns bigint[]
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    scope constant text := ganger._key_scope();
    clock constant timestamptz := clock_timestamp();
    taken record;
begin
    with wanted as materialized (
        select k.kind, k.key, e.place, k.expires_at,
               num_nonnulls(e.idempotency_key, e.unique_key) = 1 and coalesce(e.on_conflict, 'ignore') = 'ignore' as is_patient
        from rows from (jsonb_populate_recordset(null::ganger.job_input, jobs)) with ordinality as e (
            job_type, payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max,
            expires_at, tags, idempotency_key, unique_key, unique_for, on_conflict, group_key, depends_on, depends_on_tags,
            dead_letter_job_type, owner, metadata, place)
        cross join lateral (values ('idempotency', e.idempotency_key, null), ('unique', e.unique_key, clock + e.unique_for))
            k (kind, key, expires_at)
        where k.key is not null
    ), met as materialized (
        -- one snapshot for the keys and their jobs: a holder that somebody's open transaction is about to end is live, and not waited for
        select w.*, h.job_id as holder, w.is_patient and h.is_live as is_left
        from wanted w
        left join lateral (select k.job_id, k.kind = 'idempotency'
                                            or case when k.expires_at is null then exists (select from ganger.job j where j.id = k.job_id)
                                                    else k.expires_at > clock end as is_live
                           from ganger.job_key k where k.key = w.key and k.kind = w.kind and k.owner = scope offset 0) h on true
    ), usual as materialized (
        select bool_and(case when m.holder is null then m.is_patient else m.is_left end)
               and count(*) = (select count(*) from (select distinct w.kind, w.key from wanted w) d) as is_so
        from met m
    ), made as (
        insert into ganger.job_key (kind, key, owner, job_id, expires_at)
        select m.kind, m.key, scope, ids[m.place], m.expires_at from met m
        where m.holder is null and (select u.is_so from usual u) order by m.kind collate "C", m.key collate "C"
    )
    select u.is_so, array(select m.place::integer from met m where m.holder is not null order by m.place) as places,
           array(select m.holder from met m where m.holder is not null order by m.place) as holders
    into taken from usual u;
    if taken.is_so is not true then
        return null;
    end if;
    for i in 1..cardinality(taken.places) loop
        ids[taken.places[i]] := - taken.holders[i];
    end loop;
    return ids;
exception when unique_violation then
    return null;
end $$;

-- enqueue_many's keys: entries whose key is known get minus the id of the job that has it; the others keep their new id. Where two
-- entries of the call have the same key, on_conflict of the later one says what becomes of the earlier. One order of keys for all
-- callers, and idempotency keys before unique keys: so two calls with equal keys cannot deadlock.
create function ganger._claim_keys(inout jobs jsonb, inout ids bigint[])
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    entry record;
    other bigint;
    first integer; -- the entry of this call that has taken the key
    key   text;
    merged integer[] := '{}'; -- entries that later ones have changed, put into jobs at the end: that copies all of it
    entries jsonb[] := '{}';
    new_ids constant bigint[] := ids;
    usual   constant bigint[] := ganger._take_keys_at_once(jobs, ids);
begin
    if usual is not null then
        ids := usual;
        if 0 > any (ids) then
            perform ganger._wait_at_commit();
        end if;
        return;
    end if;
    for entry in
        select i as input, e.ordinality::integer as place
        from jsonb_array_elements(jobs) with ordinality e, jsonb_populate_record(null::ganger.job_input, e.value) i
        where i.idempotency_key is not null order by i.idempotency_key collate "C", e.ordinality
    loop
        other := ganger._take_idempotency_key(ids[entry.place], entry.input);
        ids[entry.place] := coalesce(- other, ids[entry.place]);
    end loop;
    for entry in
        select i as input, e.ordinality::integer as place, i.unique_key
        from jsonb_array_elements(jobs) with ordinality e, jsonb_populate_record(null::ganger.job_input, e.value) i
        where i.unique_key is not null order by i.unique_key collate "C", e.ordinality
    loop
        continue when ids[entry.place] < 0;
        if first is not null and entry.unique_key = key then
            if coalesce((entry.input).on_conflict, 'ignore') <> 'ignore' then
                if merged[cardinality(merged)] is distinct from first then
                    merged := merged || first;
                    entries := entries || (jobs -> (first - 1));
                end if;
                entries[cardinality(entries)] := ganger._merge_entries(entries[cardinality(entries)], jobs -> (entry.place - 1), first, entry.place);
            end if;
            other := ids[first];
        else
            other := ganger._take_unique_key(ids[entry.place], entry.input);
            first := case when other is null then entry.place end;
            key := entry.unique_key;
        end if;
        if other is not null then
            perform ganger._point_idempotency_key(entry.input, other);
        end if;
        ids[entry.place] := coalesce(- other, ids[entry.place]);
    end loop;
    if cardinality(merged) > 0 then
        jobs := (select jsonb_agg(coalesce(m.entry, e.value) order by e.ordinality)
                 from jsonb_array_elements(jobs) with ordinality e
                 left join unnest(merged, entries) m (place, entry) on m.place = e.ordinality);
    end if;
    -- the idempotency key of an entry that then met its unique key: those with the same one follow it
    ids := array(select coalesce(m.id, x.id)
                 from unnest(ids) with ordinality x (id, place)
                 left join unnest(new_ids, ids) m (new_id, id) on m.new_id = - x.id and m.id < 0
                 order by x.place);
    if 0 > any (ids) then
        perform ganger._wait_at_commit();
    end if;
end $$;

-- Two entries of one call have the same unique key: applies on_conflict of the later one to the earlier. That keeps what makes it
-- itself: its idempotency key, and what it depends on.
create function ganger._merge_entries(was jsonb, new jsonb, earlier integer, later integer) returns jsonb
language plpgsql immutable as $$
declare
    own constant text[] := array['idempotency_key', 'depends_on', 'depends_on_tags'];
begin
    case coalesce(new ->> 'on_conflict', 'ignore')
    when 'ignore' then
        return was;
    when 'reschedule' then
        return was || jsonb_build_object('run_at', new -> 'run_at');
    when 'replace' then
        return new - own || coalesce(
            (select jsonb_object_agg(e.key, e.value) from jsonb_each(was) e where e.key = any (own)), '{}');
    when 'error' then
        raise exception 'jobs[%]: unique_key "%" is taken by jobs[%]', later - 1, new ->> 'unique_key', earlier - 1
            using errcode = '23505', hint = 'Say on_conflict "ignore", "replace" or "reschedule", or give each its own key.';
    end case;
end $$;

-- Removes the unique keys of ended jobs that nobody else is at; what is left does no harm (see _take_unique_key).
create function ganger._drop_unique_keys(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    delete from ganger.job_key k
    where k.ctid = any (array(select x.ctid from unnest(ids) g (id)
                              cross join lateral (select u.ctid from ganger.job_key u
                                                  where u.job_id = g.id and u.kind || '' = 'unique' and u.expires_at is null for update skip locked) x));
end $$;

-- How far the last look for keys without a live job has come.
create sequence ganger.unique_mark;

-- The same for what was left: keys whose time has passed, at most 1000, and of the next 10,000 keys those whose holder is not live any
-- more: these do no harm, and a look at all of them would grow with what is live.
create function ganger._forget_unique_keys() returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    clock constant timestamptz := clock_timestamp();
    since constant bigint := coalesce(pg_sequence_last_value('ganger.unique_mark'::regclass), 0);
    seen  record;
begin
    delete from ganger.job_key k
    where k.ctid = any (array(select x.ctid from ganger.job_key x where x.expires_at < clock
                              order by x.expires_at limit 1000 for update skip locked));
    select max(x.job_id) as last, count(*) as n into seen
    from (select k.job_id from ganger.job_key k where k.kind = 'unique' and k.job_id >= since order by k.job_id limit 10000) x;
    delete from ganger.job_key k
    where k.ctid = any (array(select x.ctid from ganger.job_key x
                              where x.kind = 'unique' and x.job_id >= since and x.job_id <= seen.last and x.expires_at is null
                                and not exists (select from ganger.job j where j.id = x.job_id offset 0)
                              for update skip locked));
    perform setval('ganger.unique_mark', case when seen.n = 10000 then seen.last else 1 end);
end $$;

-- Whose keys the caller's are: a bound producer's are those of its owner, all others share theirs.
create function ganger._key_scope() returns text language plpgsql stable as $$
begin
    return coalesce(ganger._acting_owner(null), '');
end $$;
