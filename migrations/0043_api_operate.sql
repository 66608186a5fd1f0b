-- The HTTP API on queues, job types, groups, schedules, batches, wait tokens, nodes, and the tokens of the API itself.

-- A view as {"<name>": [...]}, in the order of its first column.
create function ganger._api_rows(name text, rows json) returns ganger._api_answer language sql immutable as $$
    select (200, json_build_object(name, coalesce(rows, '[]'))::text, null::jsonb)::ganger._api_answer
$$;

-- As the views queues and job_types, but bounded: where live jobs are many, their counts are estimates (_live_counts).
create function ganger._api_queues() returns setof ganger.queues
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
    select x.queue, coalesce(bool_or(q.paused), false),
           coalesce(sum(x.jobs) filter (where x.status = 'pending' and x.reason is null), 0)::bigint,
           coalesce(sum(x.jobs) filter (where x.status = 'pending'), 0)::bigint, coalesce(sum(x.jobs) filter (where x.status = 'processing'), 0)::bigint,
           min(x.oldest), min(q.concurrency), min(q.group_concurrency), min(q.rate), min(q.rate_period), min(q.retention),
           coalesce(sum(x.jobs) filter (where x.status = 'waiting'), 0)::bigint
    from (select l.queue, l.status, l.reason, l.jobs, l.oldest from ganger._live_counts() l
          union all select n.queue, null, null, 0, null from ganger.lane n group by n.queue
          union all select k.name, null, null, 0, null from ganger.queue k) x
    left join ganger.queue q on q.name = x.queue
    group by x.queue
$$;

create function ganger._api_job_types() returns setof ganger.job_types
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
    select x.job_type, coalesce(bool_or(t.paused), false),
           coalesce(sum(x.jobs) filter (where x.status = 'pending' and x.reason is null), 0)::bigint,
           coalesce(sum(x.jobs) filter (where x.status = 'pending'), 0)::bigint, coalesce(sum(x.jobs) filter (where x.status = 'processing'), 0)::bigint,
           coalesce(sum(x.jobs) filter (where x.status = 'waiting'), 0)::bigint, min(t.concurrency), min(t.timeout), min(t.max_crashes)
    from (select l.job_type, l.status, l.reason, l.jobs from ganger._live_counts() l
          union all select k.name, null, null, 0 from ganger.job_type k) x
    left join ganger.job_type t on t.name = x.job_type
    group by x.job_type
$$;

-- A group as the view groups has it, but no more than 100,000 of its jobs are counted: first those that have a place.
create function ganger._api_group(group_key text) returns setof ganger.groups
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_sort = off as $$
    select _api_group.group_key, count(*) filter (where j.status = 'pending'), count(*) filter (where j.pending_reason = 'limited'),
           count(*) filter (where j.seq is not null), count(*) filter (where j.status = 'processing'),
           min(l.concurrency), min(l.rate), min(l.rate_period)
    from (select j.status, j.pending_reason, j.seq from ganger.job j where j.group_key = _api_group.group_key
          order by j.group_key, (j.seq is null)::integer limit 100000) j
    full join (select k.* from ganger.group_limit k where k.group_key = _api_group.group_key) l on true
    having count(j.status) + count(l.group_key) > 0
$$;

-- What is said of a queue, job type or group: its limits alone, from the small table that has them. Null: nothing. Until the end of the
-- transaction nobody else gets them who would change them: a second one would set anew what it read before the first had set it.
create function ganger._held_limits(what text, key text) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(format('ganger set %s %s', what, key), 0));
    return case what when 'queue' then (select to_jsonb(q) from ganger.queue q where q.name = key)
                     when 'job_type' then (select to_jsonb(t) from ganger.job_type t where t.name = key)
                     else (select to_jsonb(g) from ganger.group_limit g where g.group_key = key) end;
end $$;

-- GET /api/queues, job-types, groups, nodes, workers, doctor, jobs/stats, batches/stats. `all=true`: also what is over, of nodes and workers.
create function ganger._api_show(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    params constant jsonb := ganger._api_query(request, case when what in ('nodes', 'workers') then '{all}' else '{}' end::text[]);
    whole constant boolean := ganger._api_bool(params, 'all');
begin
    return case what
        when 'queues' then ganger._api_rows(what, (select json_agg(q order by q.name) from ganger._api_queues() q))
        when 'queue' then (select (200, row_to_json(q)::text, null::jsonb)::ganger._api_answer from ganger._api_queues() q where q.name = request #>> '{path,queue}')
        when 'job_types' then ganger._api_rows(what, (select json_agg(t order by t.name) from ganger._api_job_types() t))
        when 'groups' then ganger._api_rows(what, (select json_agg(g order by g.group_key) from ganger.groups g))
        when 'nodes' then ganger._api_rows(what, (select json_agg(n order by n.id) from ganger.nodes n where whole or n.state <> 'stopped'))
        when 'workers' then ganger._api_rows(what, (select json_agg(w order by w.id) from ganger.workers w where whole or w.state <> 'dead'))
        when 'findings' then ganger._api_rows(what, (select json_agg(d) from ganger.doctor() d))
        when 'stats' then (200, ganger.stats(request #>> '{path,job_type}')::text, null::jsonb)::ganger._api_answer
        when 'batch_stats' then (200, ganger.batch_stats()::text, null::jsonb)::ganger._api_answer
        end;
end $$;

-- PUT and PATCH /api/queues/{queue}, job-types/{job_type}, groups/{group_key}: limits. PUT sets all: what is left out has none; PATCH
-- those that are sent. POST .../pause and resume. Answers what holds then; null: there is none that could be resumed.
create function ganger._api_set(request jsonb, sent text, what text, how text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    key   constant text := coalesce(request #>> '{path,queue}', request #>> '{path,job_type}', request #>> '{path,group_key}');
    known constant text[] := case when how in ('pause', 'resume') then '{}' when what = 'queue' then '{concurrency, group_concurrency, rate, rate_period, retention}'
                                  when what = 'job_type' then '{concurrency, timeout, max_crashes}' else '{concurrency, rate, rate_period}' end;
    was    jsonb;
    i      ganger._api_input;
    now_is text;
begin
    perform ganger._api_query(request);
    i := ganger._api_read(sent, variadic known);
    if how in ('set', 'patch') then
        was := ganger._held_limits(what, key);
    end if;
    if how = 'patch' then
        i := jsonb_populate_record(i, coalesce((select jsonb_object_agg(e.key, e.value) from jsonb_each(was) e
                                                where e.key = any (known) and not ganger._api_json(sent) ? e.key), '{}'));
    end if;
    perform case
        when how = 'pause' and what = 'queue' then ganger.pause_queue(key)::text
        when how = 'resume' and what = 'queue' then ganger.resume_queue(key)::text
        when how = 'pause' then ganger.pause_job_type(key)::text
        when how = 'resume' then ganger.resume_job_type(key)::text
        when what = 'queue' then ganger.set_queue(key, i.concurrency, i.group_concurrency, i.rate, i.rate_period, i.retention)::text
        when what = 'job_type' then ganger.set_job_type(key, i.concurrency, i.timeout, i.max_crashes)::text
        else ganger.set_group_limit(key, i.concurrency, i.rate, i.rate_period)::text end;
    now_is := case what when 'queue' then (select row_to_json(q)::text from ganger._api_queues() q where q.name = key)
                        when 'job_type' then (select row_to_json(t)::text from ganger._api_job_types() t where t.name = key)
                        else (select row_to_json(g)::text from ganger._api_group(key) g) end;
    if now_is is null and how = 'resume' then
        return null; -- there is no such thing, so nothing could go on
    end if;
    return (200, coalesce(now_is, json_build_object(case what when 'group' then 'group_key' else 'name' end, key)::text), null::jsonb);
end $$;

-- The next ticks of an expression, as a JSON array.
create function ganger._api_ticks(cron text, timezone text, n integer) returns jsonb
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    at    timestamptz := clock_timestamp();
    ticks jsonb := '[]';
begin
    for place in 1 .. n loop
        at := ganger.next_cron(cron, timezone, at);
        exit when at is null;
        ticks := ticks || to_jsonb(at);
    end loop;
    return ticks;
exception when data_exception then
    return '[]'; -- its zone is gone: last_error of the schedule says so
end $$;

create function ganger._api_schedule(s ganger.schedules, ticks integer default 5) returns text language sql stable as $$
    select (to_jsonb(s) || jsonb_build_object('next_runs', case when s.paused then '[]' else ganger._api_ticks(s.cron, s.timezone, ticks) end))::text
$$;

-- GET /api/schedules, with the next ticks of each: `next` says how many, five unless said.
create function ganger._api_schedules(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    ticks constant integer := ganger._api_number(ganger._api_query(request, '{next}'), 'next', 0, 20, 5);
begin
    return (200, (select format('{"schedules":[%s]}', string_agg(ganger._api_schedule(s, ticks), ',' order by s.name))
                  from ganger.schedules s), null::jsonb);
end $$;

-- GET /api/cron?cron=&timezone=&next=: the next ticks of an expression that is no schedule yet.
create function ganger._api_cron(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    params constant jsonb := ganger._api_query(request, '{cron, timezone, next}');
    cron  constant text := ganger._api_text(params, 'cron');
    zone  constant text := coalesce(ganger._api_text(params, 'timezone'), 'UTC');
begin
    if cron is null then
        perform ganger._api_refuse('cron', 'cron is missing', 'For example cron=0 3 * * *.');
    end if;
    perform ganger.next_cron(cron, zone); -- tells what is wrong
    return (200, json_build_object('next_runs', ganger._api_ticks(cron, zone, ganger._api_number(params, 'next', 1, 20, 5)::integer))::text, null::jsonb);
end $$;

-- The rest of /api/schedules: get, create, edit, delete, pause, resume, run.
create function ganger._api_change_schedule(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    key  text := request #>> '{path,name}';
    i    ganger._api_input;
    done boolean := true;
    job  bigint;
begin
    perform ganger._api_query(request);
    if what = 'create' then
        i := ganger._api_read(sent, 'name', 'cron', 'job_type', 'payload', 'timezone', 'overlap', 'catch_up', 'options');
        key := i.name;
        perform ganger.create_schedule(i.name, i.cron, i.job_type, coalesce(i.payload, '{}'), coalesce(i.timezone, 'UTC'),
                                       coalesce(i.overlap, 'skip'), coalesce(i.catch_up, 'none'), coalesce(i.options, '{}'));
    elsif what = 'edit' then
        done := ganger.edit_schedule(key, ganger._api_json(sent));
    else
        perform ganger._api_object(sent, '{}');
        if not exists (select from ganger.schedules s where s.name = key) then
            return null;
        elsif what = 'run' then
            job := ganger.run_schedule(key);
            return (201, json_build_object('job_id', job)::text, jsonb_build_object('Location', '/api/jobs/' || job));
        end if;
        if what <> 'get' then -- who may only look may not even ask for these
            done := case what when 'delete' then ganger.delete_schedule(key) when 'pause' then ganger.pause_schedule(key)
                              else ganger.resume_schedule(key) end;
        end if;
    end if;
    if not done then
        return null;
    end if;
    return (case what when 'create' then 201 when 'delete' then 204 else 200 end, (select ganger._api_schedule(s) from ganger.schedules s where s.name = key),
            case when what = 'create' then jsonb_build_object('Location', '/api/schedules/' || ganger._api_segment(key)) end);
end $$;

-- A name as one segment of a path.
create function ganger._api_segment(name text) returns text language sql immutable as $$
    select string_agg(case when c ~ '^[A-Za-z0-9._~-]$' then c else regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') end, '' order by n)
    from regexp_split_to_table(name, '') with ordinality as x (c, n)
$$;

-- GET /api/batches: newest first.
create function ganger._api_batches(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    params constant jsonb := ganger._api_query(request, '{status, limit}');
begin
    return ganger._api_rows('batches', (select json_agg(b) from (
        select * from ganger.batches b where params -> 'status' is null or b.status = ganger._api_text(params, 'status')
        order by b.created_at desc, b.id limit ganger._api_number(params, 'limit', 1, 1000, 100)) b));
end $$;

-- The rest of /api/batches: get, create, start, pause, resume, cancel, clear.
create function ganger._api_change_batch(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    key   text := request #>> '{path,batch}';
    i     ganger._api_input;
    done  boolean := true;
    batch jsonb;
begin
    perform ganger._api_query(request);
    if what = 'create' then
        i := ganger._api_read(sent, 'id', 'job_type', 'items', 'concurrency', 'max_attempts', 'retry_delay', 'on_finish', 'options');
        key := ganger.create_batch(i.id, i.job_type, i.items, coalesce(i.concurrency, 3), coalesce(i.max_attempts, 4),
                                   coalesce(i.retry_delay, '1 s'), i.on_finish, coalesce(i.options, '{}'));
        return (201, (select row_to_json(b)::text from ganger.batches b where b.id = key),
                jsonb_build_object('Location', '/api/batches/' || ganger._api_segment(key)));
    end if;
    perform ganger._api_object(sent, '{}');
    if what <> 'get' then -- who may only look may not even ask for these
        done := case what when 'start' then ganger.start_batch(key) when 'pause' then ganger.pause_batch(key)
                          when 'resume' then ganger.resume_batch(key) when 'cancel' then ganger.cancel_batch(key)
                          else ganger.clear_batch(key) end;
    end if;
    if what = 'clear' and done then
        return (204, null::text, null::jsonb);
    end if;
    batch := case when what = 'get' then ganger.get_batch(key) else (select to_jsonb(b) from ganger.batches b where b.id = key) end;
    if batch is null then
        return null;
    elsif not done then
        return ganger._api_problem(409, 'wrong_state', 'Conflict', format(case what
            when 'start' then 'Batch "%s" is %s: it has been started or cancelled already.'
            when 'pause' then 'Batch "%s" is %s: only one that runs can be paused.'
            when 'resume' then 'Batch "%s" is %s: only a paused one can go on.'
            when 'cancel' then 'Batch "%s" is %s: it cannot be cancelled any more.'
            else 'Batch "%s" is %s, or one of its items runs: only one that has finished can be cleared. Cancel it first.' end, key, batch ->> 'status'));
    end if;
    return (200, batch::text, null::jsonb);
end $$;

-- GET /api/tokens: newest first.
create function ganger._api_tokens_list(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    params constant jsonb := ganger._api_query(request, '{status, job_id, limit}');
    job   constant bigint := ganger._api_number(params, 'job_id', 1, 9223372036854775807, null);
begin
    return ganger._api_rows('tokens', (select json_agg(t) from (
        select * from ganger.tokens t
        where (params -> 'status' is null or t.status = ganger._api_text(params, 'status')) and (job is null or t.job_id = job)
        order by t.created_at desc, t.token limit ganger._api_number(params, 'limit', 1, 1000, 100)) t));
end $$;

-- POST /api/tokens, GET /api/tokens/{token}, POST /api/tokens/{token}/complete.
create function ganger._api_token(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    key  text := request #>> '{path,token}';
    i    ganger._api_input;
    done boolean := true;
    body text;
begin
    perform ganger._api_query(request);
    if what = 'create' then
        i := ganger._api_read(sent, 'timeout', 'tags', 'job_id');
        key := ganger.create_token(i.timeout, i.tags, i.job_id);
    elsif what = 'complete' then
        i := ganger._api_read(sent, 'data');
        done := ganger.complete_token(key, i.data);
    end if;
    select row_to_json(t)::text into body from ganger.get_token(key) t;
    if body is null then
        return null;
    elsif not done then
        return ganger._api_problem(409, 'ended', 'Conflict', 'This token has ended: somebody has completed it, or its time is over. The first one wins.');
    end if;
    return (case what when 'create' then 201 else 200 end, body,
            case what when 'create' then jsonb_build_object('Location', '/api/tokens/' || ganger._api_segment(key)) end);
end $$;

-- The tokens of the API itself: GET /api/api-tokens, POST (the answer has the token, this once), DELETE /api/api-tokens/{id}.
create function ganger._api_api_token(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    i      ganger._api_input;
    secret text;
    made   bigint;
begin
    perform ganger._api_query(request);
    if what = 'list' then
        return ganger._api_rows('api_tokens', (select json_agg(t order by t.id) from ganger.api_tokens t));
    elsif what = 'revoke' then
        return case when ganger.revoke_api_token(ganger._api_id(request)) then (204, null::text, null::jsonb)::ganger._api_answer end;
    end if;
    i := ganger._api_read(sent, 'name', 'scopes', 'owner', 'queues', 'expires_at', 'expires_in');
    if num_nonnulls(i.expires_at, i.expires_in) = 2 then
        perform ganger._api_refuse('expires_in', 'expires_at and expires_in are two ways to say the same', 'Give one of them.');
    end if;
    -- of two random numbers, each with 122 bits that nobody knows
    secret := 'gng_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
    made := ganger.create_api_token(i.name, sha256(convert_to(secret, 'UTF8')), i.scopes, i.owner, i.queues,
                                    coalesce(i.expires_at, clock_timestamp() + i.expires_in));
    return (201, (select (to_jsonb(t) || jsonb_build_object('token', secret))::text from ganger.api_tokens t where t.id = made),
            jsonb_build_object('Location', '/api/api-tokens/' || made, 'Cache-Control', 'no-store'));
end $$;
