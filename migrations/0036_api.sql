-- What the operations of the HTTP API share, and those that are asked most. (0041_api_jobs.sql: jobs; 0042_api_work.sql: workers;
-- 0043_api_operate.sql: all else.)
--
-- An operation gets the request as JSON and the body as it was sent (api/route.h), and answers with a status, a body and headers; null:
-- there is no such thing. It runs with the rights of who asks: what that may not do is refused by the functions it calls.

create type ganger._api_answer as (
    status  integer,
    body    text,
    headers jsonb
);

-- What may stand in a body, whatever the operation.
create type ganger._api_input as (
    id                text,
    name              text,
    job_id            bigint,
    job_type          text,
    payload           jsonb,
    lease_id          uuid,
    output            jsonb,
    error             text,
    retryable         boolean,
    extend            interval,
    delay             interval,
    duration          interval,
    at                timestamptz,
    percent           integer,
    progress          integer,
    message           text,
    stage             text,
    line              text,
    result            jsonb,
    token             text,
    worker            text,
    queues            text[],
    job_types         text[],
    max_jobs          integer,
    lease             interval,
    concurrency       integer,
    group_concurrency integer,
    rate              integer,
    rate_period       interval,
    retention         interval,
    timeout           interval,
    max_crashes       integer,
    cron              text,
    timezone          text,
    overlap           text,
    catch_up          text,
    options           jsonb,
    items             jsonb,
    max_attempts      integer,
    retry_delay       interval,
    on_finish         jsonb,
    data              jsonb,
    tags              text[],
    scopes            text[],
    owner             text,
    expires_at        timestamptz,
    expires_in        interval
);

-- Refuses what was sent: 400 that names the field.
create function ganger._api_refuse(field text, message text, hint text default '') returns void language plpgsql as $$
begin
    if hint = '' then
        raise exception '%', message using errcode = '22023', column = field;
    end if;
    raise exception '%', message using errcode = '22023', column = field, hint = hint;
end $$;

-- An answer that says what is wrong: what application/problem+json is made of. `detail` names the mend.
create function ganger._api_problem(status integer, code text, title text, detail text) returns ganger._api_answer
language sql immutable as $$
    select (status, json_build_object('type', 'about:blank', 'title', title, 'status', status, 'detail', detail, 'code', code)::text,
            '{"Content-Type": "application/problem+json"}'::jsonb)::ganger._api_answer
$$;

-- The query parameters, of which the operation knows `known`: each a text, or an array of texts where it was given several times.
create function ganger._api_query(request jsonb, known text[] default '{}') returns jsonb language plpgsql immutable as $$
declare
    params constant jsonb := coalesce(request -> 'query', '{}');
    bad   text;
begin
    if params = '{}' then
        return params;
    end if;
    select k into bad from jsonb_object_keys(params) k where k <> all (known) order by k limit 1;
    if found then
        perform ganger._api_refuse(bad, format('there is no query parameter "%s" here', bad),
            case when known = '{}' then 'There is none.' else 'There are ' || array_to_string(known, ', ') || '.' end);
    end if;
    return params;
end $$;

-- One query parameter that may be given once; null: it was not.
create function ganger._api_text(params jsonb, key text) returns text language plpgsql immutable as $$
begin
    if jsonb_typeof(params -> key) = 'array' then
        perform ganger._api_refuse(key, format('%s was given several times', key), 'Give it once.');
    end if;
    return params ->> key;
end $$;

create function ganger._api_number(params jsonb, key text, lowest bigint, highest bigint, otherwise bigint) returns bigint
language plpgsql immutable as $$
declare
    sent constant text := ganger._api_text(params, key);
begin
    if sent is null then
        return otherwise;
    elsif sent !~ '^[0-9]{1,19}$' or sent::numeric not between lowest and highest then
        perform ganger._api_refuse(key, format('%s must be a whole number between %s and %s, not "%s"', key, lowest, highest, left(sent, 40)));
    end if;
    return sent::bigint;
end $$;

create function ganger._api_bool(params jsonb, key text) returns boolean language plpgsql immutable as $$
declare
    sent constant text := ganger._api_text(params, key);
begin
    if sent not in ('true', 'false', '') then
        perform ganger._api_refuse(key, format('%s must be true or false, not "%s"', key, left(sent, 40)));
    end if;
    return sent is not null and sent <> 'false';
end $$;

create function ganger._api_duration(params jsonb, key text, otherwise interval) returns interval language plpgsql stable as $$
declare
    sent constant text := ganger._api_text(params, key);
begin
    if sent is null then
        return otherwise;
    elsif sent ~ '^\s*[-+]?[0-9.]+\s*$' then
        perform ganger._api_refuse(key, format('%s has no unit: %s', key, left(sent, 40)), 'For example 30s, 5min, 24h.');
    end if;
    return sent::interval;
exception when data_exception then
    if sqlstate <> '22023' then
        perform ganger._api_refuse(key, format('%s must be a duration, not "%s"', key, left(sent, 40)), 'For example 30s, 5min, 24h.');
    end if;
    raise;
end $$;

-- The instant that a query parameter names; null: it was not given.
create function ganger._api_instant(params jsonb, key text) returns timestamptz language plpgsql stable as $$
declare
    sent constant text := ganger._api_text(params, key);
begin
    return sent::timestamptz;
exception when data_exception then
    perform ganger._api_refuse(key, format('%s must be an instant, not "%s"', key, left(sent, 40)), 'For example 2030-01-31T12:00:00Z.');
end $$;

-- The body as JSON; '{}' when there is none.
create function ganger._api_json(sent text) returns jsonb language plpgsql immutable as $$
begin
    return coalesce(nullif(sent, ''), '{}')::jsonb;
exception when data_exception or program_limit_exceeded then
    raise exception 'the body is not JSON that can be stored' using errcode = '22023', detail = sqlerrm,
        hint = 'Send one JSON object as UTF-8, without \u0000.';
end $$;

create function ganger._api_object(sent text, known text[]) returns jsonb language plpgsql immutable as $$
declare
    entry constant jsonb := ganger._api_json(sent);
    bad   text;
begin
    if jsonb_typeof(entry) <> 'object' then
        raise exception 'the body is a JSON %, not an object', jsonb_typeof(entry) using errcode = '22023';
    elsif entry - known <> '{}' then
        select k into bad from jsonb_object_keys(entry) k where k <> all (known) order by k limit 1;
        perform ganger._api_refuse(bad, format('unknown key %s', to_json(bad)),
            case when known = '{}' then 'There is none here.' else 'Keys are ' || array_to_string(known, ', ') || '.' end);
    end if;
    return entry;
end $$;

-- The body of an operation that knows these keys.
create function ganger._api_read(sent text, variadic known text[]) returns ganger._api_input language plpgsql stable as $$
declare
    entry     constant jsonb := ganger._api_object(sent, known);
    intervals constant text[] := '{extend, delay, duration, lease, rate_period, retention, timeout, retry_delay, expires_in}';
    one       record;
    input     ganger._api_input;
begin
    for one in select e.key, e.value from jsonb_each(entry) e
               where e.key = any (intervals)
                 and e.value <> 'null' and (jsonb_typeof(e.value) <> 'string' or e.value #>> '{}' ~ '^\s*[-+]?[0-9.]+\s*$')
                  or e.key in ('id', 'name', 'job_type', 'worker', 'token', 'cron', 'timezone', 'owner', 'error')
                 and jsonb_typeof(e.value) not in ('string', 'null') loop
        perform ganger._api_refuse(one.key, case when one.key = any (intervals)
            then format('%s has no unit: %s', one.key, one.value) else format('%s is a JSON %s, not a string', one.key, jsonb_typeof(one.value)) end,
            case when jsonb_typeof(one.value) = 'number' then 'For example "30s", "5 min".' else '' end);
    end loop;
    begin
        return jsonb_populate_record(null::ganger._api_input, entry);
    exception when data_exception then
        null;
    end;
    for one in select e.key, e.value from jsonb_each(entry) e loop
        begin
            input := jsonb_populate_record(null::ganger._api_input, jsonb_build_object(one.key, one.value));
        exception when data_exception then
            perform ganger._api_refuse(one.key, one.key || ': ' || sqlerrm);
        end;
    end loop;
    return input;
end $$;

-- The filter (of list_jobs) that the query parameters of a list mean.
create function ganger._api_filter(params jsonb) returns jsonb language plpgsql stable as $$
declare
    filter jsonb := '{}';
    key    text;
    value  jsonb;
    sent   text;
    bound  text[];
begin
    for key, value in select e.key, e.value from jsonb_each(params) e loop
        case
        when key = 'status' then
            filter := filter || jsonb_build_object(key, string_to_array(
                case jsonb_typeof(value) when 'array' then (select string_agg(v, ',') from jsonb_array_elements_text(value) v) else value #>> '{}' end, ','));
        when key in ('job_type', 'queue', 'owner', 'group_key', 'batch', 'error_group') then
            filter := filter || jsonb_build_object(key, value);
        when key = 'tag' then
            filter := filter || jsonb_build_object('tags', case jsonb_typeof(value) when 'array' then value else jsonb_build_array(value) end);
        when key = 'idempotency_key' then
            filter := filter || jsonb_build_object(key, ganger._api_text(params, key));
        when key = 'priority' then
            if ganger._api_text(params, key) !~ '^-?[0-9]{1,5}$' then
                perform ganger._api_refuse(key, format('priority must be a whole number, not "%s"', left(params ->> key, 40)));
            end if;
            filter := filter || jsonb_build_object(key, (params ->> key)::integer);
        when key = 'search' then
            sent := ganger._api_text(params, key);
            begin
                filter := filter || jsonb_build_object(key, sent::jsonb);
            exception when data_exception or program_limit_exceeded then
                perform ganger._api_refuse(key, 'search is not JSON: ' || sqlerrm,
                    'It is what the payload must contain, for example {"customer": 7}, or "a string" with its quotes.');
            end;
        when key ~ '^(created|finished|run)_(after|before)$' then
            bound := case when key like '%_after' then '{gte}' else '{lt}' end;
            perform ganger._api_instant(params, key);
            filter := jsonb_set(case when filter ? (split_part(key, '_', 1) || '_at') then filter
                                     else filter || jsonb_build_object(split_part(key, '_', 1) || '_at', '{}'::jsonb) end,
                                array[split_part(key, '_', 1) || '_at'] || bound, value);
        else
            null; -- not a filter: limit, after, ...
        end case;
    end loop;
    return filter;
end $$;

create function ganger._api_filter_keys(variadic more text[] default '{}') returns text[] language sql immutable as $$
    select '{status, job_type, queue, owner, tag, group_key, batch, error_group, priority, search, idempotency_key, created_after, created_before, '
           'finished_after, finished_before, run_after, run_before}'::text[] || more
$$;

-- A job as it is sent; null: there is none that the caller may see. As get_job(), but in two looks: one that has ended is looked for where
-- it may be only after it was not found among the live ones, and twice should it just be retried.
create function ganger._api_job_text(id bigint) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' set jit = off set enable_seqscan = off as $$
declare
    job text;
begin
    for look in 1 .. 2 loop
        select row_to_json(j)::text into job from ganger._live_jobs j where j.id = _api_job_text.id and ganger._may_see(j.owner, j.queue);
        exit when found;
        select row_to_json(j)::text into job from ganger._ended_jobs j where j.id = _api_job_text.id and ganger._may_see(j.owner, j.queue);
        exit when found;
    end loop;
    return job;
end $$;

create function ganger._api_etag(body text) returns text language sql immutable as $$ select '"' || md5(body) || '"' $$;

create function ganger._api_id(request jsonb) returns bigint language sql immutable as $$ select (request #>> '{path,id}')::bigint $$;

-- GET /api/jobs/{id}
create function ganger._api_get_job(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile as $$
declare
    job constant text := ganger._api_job_text(ganger._api_id(request));
begin
    if request -> 'query' <> '{}' then
        perform ganger._api_query(request, '{wait}');
    end if;
    if job is null then
        return null;
    end if;
    return (200, job, jsonb_build_object('ETag', ganger._api_etag(job)));
end $$;

-- A job to be enqueued, as enqueue_many() is told it, from what was sent: `request_data` and, with `is_collection`, `type` and
-- `metadata` are other names; Idempotency-Key, traceparent and tracestate come from the headers, the latter two into the metadata, where
-- the handler finds them.
create function ganger._api_entry(request jsonb, sent jsonb, is_collection boolean default false) returns jsonb language plpgsql immutable as $$
declare
    entry   jsonb := sent;
    headers constant jsonb := coalesce(request -> 'headers', '{}');
begin
    if entry ? 'request_data' then
        if entry ? 'payload' then
            perform ganger._api_refuse('request_data', 'payload and request_data are two names of the same', 'Give one of them.');
        end if;
        entry := entry - 'request_data' || jsonb_build_object('payload', entry -> 'request_data');
    end if;
    if is_collection then
        if entry ? 'type' then
            if entry ? 'job_type' then
                perform ganger._api_refuse('type', 'job_type and type are two names of the same', 'Give one of them.');
            end if;
            entry := entry - 'type' || jsonb_build_object('job_type', entry -> 'type');
        end if;
        if entry ? 'metadata' and not entry ? 'payload' then
            entry := entry || jsonb_build_object('payload', entry -> 'metadata');
        end if;
    end if;
    if headers ? 'idempotency-key' then
        if entry ->> 'idempotency_key' <> headers ->> 'idempotency-key' then
            perform ganger._api_refuse('idempotency_key', 'the header Idempotency-Key and idempotency_key differ', 'Give one of them.');
        end if;
        entry := entry || jsonb_build_object('idempotency_key', headers -> 'idempotency-key');
    end if;
    -- as the standard has it: what is not of its form is as if it were not there
    if headers ->> 'traceparent' ~ '^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}' and length(headers ->> 'traceparent') <= 255
       and coalesce(jsonb_typeof(entry -> 'metadata') in ('object', 'null'), true) then
        entry := entry || jsonb_build_object('metadata',
            jsonb_build_object('traceparent', headers -> 'traceparent')
            || case when length(headers ->> 'tracestate') <= 512 then jsonb_build_object('tracestate', headers -> 'tracestate') else '{}' end
            || coalesce(nullif(entry -> 'metadata', 'null'), '{}'));
    end if;
    return entry;
end $$;

-- Raises what is wrong with a job that was sent.
create function ganger._api_check_job(entry jsonb) returns void
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(regexp_replace(regexp_replace(ganger._bad_entry(jsonb_build_array(entry)), 'jobs\[0\]: ', ''), 'jobs\[0\] ', 'the body '));
end $$;

-- A job that this transaction has just enqueued, of which nothing was said but this, as row_to_json() of the view jobs would have it (in
-- twice the time, as it asks for the type of each column); null: a pause or a limit may keep it from running.
create function ganger._usual_job_text(id bigint, job_type text, queue text, priority integer, payload jsonb) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' set jit = off set enable_seqscan = off as $$
declare
    owner text;
begin
    if not ganger._is_at_home() then
        owner := ganger._guest_owner(null);
        if not ganger._in_session(queue) then
            perform ganger._check_queue(queue);
        end if;
    end if;
    if exists (select from ganger.queue q where q.name = _usual_job_text.queue and (q.paused or q.concurrency is not null or q.rate is not null))
       or exists (select from ganger.job_type t where t.name = _usual_job_text.job_type and (t.paused or t.concurrency is not null)) then
        return null;
    end if;
    return format('{"id":%1$s,"job_type":%2$s,"queue":%3$s,"status":"pending","pending_reason":null,"priority":%4$s,"payload":%5$s,"attempts":0,'
        '"max_attempts":3,"crashes":0,"run_at":%6$s,"next_attempt_at":null,"timeout":null,"kill_grace":null,"retry_delay":"00:01:00",'
        '"retry_backoff":true,"retry_delay_max":null,"expires_at":null,"tags":null,"idempotency_key":null,"unique_key":null,"group_key":null,'
        '"depends_on":null,"depends_on_tags":null,"dead_letter_job_type":null,"dead_letter_job_id":null,"dead_letter_of":null,"batch_id":null,'
        '"owner":%7$s,"metadata":null,"progress":0,"progress_message":null,"stage":null,"output":null,"error":null,"error_history":[],'
        '"failure_reason":null,"will_retry":null,"worker":null,"node":null,"wait_until":null,"wait_token":null,"created_at":%6$s,'
        '"started_at":null,"finished_at":null,"last_failed_at":null,"last_retried_at":null,"last_cancelled_at":null}',
        id, to_json(job_type), to_json(queue), priority, payload, to_json(now()),
        coalesce(to_json(owner)::text, 'null'));
end $$;

-- POST /api/jobs. The usual job, of which nothing but its name, place and payload is said, takes the short way: what a call costs is the
-- number of its expressions, as each is made ready anew in every transaction.
create function ganger._api_create_job(request jsonb, sent text) returns ganger._api_answer language plpgsql volatile as $$
declare
    entry    constant jsonb := ganger._api_json(sent);
    job_type constant text := entry ->> 'job_type';
    queue    text;
    priority integer;
    payload  jsonb;
    job_id   bigint;
begin
    if jsonb_typeof(entry) = 'object' and entry - '{job_type, payload, queue, priority}'::text[] = '{}'
       and request in ('{"path": {}, "query": {}, "headers": {}}', '{}')
       and jsonb_typeof(entry -> 'job_type') = 'string' and (jsonb_typeof(entry -> 'queue') = 'string') is not false
       and (entry ->> 'priority' ~ '^-?[0-9]{1,4}$') is not false then
        queue := coalesce(entry ->> 'queue', 'default');
        priority := coalesce((entry ->> 'priority')::integer, 0);
        payload := coalesce(entry -> 'payload', '{}');
        job_id := ganger.enqueue(job_type, payload, queue, priority);
        return (201, coalesce(ganger._usual_job_text(job_id, job_type, queue, priority, payload), ganger._api_job_text(job_id)),
                jsonb_build_object('Location', '/api/jobs/' || job_id));
    end if;
    return ganger._api_make_job(request, sent);
end $$;

-- POST /api/jobs, whatever is said of the job; with `is_collection` POST /api/v1/collections/jobs. 200 instead of 201: the job was known already.
create function ganger._api_make_job(request jsonb, sent text, is_collection boolean default false) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    entry  jsonb := ganger._api_json(sent);
    i      ganger.job_input;
    job_id bigint;
    job    text;
    is_new boolean := true;
    is_plain boolean;
begin
    if jsonb_typeof(entry) = 'object' then
        if is_collection or entry ? 'request_data' or request -> 'headers' ?| '{idempotency-key, traceparent}' then
            entry := ganger._api_entry(request, entry, is_collection);
        end if;
        if entry - '{job_type, payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, '
                   'retry_delay_max, expires_at, tags, idempotency_key, unique_key, unique_for, on_conflict, group_key, depends_on, '
                   'depends_on_tags, dead_letter_job_type, owner, metadata}'::text[] = '{}'
           and coalesce(jsonb_typeof(entry -> 'job_type') = 'string' and jsonb_typeof(entry -> 'queue') in ('string', 'null'), true)
           and not entry ?| '{timeout, kill_grace, retry_delay, retry_delay_max, unique_for}' then
            is_plain := true;
        end if;
    end if;
    if is_plain is not true then
        perform ganger._api_check_job(entry);
    end if;
    begin
        i := jsonb_populate_record((null, '{}', 'default', 0, now(), 3, null, null, '60 s', true, null, null, null, null, null, null,
                                    'ignore', null, null, null, null, null, null)::ganger.job_input, entry);
    exception when data_exception then
        perform ganger._api_check_job(entry);
    end;
    if request -> 'query' <> '{}' then
        perform ganger._api_query(request, '{wait}');
    end if;
    job_id := ganger.enqueue(i.job_type, coalesce(i.payload, entry -> 'payload'), i.queue, i.priority, i.run_at, i.max_attempts, i.timeout, i.kill_grace,
        i.retry_delay, i.retry_backoff, i.retry_delay_max, i.expires_at, i.tags, i.idempotency_key, i.unique_key, i.unique_for,
        i.on_conflict, i.group_key, i.depends_on, i.depends_on_tags, i.dead_letter_job_type, i.owner, i.metadata);
    job := ganger._api_job_text(job_id);
    if i.idempotency_key is not null or i.unique_key is not null then
        is_new := (job::json ->> 'created_at')::timestamptz = now();
    end if;
    if job is null then
        return ganger._api_problem(409, 'taken', 'Conflict', 'The key belongs to a job that you may not see. Use another one.');
    end if;
    return (case when is_new then 201 else 200 end, job,
            jsonb_build_object('Location', case when is_collection then '/api/v1/collections/jobs/' else '/api/jobs/' end || job_id));
end $$;

-- May the caller see all of these jobs?
create function ganger._api_may_see_all(ids bigint[]) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return (select coalesce(bool_and(ganger._may_see_job(i)), true) from unnest(ids) i);
end $$;

-- POST /api/jobs/bulk: an array of jobs, or {"jobs": [...]}. All or none; ids in their order.
create function ganger._api_create_jobs(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    jobs jsonb := ganger._api_json(sent);
    ids  bigint[];
begin
    perform ganger._api_query(request);
    if request -> 'headers' ? 'idempotency-key' then
        perform ganger._api_refuse('idempotency_key', 'the header Idempotency-Key is of one job', 'Give each entry its own idempotency_key.');
    end if;
    if jsonb_typeof(jobs) = 'object' then
        jobs := ganger._api_object(sent, '{jobs}') -> 'jobs';
    end if;
    if jsonb_typeof(jobs) is distinct from 'array' then
        perform ganger._api_refuse('jobs', 'the body must be an array of jobs, or {"jobs": [...]}');
    end if;
    if request -> 'headers' ? 'traceparent' or strpos(sent, '"request_data"') > 0 then
        select coalesce(jsonb_agg(case jsonb_typeof(e.value) when 'object' then ganger._api_entry(request, e.value) else e.value end
                                  order by e.ordinality), '[]')
        into jobs from jsonb_array_elements(jobs) with ordinality e;
    end if;
    if coalesce(current_setting('ganger.bound_queues', true), '') = '' then
        ids := array(select ganger.enqueue_many(jobs));
    else -- a key may be that of a job in another queue
        begin
            ids := array(select ganger.enqueue_many(jobs));
            if not ganger._api_may_see_all(ids) then
                raise exception using errcode = 'GG409'; -- none of them is made
            end if;
        exception when sqlstate 'GG409' then
            return ganger._api_problem(409, 'taken', 'Conflict',
                                       'The key of one of them belongs to a job that you may not see, so none was made. Use another key.');
        end;
    end if;
    return (201, json_build_object('ids', ids)::text, null::jsonb);
end $$;
