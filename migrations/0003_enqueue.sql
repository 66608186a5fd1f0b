-- Enqueue. Takes no lock that another enqueue, claim or finish can wait for, except for an equal idempotency key.

create function ganger._setting(name text, otherwise text) returns text language sql stable as $$
    select coalesce((select s.value from ganger.setting s where s.name = _setting.name), otherwise)
$$;

-- What can be said about a new job; the JSON form of enqueue_many has the same names.
create type ganger.job_input as (
    job_type             text,
    payload              jsonb,
    queue                text,
    priority             integer,
    run_at               timestamptz,
    max_attempts         integer,
    timeout              interval,
    kill_grace           interval,
    retry_delay          interval,
    retry_backoff        boolean,
    retry_delay_max      interval,
    expires_at           timestamptz,
    tags                 text[],
    idempotency_key      text,
    unique_key           text,
    unique_for           interval,
    on_conflict          text,
    group_key            text,
    depends_on           bigint[],
    depends_on_tags      text[],
    dead_letter_job_type text,
    owner                text,
    metadata             jsonb
);

-- Says what is wrong with a name: null when nothing is.
create function ganger._name_problem(label text, name text) returns text language sql immutable parallel safe as $$
    select case when name = '' then '22023 ' || label || ' is empty'
                when octet_length(name) > 255
                then '22023 ' || label || ' is ' || octet_length(name) || ' bytes long; at most 255 are allowed' end
$$;

create function ganger._duration_problem(label text, value interval, zero_allowed boolean)
returns text language sql immutable parallel safe as $$
    select case when value < interval '0' or (value = interval '0' and not zero_allowed)
                then '22023 ' || label || ' must be ' || case when zero_allowed then 'zero or more' else 'more than zero' end
                     || ', not ' || value
                when value > interval '100 years'
                then '22003 ' || label || ' is longer than 100 years' end
$$;

create function ganger._longest(words text[]) returns integer language sql immutable parallel safe as $$
    select max(octet_length(w)) from unnest(words) w
$$;

-- How many bytes of JSON text a payload may have: the setting payload_max, never more than 16 MiB.
create function ganger._payload_max() returns bigint language sql stable parallel safe as $$
    select least(ganger._setting('payload_max', '1048576')::bigint, 16777216)
$$;

create function ganger._payload_problem(payload jsonb) returns text language sql stable parallel safe as $$
    select case when octet_length(payload::text) > ganger._payload_max()
                then '22023 payload is ' || octet_length(payload::text) || ' bytes long; at most ' || ganger._payload_max()
                     || E' are allowed\nKeep it elsewhere and enqueue where it is, or raise the setting payload_max (up to 16 MiB).' end
$$;

-- The first thing wrong with a new job as 'SQLSTATE message', or null; a second line is a hint. One expression without subqueries,
-- so that it is inlined and costs a microsecond when nothing is wrong: a function that is called to look costs ten times that, so
-- the bounds of durations are tested here first. A payload of up to 1 KiB that is not compressed has no text of any size but by
-- numbers with thousands of zeros: its text is not even made.
create function ganger._input_problem(i ganger.job_input) returns text language sql stable parallel safe as $$
    select case
        when i.job_type is null then E'22023 job_type is missing\nIt says which handler runs the job.'
        when i.job_type = '' or octet_length(i.job_type) > 255 then ganger._name_problem('job_type', i.job_type)
        when i.queue = '' or octet_length(i.queue) > 255 then ganger._name_problem('queue', i.queue)
        when i.priority not between -32768 and 32767
            then '22003 priority must be between -32768 and 32767, not ' || i.priority
                 || E'\nHigher runs first; few distinct values are enough.'
        when i.max_attempts not between 1 and 1000
            then '22003 max_attempts must be between 1 and 1000, not ' || i.max_attempts
        when not isfinite(i.run_at)
            then '22023 run_at must be a point in time, not ' || i.run_at || E'\nLeave it out to run the job now.'
        when (pg_column_size(i.payload) > 1024 or pg_column_compression(i.payload) is not null)
             and ganger._payload_problem(i.payload) is not null then ganger._payload_problem(i.payload)
        when i.timeout <= interval '0' or i.timeout > interval '100 years'
            then ganger._duration_problem('timeout', i.timeout, false)
        when i.kill_grace < interval '0' or i.kill_grace > interval '100 years'
            then ganger._duration_problem('kill_grace', i.kill_grace, true)
        when i.retry_delay < interval '0' or i.retry_delay > interval '100 years'
            then ganger._duration_problem('retry_delay', i.retry_delay, true)
        when i.retry_delay_max < interval '0' or i.retry_delay_max > interval '100 years'
            then ganger._duration_problem('retry_delay_max', i.retry_delay_max, true)
        when array_ndims(i.tags) > 1 then E'22023 tags has more than one dimension\nTags are a plain list: array[''a'', ''b''].'
        when array_position(i.tags, null) is not null then '22023 tags has a null in it'
        when array_position(i.tags, '') is not null then '22023 tags has an empty tag in it'
        when i.tags is not null and ganger._longest(i.tags) > 255 then '22023 tags has a tag longer than 255 bytes'
        when i.idempotency_key = '' or octet_length(i.idempotency_key) > 255
            then ganger._name_problem('idempotency_key', i.idempotency_key)
        when i.owner = '' or octet_length(i.owner) > 255 then ganger._name_problem('owner', i.owner)
        when i.expires_at is not null then '0A000 expires_at is not supported by this version'
        when i.unique_key is not null then '0A000 unique_key is not supported by this version'
        when i.unique_for is not null then '0A000 unique_for is not supported by this version'
        when i.on_conflict not in ('ignore', 'replace', 'reschedule', 'error')
            then '22023 on_conflict: there is no way "' || i.on_conflict || E'"\nThey are ignore, replace, reschedule, error.'
        when i.on_conflict <> 'ignore'
            then E'0A000 on_conflict is not supported by this version\nOnly ignore is, the default.'
        when i.group_key is not null then '0A000 group_key is not supported by this version'
        when cardinality(i.depends_on) > 0 then '0A000 depends_on is not supported by this version'
        when cardinality(i.depends_on_tags) > 0 then '0A000 depends_on_tags is not supported by this version'
        when i.dead_letter_job_type is not null then '0A000 dead_letter_job_type is not supported by this version'
    end
$$;

-- Raises what _input_problem (or the like) found; does nothing for null. place: '' or 'jobs[3]: '.
create function ganger._raise_problem(problem text, place text default '') returns void language plpgsql as $$
declare
    hint constant text := case when left(problem, 5) = '0A000' and strpos(problem, E'\n') = 0
                               then 'Leave it out: the features of this version are in docs/sql-api.md.'
                               else substr(problem, nullif(strpos(problem, E'\n'), 0) + 1) end;
begin
    if hint is not null then
        raise exception '%', place || substr(split_part(problem, E'\n', 1), 7) using errcode = left(problem, 5), hint = hint;
    elsif problem is not null then
        raise exception '%', place || substr(problem, 7) using errcode = left(problem, 5);
    end if;
end $$;

-- Enqueues one job and returns its id. Part of the caller's transaction: rolled back, it never was.
-- A null argument means its default.
--
--   job_type         which handler runs it, 1..255 bytes
--   payload          any JSON value, at most the setting payload_max (1 MiB) as text
--   queue, priority  higher priority first; few distinct values, each is a lane
--   run_at           not before then
--   max_attempts     1..1000; an attempt is charged when it is claimed
--   timeout          per attempt; null = the handler's, else none
--   kill_grace       between the soft stop and SIGKILL; null = the supervisor's; 0 kills at once
--   retry_delay      delay before attempt n+1 is retry_delay * 2^n, at most retry_delay_max, times a jitter
--                    in [0.5, 1]; with retry_backoff false exactly retry_delay
--   tags             a set of words to find it by
--   idempotency_key  while a job with this key is known, live or ended, its id is returned instead
--   owner, metadata  kept with the job
-- Errors: 22023 bad value, 22003 out of range, 0A000 a parameter this version does not support.
create function ganger.enqueue(
    job_type text, payload jsonb default '{}', queue text default 'default', priority integer default 0,
    run_at timestamptz default now(), max_attempts integer default 3, timeout interval default null,
    kill_grace interval default null, retry_delay interval default '60 s', retry_backoff boolean default true,
    retry_delay_max interval default null, expires_at timestamptz default null, tags text[] default null,
    idempotency_key text default null, unique_key text default null, unique_for interval default null,
    on_conflict text default 'ignore', group_key text default null, depends_on bigint[] default null,
    depends_on_tags text[] default null, dead_letter_job_type text default null, owner text default null,
    metadata jsonb default null)
returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
declare
    created constant timestamptz := now();
    due     timestamptz := case when enqueue.run_at > clock_timestamp() then enqueue.run_at end;
    problem text;
    job_id  bigint;
    lane    bigint;
    is_lane_active boolean;
    is_node_idle   boolean;
begin
    problem := ganger._input_problem((job_type, payload, queue, priority, run_at, max_attempts, timeout, kill_grace,
        retry_delay, retry_backoff, retry_delay_max, expires_at, tags, idempotency_key, unique_key, unique_for,
        on_conflict, group_key, depends_on, depends_on_tags, dead_letter_job_type, owner, metadata)::ganger.job_input);
    if problem is not null then
        perform ganger._raise_problem(problem);
    end if;
    queue := coalesce(queue, 'default');
    priority := coalesce(priority, 0);

    job_id := (ganger._take_seqs(1))[1];
    if idempotency_key is not null then
        loop
            insert into ganger.job_key as k (kind, key, job_id) values ('idempotency', enqueue.idempotency_key, job_id)
            on conflict do nothing;
            exit when found;
            select k.job_id into lane from ganger.job_key k
            where k.kind = 'idempotency' and k.key = enqueue.idempotency_key;
            if found then
                return lane;
            end if;
        end loop;
    end if;

    lane := ganger._lane_id(queue, priority, job_type, false);
    if due is null then
        -- _enter_lane and _notify_work in one look: a query costs more than what it reads
        select exists (select from ganger.lane l where l.lane_id = lane and l.state = 'active'),
               exists (select from ganger.node n where n.state = 'alive' and n.idle)
        into is_lane_active, is_node_idle;
        if not is_lane_active or current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
            perform ganger._enter_lane(queue, priority, job_type, false);
        end if;
    end if;
    insert into ganger.job as j (id, lane_id, seq, created_at, run_at, due_at, pending_reason, max_attempts, priority, queue,
        job_type, payload, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, idempotency_key,
        owner, metadata)
    values (job_id, lane, case when due is null then job_id end, created, nullif(enqueue.run_at, created), due,
        case when due is not null then 'scheduled' end, coalesce(enqueue.max_attempts, 3), enqueue.priority, enqueue.queue,
        enqueue.job_type, coalesce(enqueue.payload, '{}'), enqueue.timeout, enqueue.kill_grace,
        nullif(enqueue.retry_delay, interval '60 s'), nullif(enqueue.retry_backoff, true), enqueue.retry_delay_max,
        enqueue.tags, enqueue.idempotency_key, enqueue.owner, enqueue.metadata);

    if due is null then
        if is_node_idle then
            perform pg_notify('ganger', 'work:' || queue);
        end if;
    else
        perform ganger._notify_due(due);
    end if;
    return job_id;
end $$;

-- Tells the node that promotes due jobs about an instant it may not have seen at its last poll. 10 s: the longest
-- poll interval the configuration allows. Without a live node nobody listens, and a NOTIFY has its price.
create function ganger._notify_due(due timestamptz) returns void language plpgsql volatile as $$
begin
    if due < clock_timestamp() + interval '10 s' and exists (select from ganger.node n where n.state = 'alive') then
        perform pg_notify('ganger', 'due');
    end if;
end $$;

-- What PostgreSQL would take in a job's JSON form, and mean something else: a name that is no string, a duration without
-- a unit. The first such key as '22023 message', or null.
create function ganger._json_misfit(entry jsonb) returns text language sql immutable parallel safe as $$
    select case when jsonb_typeof(e.value) <> 'string' then format('22023 %s is a JSON %s, not a string', e.key, jsonb_typeof(e.value))
                else format(E'22023 %s has no unit: %s\nFor example "30s", "5 min".', e.key, e.value) end
    from jsonb_each(entry) e
    where e.value <> 'null'
      and (e.key in ('job_type', 'queue') and jsonb_typeof(e.value) <> 'string'
           or e.key in ('timeout', 'kill_grace', 'retry_delay', 'retry_delay_max')
              and (jsonb_typeof(e.value) <> 'string' or e.value #>> '{}' ~ '^\s*[-+]?[0-9.]+\s*$' and e.value #>> '{}' !~ '^[0. ]+$'))
    limit 1
$$;

-- The key whose value is to blame for an error of jsonb_populate_record, as 'key: '; empty when no value alone is.
create function ganger._blame_key(entry jsonb) returns text language plpgsql stable as $$
declare
    one record;
    input ganger.job_input;
begin
    for one in select e.key, e.value from jsonb_each(entry) e loop
        begin
            input := jsonb_populate_record(null::ganger.job_input, jsonb_build_object(one.key, one.value));
        exception when data_exception or datatype_mismatch then
            return one.key || ': ';
        end;
    end loop;
    return '';
end $$;

-- Where in `jobs` an entry cannot be read as a job, and why: only called once something has failed.
create function ganger._bad_entry(jobs jsonb) returns text language plpgsql stable as $$
declare
    entry record;
    input ganger.job_input;
    bad   text;
    known constant text[] := array(select a.attname::text from pg_attribute a
        where a.attrelid = 'ganger.job_input'::regclass and a.attnum > 0);
begin
    for entry in select e.value, e.ordinality - 1 as place from jsonb_array_elements(jobs) with ordinality e loop
        if jsonb_typeof(entry.value) <> 'object' then
            return format('22023 jobs[%s] is a JSON %s, not an object', entry.place, jsonb_typeof(entry.value));
        end if;
        select k into bad from jsonb_object_keys(entry.value) k where k <> all (known) limit 1;
        if found then
            return format(E'22023 jobs[%s]: unknown key %s\nKeys are %s.', entry.place, to_json(bad), array_to_string(known, ', '));
        end if;
        begin
            input := jsonb_populate_record(null::ganger.job_input, entry.value);
        exception when data_exception then
            -- one line: what follows would be taken for a hint
            return format('%s jobs[%s]: %s%s', case when sqlstate in ('22003', '22008', '22015') then '22003' else '22023' end,
                          entry.place, ganger._blame_key(entry.value), replace(sqlerrm, E'\n', ' '));
        end;
        bad := coalesce(ganger._json_misfit(entry.value), ganger._input_problem(input));
        if bad is not null then
            return left(bad, 6) || format('jobs[%s]: %s', entry.place, substr(bad, 7));
        end if;
    end loop;
    return null;
end $$;

-- Enqueues many jobs in one statement: all or none. `jobs` is a JSON array of objects whose keys are enqueue's parameters.
-- Returns the ids in input order (an entry whose idempotency_key is known: the id of that job).
-- Errors as enqueue, with the entry's place: jobs[17]: ...; 22023 also for an unknown key.
create function ganger.enqueue_many(jobs jsonb) returns setof bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off
as $$
declare
    created constant timestamptz := now();
    clock   constant timestamptz := clock_timestamp();
    n       integer;
    ids     bigint[];
    bad     boolean;
    woken   text;
    soonest timestamptz;
begin
    if jsonb_typeof(jobs) is distinct from 'array' then
        raise exception 'jobs must be a JSON array of objects' using errcode = '22023',
            detail = format('It is %s.', coalesce('a JSON ' || jsonb_typeof(jobs), 'null')),
            hint = 'For example: [{"job_type": "mail", "payload": {"to": "x@example.org"}}].';
    end if;
    n := jsonb_array_length(jobs);
    if n = 0 then
        return;
    end if;
    begin
        select bool_or(ganger._input_problem(i) is not null) into bad
        from jsonb_populate_recordset(null::ganger.job_input, jobs) i;
    exception when data_exception or invalid_parameter_value or datatype_mismatch then
        bad := true;
    end;
    if bad or exists (select from jsonb_array_elements(jobs) e
                      where e.value - array['job_type', 'payload', 'queue', 'priority', 'run_at', 'max_attempts', 'timeout',
                          'kill_grace', 'retry_delay', 'retry_backoff', 'retry_delay_max', 'expires_at', 'tags',
                          'idempotency_key', 'unique_key', 'unique_for', 'on_conflict', 'group_key', 'depends_on',
                          'depends_on_tags', 'dead_letter_job_type', 'owner', 'metadata'] <> '{}'
                         or jsonb_typeof(e.value -> 'job_type') <> 'string' or jsonb_typeof(e.value -> 'queue') not in ('string', 'null')
                         or (e.value ?| array['timeout', 'kill_grace', 'retry_delay', 'retry_delay_max']
                             and ganger._json_misfit(e.value) is not null)) then
        perform ganger._raise_problem(coalesce(ganger._bad_entry(jobs), '22023 jobs could not be read'));
    end if;

    ids := ganger._take_seqs(n);
    if exists (select from jsonb_array_elements(jobs) e where e.value ? 'idempotency_key') then
        ids := ganger._claim_keys(jobs, ids);
    end if;

    with input as materialized (
        select u.id, u.fresh, i.*, coalesce(i.queue, 'default') as queue_name, coalesce(i.priority, 0) as priority_value,
               case when i.run_at > clock then i.run_at end as due
        from rows from (jsonb_populate_recordset(null::ganger.job_input, jobs)) with ordinality as i
        join (select abs(x.id) as id, x.id > 0 as fresh, x.place from unnest(ids) with ordinality x (id, place)) u
          on u.place = i.ordinality
        where u.fresh
    ), lanes as materialized (
        select k.queue_name, k.priority_value, k.job_type, k.waits,
               case when k.waits then ganger._lane_id(k.queue_name, k.priority_value, k.job_type, false)
                    else ganger._enter_lane(k.queue_name, k.priority_value, k.job_type, false) end as lane_id
        from (select distinct i.queue_name, i.priority_value, i.job_type, i.due is not null as waits from input i) k
    )
    insert into ganger.job as j (id, lane_id, seq, created_at, run_at, due_at, pending_reason, max_attempts, priority, queue,
        job_type, payload, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, idempotency_key,
        owner, metadata)
    select i.id, l.lane_id, case when i.due is null then i.id end, created, nullif(i.run_at, created), i.due,
        case when i.due is not null then 'scheduled' end, coalesce(i.max_attempts, 3), i.priority_value, i.queue_name,
        -- a JSON null that was given is a payload, too
        i.job_type, coalesce(i.payload, jobs -> (i.ordinality - 1)::integer -> 'payload', '{}'), i.timeout, i.kill_grace,
        nullif(i.retry_delay, interval '60 s'),
        nullif(i.retry_backoff, true), i.retry_delay_max, i.tags, i.idempotency_key, i.owner, i.metadata
    from input i
    join lanes l on l.queue_name = i.queue_name and l.priority_value = i.priority_value and l.job_type = i.job_type
                and l.waits = (i.due is not null);

    for woken in
        select distinct coalesce(e.value ->> 'queue', 'default') from jsonb_array_elements(jobs) e
    loop
        perform ganger._notify_work(woken);
    end loop;
    select min(x.run_at) into soonest
    from (select (e.value ->> 'run_at')::timestamptz as run_at from jsonb_array_elements(jobs) e where e.value ? 'run_at') x
    where x.run_at > clock;
    if soonest is not null then
        perform ganger._notify_due(soonest);
    end if;
    return query select abs(x) from unnest(ids) x;
end $$;

-- enqueue_many's idempotency keys: entries whose key is known, or stands earlier in the same call, get minus the id of the
-- job that has it; the others keep their new id.
create function ganger._claim_keys(jobs jsonb, ids bigint[]) returns bigint[] language plpgsql volatile as $$
declare
    entry record;
    taken bigint;
begin
    for entry in
        select e.value ->> 'idempotency_key' as key, e.ordinality::integer as place
        from jsonb_array_elements(jobs) with ordinality e
        where e.value ->> 'idempotency_key' is not null
        order by 1, 2 -- one order for all callers: two bulk calls with equal keys cannot deadlock
    loop
        loop
            insert into ganger.job_key values ('idempotency', entry.key, ids[entry.place]) on conflict do nothing;
            exit when found;
            select k.job_id into taken from ganger.job_key k where k.kind = 'idempotency' and k.key = entry.key;
            if found then
                ids[entry.place] := - taken;
                exit;
            end if;
        end loop;
    end loop;
    return ids;
end $$;
