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
        when not isfinite(i.expires_at) then '22023 expires_at must be a point in time, not ' || i.expires_at
        when i.unique_key = '' or octet_length(i.unique_key) > 255 then ganger._name_problem('unique_key', i.unique_key)
        when i.unique_for <= interval '0' or i.unique_for > interval '100 years'
            then ganger._duration_problem('unique_for', i.unique_for, false)
        when i.unique_for is not null and i.unique_key is null
            then E'22023 unique_for without unique_key\nSay which key is to be unique for so long.'
        when i.on_conflict not in ('ignore', 'replace', 'reschedule', 'error')
            then '22023 on_conflict: there is no way "' || i.on_conflict || E'"\nThey are ignore, replace, reschedule, error.'
        when i.on_conflict <> 'ignore' and i.unique_key is null
            then E'22023 on_conflict without unique_key\nIt says what to do when a job with that key is there.'
        when i.group_key = '' or octet_length(i.group_key) > 255 then ganger._name_problem('group_key', i.group_key)
        when array_ndims(i.depends_on) > 1 then '22023 depends_on has more than one dimension'
        when array_position(i.depends_on, null) is not null then '22023 depends_on has a null in it'
        when array_ndims(i.depends_on_tags) > 1 then '22023 depends_on_tags has more than one dimension'
        when array_position(i.depends_on_tags, null) is not null then '22023 depends_on_tags has a null in it'
        when array_position(i.depends_on_tags, '') is not null then '22023 depends_on_tags has an empty tag in it'
        when i.depends_on_tags is not null and ganger._longest(i.depends_on_tags) > 255
            then '22023 depends_on_tags has a tag longer than 255 bytes'
        when i.dead_letter_job_type = '' or octet_length(i.dead_letter_job_type) > 255
            then ganger._name_problem('dead_letter_job_type', i.dead_letter_job_type)
    end
$$;

-- Raises what _input_problem (or the like) found; does nothing for null. place: '' or 'jobs[3]: '.
-- The error names the parameter, too, which the message begins with, as its column: for programs.
create function ganger._raise_problem(problem text, place text default '') returns void language plpgsql as $$
declare
    hint    text;
    message text;
begin
    if problem is null then
        return;
    end if;
    hint := substr(problem, nullif(strpos(problem, E'\n'), 0) + 1);
    message := place || substr(split_part(problem, E'\n', 1), 7);
    if hint is not null then
        raise exception '%', message using errcode = left(problem, 5), hint = hint, column = ganger._problem_field(message);
    end if;
    raise exception '%', message using errcode = left(problem, 5), column = ganger._problem_field(message);
end $$;

-- What a message is about: 'priority must be ...' priority, 'jobs[3]: unknown key "prio"' jobs[3].prio; '' when that cannot be told.
create function ganger._problem_field(message text) returns text language sql immutable as $$
    select coalesce(array_to_string(regexp_match(message, '^(?:((?:jobs|items)\[[0-9]+\]|options|on_finish): )?(?:changes: )?(?:unknown key )?"?'
        '(job_type|payload|queues?|priority|run_at|max_attempts|timeout|kill_grace|retry_[a-z_]+|expires_at|tags|idempotency_key|unique_[a-z]+|'
        'on_conflict|group_key|depends_on(?:_tags)?|dead_letter_job_type|owner|metadata|percent|lease|worker|max_jobs|delay|duration|at|extend|'
        'step|result|concurrency|group_concurrency|rate|rate_period|retention|max_crashes|name|cron|timezone|overlap|catch_up|options|items|'
        'on_finish|scopes|sha256|id|token|data|since|(?<=unknown key ")[^"]+)(?![a-z_])'), '.'), '')
$$;

-- Enqueues one job and returns its id. Part of the caller's transaction: rolled back, it never was.
-- A null argument means its default: now for run_at, 60 s for retry_delay, ignore for on_conflict.
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
--   expires_at       a job that has not started by then, or waits, ends failed, reason expired
--   unique_key       while a job with this key is live (for unique_for from its enqueue, whatever became of it): on_conflict ignore
--                    returns its id; replace gives it all that is said here, reschedule its run_at, if it has not started
--                    (its id is returned in any case); error raises 23505
--   group_key        jobs of a group start within the group's limits (set_queue, set_group_limit)
--   depends_on       ids of jobs: not before all of them have completed; cancelled when one ends otherwise
--   depends_on_tags  not while another live job has all these tags; with an owner, only that owner's count
--   dead_letter_job_type  a job of this type is enqueued when this one has failed for good
--   owner            whose job it is; metadata is kept with the job
-- Errors: 22023 bad value, 22003 out of range, 23505 the unique key is taken and on_conflict is error, 42704 a prerequisite nobody
-- knows, 42501 another's owner.
create function ganger.enqueue(
    job_type text, payload jsonb default '{}', queue text default 'default', priority integer default 0,
    run_at timestamptz default null, max_attempts integer default 3, timeout interval default null,
    kill_grace interval default null, retry_delay interval default null, retry_backoff boolean default true,
    retry_delay_max interval default null, expires_at timestamptz default null, tags text[] default null,
    idempotency_key text default null, unique_key text default null, unique_for interval default null,
    on_conflict text default null, group_key text default null, depends_on bigint[] default null,
    depends_on_tags text[] default null, dead_letter_job_type text default null, owner text default null,
    metadata jsonb default null)
returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
declare
    job_id   bigint;
    epoch    bigint;
    lane     bigint;
    is_quiet boolean;
    due      timestamptz;
    reason   text;
    problem  text;
    other    bigint;
begin
    -- What a call costs is the number of its statements, expressions and their parts, as each is made ready anew in every transaction.
    -- So the usual job, with which nothing can be wrong and which waits for nothing, is known by one, and takes the short way. It has its
    -- number as from _take_seq, without the loop: should the epoch be over just now, the job takes the long way. An argument
    -- that is to be null is the cheapest to look at. The bits say that both names have 1 to 128 bytes.
    epoch := case
        when ((octet_length(job_type) - 1) | (octet_length(queue) - 1)) & -128 = 0 and priority between -32768 and 32767
            and max_attempts between 1 and 1000 and pg_column_size(payload) <= 1024 and pg_column_compression(payload) is null
            and num_nonnulls(run_at, timeout, kill_grace, retry_delay, retry_delay_max, expires_at, tags, idempotency_key, unique_key,
                             unique_for, on_conflict, group_key, depends_on, depends_on_tags, dead_letter_job_type, owner) = 0
        then pg_sequence_last_value('ganger.epoch_seq'::regclass) end;
    job_id := ganger._seq_in(epoch);
    if job_id is not null then
        if ganger._is_at_home() then
            unlisten ganger_nobody; -- as _acting_owner
        else
            owner := ganger._guest_owner(null);
            if not ganger._in_session(queue) then
                perform ganger._check_queue(queue);
            end if;
        end if;
        lane := ganger._lane_id(queue, priority, job_type, false);
        -- With it one look whether there is anything to say, younger than the number; above READ COMMITTED it proves nothing (see _enter_lanes).
        -- True: nothing; null: only that there is work, to whoever is idle; false: it may be more.
        insert into ganger.job (id, lane_id, seq, created_at, max_attempts, priority, queue, job_type, payload, retry_backoff,
            owner, metadata)
        values (job_id, lane, job_id, now(), enqueue.max_attempts, enqueue.priority,
            enqueue.queue, enqueue.job_type, enqueue.payload, nullif(enqueue.retry_backoff, true), enqueue.owner, enqueue.metadata)
        returning current_setting('transaction_isolation') = 'read committed'
            and (select l.state = 'active' from ganger.lane l where l.lane_id = lane) is true
            and nullif(not exists (select from ganger.node n where n.idle), false) into is_quiet; -- one that is idle is alive
        if is_quiet then
            return job_id;
        elsif is_quiet is null then
            perform ganger._call_idle(queue); -- which _notify_work would see once more
        else
            perform ganger._enter_lanes(array[queue], array[priority], array[job_type], false);
            perform ganger._notify_work(queue);
        end if;
        return job_id;
    end if;

    due := case when run_at > clock_timestamp() then run_at end;
    problem := ganger._input_problem((job_type, payload, queue, priority, run_at, max_attempts, timeout, kill_grace,
        retry_delay, retry_backoff, retry_delay_max, expires_at, tags, idempotency_key, unique_key, unique_for,
        on_conflict, group_key, depends_on, depends_on_tags, dead_letter_job_type, owner, metadata)::ganger.job_input);
    if problem is not null then
        perform ganger._raise_problem(problem);
    end if;
    owner := ganger._acting_owner(owner);
    queue := coalesce(queue, 'default');
    if not ganger._in_session(queue) then
        perform ganger._check_queue(queue);
    end if;
    priority := coalesce(priority, 0);
    depends_on := case when depends_on is not null then ganger._distinct_ids(depends_on) end;
    depends_on_tags := nullif(depends_on_tags, '{}');
    job_id := ganger._take_seq();
    if idempotency_key is not null or unique_key is not null then
        other := ganger._take_keys(job_id, (job_type, payload, queue, priority, coalesce(run_at, now()), max_attempts, timeout, kill_grace,
            coalesce(retry_delay, '60 s'), retry_backoff, retry_delay_max, expires_at, tags, idempotency_key, unique_key, unique_for,
            on_conflict, group_key, depends_on, depends_on_tags, dead_letter_job_type, owner, metadata)::ganger.job_input);
        if other is not null then
            return other;
        end if;
    end if;
    if depends_on is not null then
        perform ganger._raise_problem(ganger._prerequisite_problem(depends_on));
    end if;
    reason := case when due is not null then 'scheduled'
                   when depends_on is not null or depends_on_tags is not null then 'blocked'
                   when group_key is not null then 'limited' end;

    lane := ganger._lane_id(queue, priority, job_type, false);
    insert into ganger.job as j (id, lane_id, seq, created_at, run_at, due_at, pending_reason, max_attempts, priority, queue,
        job_type, payload, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, expires_at, tags, idempotency_key,
        unique_key, group_key, depends_on, depends_on_tags, dead_letter_job_type, owner, metadata)
    values (job_id, lane, case when reason is null then job_id end, now(), nullif(enqueue.run_at, now()), due,
        reason, coalesce(enqueue.max_attempts, 3), enqueue.priority, enqueue.queue,
        enqueue.job_type, coalesce(enqueue.payload, '{}'), enqueue.timeout, enqueue.kill_grace,
        nullif(enqueue.retry_delay, interval '60 s'), nullif(enqueue.retry_backoff, true), enqueue.retry_delay_max,
        enqueue.expires_at, enqueue.tags, enqueue.idempotency_key, enqueue.unique_key, enqueue.group_key, enqueue.depends_on,
        enqueue.depends_on_tags, enqueue.dead_letter_job_type, enqueue.owner, enqueue.metadata)
    returning j.seq is not null and current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
        and (select l.state = 'active' from ganger.lane l where l.lane_id = lane) is true
        and nullif(not exists (select from ganger.node n where n.state = 'alive' and n.idle), false) into is_quiet; -- as above
    if is_quiet then
        return job_id;
    elsif is_quiet is null then
        perform ganger._call_idle(queue);
        return job_id;
    end if;
    if reason is null then
        perform ganger._enter_lanes(array[queue], array[priority], array[job_type], false);
        perform ganger._notify_work(queue);
        return job_id;
    end if;
    if due is not null then
        perform ganger._notify_due(due);
    end if;
    if reason = 'limited' then
        perform ganger._signal_limited(array[group_key]);
    elsif depends_on is not null or depends_on_tags is not null then
        perform ganger._note_dependencies(array[job_id]);
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
           or e.key in ('timeout', 'kill_grace', 'retry_delay', 'retry_delay_max', 'unique_for')
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

-- Enqueues many jobs in one statement: all or none. `jobs` is a JSON array of objects whose keys are enqueue's parameters; in
-- depends_on a negative number -(i+1) stands for entry i, counted from 0, of this call, which must come earlier.
-- Returns the ids in input order (an entry whose idempotency_key or unique_key is known: the id of that job).
-- Errors as enqueue, with the entry's place: jobs[17]: ...; 22023 also for an unknown key.
create function ganger.enqueue_many(jobs jsonb) returns setof bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
as $$
begin
    if ganger._acting_owner(null) is not null or ganger._session_queues() is not null then
        perform ganger._check_jobs(jobs);
        jobs := ganger._own_jobs(jobs);
    end if;
    return query select ganger._enqueue_all(jobs, null);
end $$;

-- Raises when `jobs` cannot be read as an array of jobs; else returns how many there are, whether any has an idempotency or unique key, and
-- whether any depends on others. (Generic plans: another one would have all of `jobs` copied into it.)
create function ganger._check_jobs(jobs jsonb, out n integer, out has_keys boolean, out has_others boolean)
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
    bad boolean;
begin
    if jsonb_typeof(jobs) is distinct from 'array' then
        raise exception 'jobs must be a JSON array of objects' using errcode = '22023',
            detail = format('It is %s.', coalesce('a JSON ' || jsonb_typeof(jobs), 'null')),
            hint = 'For example: [{"job_type": "mail", "payload": {"to": "x@example.org"}}].';
    end if;
    begin
        select bool_or(ganger._input_problem(i) is not null), bool_or(i.idempotency_key is not null or i.unique_key is not null),
               bool_or(i.depends_on is not null)
        into bad, has_keys, has_others
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
                         or (e.value ?| array['timeout', 'kill_grace', 'retry_delay', 'retry_delay_max', 'unique_for']
                             and ganger._json_misfit(e.value) is not null)) then
        perform ganger._raise_problem(coalesce(ganger._bad_entry(jobs), '22023 jobs could not be read'));
    end if;
    n := jsonb_array_length(jobs);
end $$;

-- enqueue_many; with batch_id its items, which wait for the batch (0018_batches.sql).
create function ganger._enqueue_all(jobs jsonb, batch_id text) returns setof bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
    created constant timestamptz := now();
    clock   constant timestamptz := clock_timestamp();
    checked constant record := ganger._check_jobs(jobs);
    ids     bigint[];
    gated   bigint[];
    groups  text[];
    soonest timestamptz;
    queues     text[]; -- the lanes, each once
    priorities integer[];
    job_types  text[];
begin
    if checked.n = 0 then
        return;
    end if;
    ids := ganger._take_seqs(checked.n);
    if checked.has_keys then
        select k.jobs, k.ids into jobs, ids from ganger._claim_keys(jobs, ids) k;
    end if;
    if checked.has_others then
        perform ganger._check_references(jobs, ids);
    end if;

    -- In one pass. The lanes are looked at after it, which is after _take_seqs as well.
    with made as (
        insert into ganger.job as j (id, lane_id, seq, created_at, run_at, due_at, pending_reason, max_attempts, priority, queue,
            job_type, payload, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, expires_at, tags, idempotency_key,
            unique_key, group_key, depends_on, depends_on_tags, dead_letter_job_type, batch_id, owner, metadata)
        select i.id, ganger._lane_id(i.queue_name, i.priority_value, i.job_type, false), case when i.reason is null then i.id end, created,
            nullif(i.run_at, created), i.due, i.reason, coalesce(i.max_attempts, 3), i.priority_value, i.queue_name,
            -- a JSON null that was given is a payload, too
            i.job_type, coalesce(i.payload, jobs -> (i.place - 1)::integer -> 'payload', '{}'), i.timeout, i.kill_grace,
            nullif(i.retry_delay, interval '60 s'),
            nullif(i.retry_backoff, true), i.retry_delay_max, i.expires_at, i.tags, i.idempotency_key, i.unique_key, i.group_key,
            case when i.depends_on is not null then ganger._resolve_references(i.depends_on, ids) end,
            nullif(i.depends_on_tags, '{}'), i.dead_letter_job_type, _enqueue_all.batch_id, i.owner, i.metadata
        from (
            select x.*, case when _enqueue_all.batch_id is not null then 'batch' when x.due is not null then 'scheduled'
                             when cardinality(x.depends_on) > 0 or cardinality(x.depends_on_tags) > 0 then 'blocked'
                             when x.group_key is not null then 'limited' end as reason
            from (select i.*, coalesce(i.queue, 'default') as queue_name, coalesce(i.priority, 0) as priority_value,
                         case when i.run_at > clock then i.run_at end as due
                  from rows from (jsonb_populate_recordset(null::ganger.job_input, jobs), unnest(ids)) with ordinality as i (
                      job_type, payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff,
                      retry_delay_max, expires_at, tags, idempotency_key, unique_key, unique_for, on_conflict, group_key, depends_on,
                      depends_on_tags, dead_letter_job_type, owner, metadata, id, place)
                  where i.id > 0) x) i
        returning j.id, j.queue, j.priority, j.job_type, j.pending_reason, j.due_at, j.group_key,
                  j.depends_on is not null or j.depends_on_tags is not null as depends
    ), lanes as (
        select distinct m.queue, m.priority::integer as priority, m.job_type from made m where m.pending_reason is null
    )
    select e.*, l.*
    into gated, groups, soonest, queues, priorities, job_types
    from (select array_agg(m.id) filter (where m.depends), array_agg(distinct m.group_key) filter (where m.pending_reason = 'limited'),
                 min(m.due_at) from made m) e,
         (select array_agg(k.queue), array_agg(k.priority), array_agg(k.job_type) from lanes k) l;
    if queues is not null then
        perform ganger._enter_lanes(queues, priorities, job_types, false);
        perform ganger._notify_work(q) from (select distinct q from unnest(queues) q) k;
    end if;
    if gated is not null then
        perform ganger._note_dependencies(gated);
    end if;
    if groups is not null then
        perform ganger._signal_limited(groups);
    end if;
    if soonest is not null then
        perform ganger._notify_due(soonest);
    end if;
    return query select abs(x) from unnest(ids) x;
end $$;
