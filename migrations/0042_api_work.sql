-- The HTTP API for workers in any language: claim, and what a worker says of the jobs it holds.

-- POST /api/claim: {worker, queues, job_types, max_jobs, lease}. An array of what claim() gives.
create function ganger._api_claim(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    i constant ganger._api_input := ganger._api_read(sent, 'worker', 'queues', 'job_types', 'max_jobs', 'lease');
begin
    perform ganger._api_query(request);
    return (200, (select coalesce(json_agg(c), '[]')::text
                  from ganger.claim(i.worker, i.queues, i.job_types, i.max_jobs, i.lease) c), null::jsonb);
end $$;

-- POST /api/jobs/{id}/complete, fail, ...: what the holder of a lease says. 409: the lease is no longer valid.
create function ganger._api_report(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    id   constant bigint := ganger._api_id(request);
    i    ganger._api_input;
    done boolean;
begin
    perform ganger._api_query(request);
    i := case what
        when 'complete' then ganger._api_read(sent, 'lease_id', 'output')
        when 'fail' then ganger._api_read(sent, 'lease_id', 'error', 'retryable')
        when 'discard' then ganger._api_read(sent, 'lease_id', 'error')
        when 'snooze' then ganger._api_read(sent, 'lease_id', 'delay')
        when 'release' then ganger._api_read(sent, 'lease_id')
        when 'heartbeat' then ganger._api_read(sent, 'lease_id', 'extend')
        when 'progress' then ganger._api_read(sent, 'lease_id', 'percent', 'progress', 'message', 'stage')
        when 'output' then ganger._api_read(sent, 'lease_id', 'output')
        when 'log' then ganger._api_read(sent, 'lease_id', 'line')
        when 'step' then ganger._api_read(sent, 'lease_id', 'result')
        when 'wait' then ganger._api_read(sent, 'lease_id', 'duration', 'at', 'token') end;
    if i.lease_id is null then
        perform ganger._api_refuse('lease_id', 'lease_id is missing', 'It is what POST /api/claim has given with the job.');
    elsif what = 'wait' and num_nonnulls(i.duration, i.at, i.token) <> 1 then
        perform ganger._api_refuse('duration', 'one of duration, at and token says what the job waits for');
    elsif what = 'wait' and i.token is not null then
        return ganger._api_wait_for_token(id, i.lease_id, i.token);
    end if;
    done := case what
        when 'complete' then ganger.complete(id, i.lease_id, i.output)
        when 'fail' then ganger.fail(id, i.lease_id, i.error, coalesce(i.retryable, true))
        when 'discard' then ganger.discard(id, i.lease_id, i.error)
        when 'snooze' then ganger.snooze(id, i.lease_id, i.delay)
        when 'release' then ganger.snooze(id, i.lease_id, interval '0')
        when 'heartbeat' then ganger.heartbeat(id, i.lease_id, coalesce(i.extend, '60 s'))
        when 'progress' then ganger.set_progress(id, i.lease_id, coalesce(i.percent, i.progress), i.message, i.stage)
        when 'output' then ganger.set_output(id, i.lease_id, i.output)
        when 'log' then ganger.log(id, i.lease_id, i.line)
        when 'step' then ganger.step_put(id, i.lease_id, request #>> '{path,step}', coalesce(i.result, 'null'))
        when 'wait' then case when i.duration is not null then ganger.wait_for(id, i.lease_id, i.duration)
                              else ganger.wait_until(id, i.lease_id, i.at) end end;
    if not done then
        return ganger._api_stale(id);
    end if;
    return (200, '{"ok":true}'::text, null::jsonb);
end $$;

create function ganger._api_stale(id bigint) returns ganger._api_answer language sql immutable as $$
    select ganger._api_problem(409, 'stale_lease', 'Conflict', format(
        'The lease of job %s is no longer valid: it has run out, the job was cancelled, or the attempt has another result. Stop working on it; '
        'nothing was changed.', id))
$$;

create function ganger._api_wait_for_token(id bigint, lease_id uuid, token text) returns ganger._api_answer
language plpgsql volatile as $$
declare
    answer constant jsonb := ganger.wait_for_token(id, lease_id, token);
begin
    if answer ->> 'status' = 'lost' then
        return ganger._api_stale(id);
    end if;
    return (200, answer::text, null::jsonb);
end $$;

-- GET /api/jobs/{id}/steps/{step}?lease_id=: what the job has kept. 404: nothing yet, or the lease is stale.
create function ganger._api_step(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    params constant jsonb := ganger._api_query(request, '{lease_id}');
    kept  jsonb;
begin
    if ganger._api_text(params, 'lease_id') is null then
        perform ganger._api_refuse('lease_id', 'lease_id is missing', 'It is what POST /api/claim has given with the job.');
    end if;
    kept := ganger.step_get(ganger._api_id(request), ganger._api_text(params, 'lease_id')::uuid, request #>> '{path,step}');
    if kept is null then
        return null;
    end if;
    return (200, jsonb_build_object('result', kept)::text, null::jsonb);
end $$;
