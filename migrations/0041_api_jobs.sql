-- The HTTP API on jobs that are there: lists, one job from every side, and what people do to them.

-- A list looks at so many jobs at most on each side, live and ended, going down their ids; so a page and a count cost the same however
-- many there are. What it has not found by then is on the next page.
create function ganger._api_window() returns integer language sql immutable parallel safe return 20000;

-- What a filter says of `key`, one text or an array of them; null: nothing.
create function ganger._filter_words(filter jsonb, key text) returns text[] language sql immutable as $$
    select case jsonb_typeof(filter -> key) when 'array' then array(select jsonb_array_elements_text(filter -> key))
                when 'string' then array[filter ->> key] end
$$;

-- Which parts of a table a filter can mean, as a condition that leaves out whole partitions; null: none.
create function ganger._api_parts(filter jsonb, source text) returns text language sql immutable as $$
    select case when source = 'job' then case when w.statuses is null or w.statuses && '{pending, processing, waiting}' then 'true' end
                when w.statuses is null or ('completed' = any (w.statuses) and w.statuses && '{failed, cancelled}') then 'true'
                when 'completed' = any (w.statuses) then 'j.status = ''completed'''
                when w.statuses && '{failed, cancelled}' then 'j.status in (''failed'', ''cancelled'')' end
    from (select ganger._filter_words(filter, 'status') as statuses) w
$$;

-- The newest rows of `source` below $1 (null: of all) of which a list or a count looks at `most`, as SQL: from ... limit ...; null: the
-- filter can mean none. `any_order`: $1 is null, and which they are does not matter: of a small table its pages are read one after the
-- other, which is twice as fast.
create function ganger._api_window_sql(filter jsonb, source text, most integer, any_order boolean default false) returns text
language plpgsql volatile as $$
declare
    own   text := coalesce(ganger._visible_owner(), case jsonb_typeof(filter -> 'owner') when 'string' then filter ->> 'owner' end);
    parts text := ganger._api_parts(filter, source);
begin
    if parts is null then
        return null;
    elsif source = 'job' and ganger._filter_words(filter, 'status') = '{processing}' then -- these have a list of their own
        parts := 'j.id = any (array(select p.id from ganger._processing p))';
        own := null;
    end if;
    if any_order and own is null and source = 'job' and pg_relation_size(format('ganger.%I', source)::regclass) <= 64 * 1024 * 1024 then
        return format('from ganger.%I j where %s and $1 is null limit %s', source, parts, most);
    end if;
    -- bounds, not an equality: then only the index on (owner, id) has this order
    return format('from ganger.%I j where %s and ($1 is null or j.id < $1) %s limit %s', source, parts,
        case when own is null then 'order by j.id desc'
             else format('and j.owner >= %1$L and j.owner <= %1$L order by j.owner desc, j.id desc', own) end, most);
end $$;

-- One side of a list: what matches in the window below `after`, newest first, at most max_rows; `horizon`: the lowest id looked at, when
-- the window ended before that; null: all was seen.
create function ganger._api_side(filter jsonb, source text, max_rows integer, after bigint, out ids bigint[], out horizon bigint)
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set enable_hashjoin = off
as $$
declare
    most      constant integer := ganger._api_window();
    in_window constant text := ganger._api_window_sql(filter, source, most);
    wanted    constant text := ganger._filter_sql(filter, source) || ganger._visible_sql();
begin
    ids := '{}';
    if in_window is null then
        return;
    end if;
    -- what is wanted of a row is decided inside: a whole row that leaves the window costs more than its look
    execute format('select coalesce(array_agg(x.id order by x.id desc) filter (where x.is_wanted), ''{}''), min(x.id) filter (where x.n = %s)
                    from (select * from (select w.*, row_number() over () as n from (select j.id, coalesce(%s, false) as is_wanted %s) w) r
                          where r.is_wanted or r.n = %1$s limit $2) x',
                   most, wanted, in_window) into ids, horizon using after, max_rows;
end $$;

-- How many jobs match: exact, or at least so many where the filter would have to look at more of them than a window. `is_ended`: none of
-- them is live.
create type ganger._api_count as (total bigint, is_exact boolean, is_ended boolean);
create function ganger._api_total(filter jsonb, out total bigint, out is_exact boolean, out is_ended boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off
as $$
declare
    seen record;
    side text;
    most constant integer := ganger._api_window() * case when filter - '{status, job_type, queue}'::text[] = '{}' then 5 else 1 end; -- quick to tell
    in_window text;
begin
    total := 0;
    is_exact := true;
    is_ended := true;
    foreach side in array '{job, history}'::text[] loop
        in_window := ganger._api_window_sql(filter, side, most, true);
        continue when in_window is null;
        if side = 'history' and filter - '{status, job_type}'::text[] = '{}' and ganger._visible_sql() = '' then
            -- these are kept counted
            total := total + (select coalesce(sum(c.jobs), 0)
                              from (select unnest(coalesce(ganger._filter_words(filter, 'job_type'), array[null])) as name) n, ganger._ended_counts(n.name) c
                              where coalesce(c.status::text = any (ganger._filter_words(filter, 'status')), true));
            continue;
        end if;
        execute format('select count(*) as n, count(*) filter (where w.is_wanted) as matching from (select %s as is_wanted %s) w',
                       ganger._filter_sql(filter, side) || ganger._visible_sql(), in_window) into seen using null::bigint;
        total := total + seen.matching;
        is_exact := is_exact and seen.n < most;
        is_ended := is_ended and (side = 'history' or (seen.matching = 0 and seen.n < most));
    end loop;
end $$;

-- A page of a list: the jobs as JSON, and the id that the next page begins below. Ends early at 8 MiB. `is_ended`: no live ones are
-- looked for.
create function ganger._api_page(filter jsonb, max_rows integer, after bigint, is_ended boolean default false, out jobs text, out next bigint)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' set jit = off set enable_seqscan = off
as $$
declare
    ids     bigint[] := '{}';
    horizon bigint;
    ended   record;
    one     bigint;
    job     text;
    n       integer := 0;
    parts   text[] := '{}';
    size    bigint := 0;
begin
    if filter ?| '{batch, idempotency_key}' then
        ids := array(select j.id from ganger.list_jobs(filter, max_rows + 1, after) j order by j.id desc);
    else
        if not is_ended then
            select live.ids, live.horizon into ids, horizon from ganger._api_side(filter, 'job', max_rows + 1, after) live;
        end if;
        ended := ganger._api_side(filter, 'history', max_rows + 1, after);
        horizon := greatest(horizon, ended.horizon);
        -- each once: a job that ends between the two looks is seen by both
        ids := array(select distinct x from unnest(ids || ended.ids) x where horizon is null or x >= horizon order by x desc limit max_rows + 1);
    end if;
    next := horizon;
    foreach one in array ids loop
        if n = max_rows or size > 8388608 then
            next := ids[n];
            exit;
        end if;
        n := n + 1;
        select row_to_json(j)::text into job from ganger._jobs j where j.id = one;
        if job is not null then -- not deleted meanwhile
            parts := parts || job;
            size := size + octet_length(job);
        end if;
    end loop;
    jobs := '[' || array_to_string(parts, ',') || ']';
end $$;

-- GET /api/jobs
create function ganger._api_list_jobs(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    params   constant jsonb := ganger._api_query(request, ganger._api_filter_keys('limit', 'after', 'total'));
    filter   constant jsonb := ganger._api_filter(params);
    max_rows constant integer := ganger._api_number(params, 'limit', 1, 1000, 100);
    after    constant bigint := ganger._api_number(params, 'after', 1, 9223372036854775807, null);
    page     record;
    counted  ganger._api_count;
begin
    if ganger._api_text(params, 'total') is null or ganger._api_bool(params, 'total') then
        if filter ?| '{batch, idempotency_key}' then
            counted := (ganger.count_jobs(filter), true, false);
        else
            counted := ganger._api_total(filter);
        end if;
        page := ganger._api_page(filter, max_rows, after, counted.is_ended);
        return (200, format('{"jobs":%s,"total":%s,"total_is_exact":%s,"next":%s}', page.jobs, counted.total, to_json(counted.is_exact),
                            coalesce(page.next::text, 'null')), null::jsonb);
    end if;
    page := ganger._api_page(filter, max_rows, after);
    return (200, format('{"jobs":%s,"next":%s}', page.jobs, coalesce(page.next::text, 'null')), null::jsonb);
end $$;

-- GET /api/jobs/count: exact, however long it takes.
create function ganger._api_count_jobs(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return (200, json_build_object('count', ganger.count_jobs(ganger._api_filter(ganger._api_query(request, ganger._api_filter_keys()))))::text, null::jsonb);
end $$;

-- Where the events or the attempts of a job begin or end of which a page of max_rows can be made, between `since` and before `until`:
-- with `newest` the instant of the last but max_rows, else that of the first but max_rows; null: there are not so many. Of more than
-- one table the narrower one. What is not in these tables is one row each.
create function ganger._job_cut(id bigint, what text, newest boolean, since timestamptz, until timestamptz, max_rows integer)
returns timestamptz language plpgsql stable set jit = off set enable_seqscan = off as $$
declare
    of_attempts timestamptz;
    of_events   timestamptz;
begin
    if newest then
        of_attempts := (select coalesce(a.started_at, a.finished_at) from ganger.attempt a where a.job_id = _job_cut.id
                        and coalesce(a.started_at, a.finished_at) >= since and coalesce(a.started_at, a.finished_at) < until
                        order by a.job_id desc, coalesce(a.started_at, a.finished_at) desc offset max_rows limit 1);
        of_events := (select e.at from ganger.event e where what = 'events' and e.job_id = _job_cut.id and e.at >= since and e.at < until
                      order by e.job_id desc, e.at desc offset max_rows limit 1);
        return greatest(of_attempts, of_events);
    end if;
    of_attempts := (select coalesce(a.started_at, a.finished_at) from ganger.attempt a where a.job_id = _job_cut.id
                    and coalesce(a.started_at, a.finished_at) >= since and coalesce(a.started_at, a.finished_at) < until
                    order by a.job_id, coalesce(a.started_at, a.finished_at) offset max_rows limit 1);
    of_events := (select e.at from ganger.event e where what = 'events' and e.job_id = _job_cut.id and e.at >= since and e.at < until
                  order by e.job_id, e.at offset max_rows limit 1);
    return least(of_attempts, of_events);
end $$;

-- A page of a job's `what`, events or attempts, oldest first: the newest max_rows before `before`; with `after` and no `before` the
-- first ones after it. Those of one instant are not parted, so it may be a few more. `next`: where the page behind it in that
-- direction goes on; null: there is none. Reads no more than the page where the job has many.
create function ganger._job_page(id bigint, what text, before timestamptz, after timestamptz, max_rows integer, out rows text, out next timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' set jit = off set enable_seqscan = off as $$
declare
    newest  constant boolean := before is not null or after is null;
    since   timestamptz := coalesce(after + interval '1 us', '-infinity');
    until   timestamptz := coalesce(before, 'infinity');
    cut     timestamptz;
    is_more boolean;
begin
    if not ganger._may_see_job(id) then
        return;
    end if;
    cut := ganger._job_cut(id, what, newest, since, until, max_rows);
    if cut is not null and newest then
        since := cut;
    elsif cut is not null then
        until := cut + interval '1 us';
    end if;
    with found as (
        select e.at, ganger._event_place(e.event)::bigint as place, e.id as number, to_json(e) as row
        from ganger._job_events(_job_page.id, since, until) e where what = 'events'
        union all
        select coalesce(a.started_at, a.finished_at), a.attempt, 0, to_json(a)
        from ganger._attempts a
        where what = 'attempts' and a.job_id = _job_page.id
          and coalesce(a.started_at, a.finished_at) >= since and coalesce(a.started_at, a.finished_at) < until
    ), ranked as (
        select f.*, case when newest then rank() over (order by f.at desc) else rank() over (order by f.at) end as rank from found f
    )
    select coalesce(json_agg(r.row order by r.at, r.place, r.number) filter (where r.rank <= max_rows), '[]')::text,
           case when newest then min(r.at) filter (where r.rank <= max_rows) else max(r.at) filter (where r.rank <= max_rows) end,
           cut is not null or coalesce(bool_or(r.rank > max_rows), false)
    into rows, next, is_more from ranked r;
    if not is_more then
        next := null;
    end if;
end $$;

-- GET /api/jobs/{id}/events and attempts: a page of them.
create function ganger._api_job_page(params jsonb, what text, id bigint) returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    page constant record := ganger._job_page(id, what, ganger._api_instant(params, 'before'), ganger._api_instant(params, 'after'),
                                             ganger._api_number(params, 'limit', 1, 1000, 100)::integer);
begin
    return format('{"%s":%s,"next":%s}', what, coalesce(page.rows, '[]'),
                  coalesce(to_json(to_char(page.next at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'null'));
end $$;

-- What a job is and how far; nulls: there is none that the caller may see. What get_job() has beside it is dear: error_history alone
-- reads all attempts that failed.
create function ganger._job_state(id bigint, out job_type text, out status text, out progress integer, out progress_message text, out stage text)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    select j.job_type, j.status, j.progress, j.progress_message, j.stage into job_type, status, progress, progress_message, stage
    from ganger._jobs j where j.id = _job_state.id and ganger._may_see(j.owner, j.queue);
end $$;

-- What is known of one job beside itself: `what` is events, attempts, explain, log, progress, steps or dependencies.
create function ganger._api_look(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' set jit = off set enable_seqscan = off as $$
<<look>>
declare
    params constant jsonb := ganger._api_query(request,
        case what when 'log' then '{attempt}' when 'events' then '{limit, before, after}' when 'attempts' then '{limit, before, after}' else '{}' end::text[]);
    id     constant bigint := ganger._api_id(request);
    j      record;
begin
    j := ganger._job_state(id);
    if j.status is null then
        return null;
    end if;
    return (200, case what
        when 'events' then ganger._api_job_page(params, what, id)
        when 'attempts' then ganger._api_job_page(params, what, id)
        when 'explain' then json_build_object('id', id, 'status', j.status, 'explanation', ganger.explain_job(id))::text
        when 'progress' then json_build_object('id', id, 'status', j.status, 'progress', j.progress, 'progress_message', j.progress_message,
                                               'stage', j.stage)::text
        when 'steps' then json_build_object('steps', ganger._job_steps(id))::text
        when 'dependencies' then ganger._job_ties(id)::text
        when 'log' then (select coalesce(
            (select json_build_object('id', id, 'attempt', a.attempt, 'log', coalesce(a.log, ''))::text from ganger.attempts a
             where a.job_id = look.id and a.attempt = coalesce(ganger._api_number(params, 'attempt', 1, 2147483647, null), a.attempt)
             order by a.attempt desc, a.started_at desc nulls first limit 1),
            json_build_object('id', id, 'attempt', null, 'log', '')::text))
        end, null::jsonb);
end $$;

-- What a job's attempts have kept: [{step, result}].
create function ganger._job_steps(id bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('step', s.name, 'result', s.result) order by s.name), '[]') from ganger.step s
            where s.job_id = _job_steps.id and ganger._may_see_job(_job_steps.id));
end $$;

-- What a job was enqueued to run after, and who waits for it, of the jobs that the caller may see: {needs, tags, needed_by}; needs and needed_by are
-- [{id, job_type, status}], job_type null: deleted, or another's. needed_by: those that still wait, at most 1,000.
create function ganger._job_ties(id bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return (
        select jsonb_build_object(
            'needs', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'job_type', p.job_type, 'status', p.status) order by d.place), '[]')
                           from unnest(j.depends_on) with ordinality d (id, place) cross join lateral ganger._job_state(d.id) p),
            'tags', coalesce(to_jsonb(j.depends_on_tags), '[]'),
            'needed_by', (select coalesce(jsonb_agg(jsonb_build_object('id', d.job_id, 'job_type', p.job_type, 'status', p.status) order by d.job_id), '[]')
                           from (select x.job_id from ganger.dependency x where x.prerequisite_id = _job_ties.id order by x.job_id limit 1000) d
                           join lateral ganger._job_state(d.job_id) p on p.status is not null))
        from ganger._jobs j where j.id = _job_ties.id and ganger._may_see(j.owner, j.queue));
end $$;

-- Does If-Match name the job as it is now? Null: there is no such header, or it does, and the job's row is held until the end of the
-- transaction; else the answer 412.
create function ganger._api_if_match(request jsonb) returns ganger._api_answer language plpgsql volatile as $$
declare
    wanted constant text := request #>> '{headers,if-match}';
    job    text;
begin
    if wanted is null then
        return null;
    end if;
    perform ganger._api_hold(ganger._api_id(request));
    job := ganger._api_job_text(ganger._api_id(request));
    if job is null or trim(wanted) = '*' or ganger._api_etag(job) = any (string_to_array(replace(wanted, ' ', ''), ',')) then
        return null;
    end if;
    return ganger._api_problem(412, 'changed', 'Precondition Failed',
        format('Job %s has changed since it was read. Read it again, and repeat the change with its new ETag.', request #>> '{path,id}'));
end $$;

-- Has everybody else wait who would change this job.
create function ganger._api_hold(id bigint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    perform from ganger.job j where j.id = _api_hold.id and ganger._may_see_job(_api_hold.id) for update;
    if not found then
        perform from ganger.history h where h.id = _api_hold.id and ganger._may_see_job(_api_hold.id) for update;
    end if;
end $$;

-- PUT and PATCH, DELETE /api/jobs/{id}; POST /api/jobs/{id}/cancel and retry.
create function ganger._api_change_job(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    id     constant bigint := ganger._api_id(request);
    entry  jsonb;
    stale  ganger._api_answer;
    done   boolean;
    job    text;
    status text;
begin
    perform ganger._api_query(request);
    if what = 'edit' then
        entry := ganger._api_entry('{}', ganger._api_json(sent));
    else
        perform ganger._api_object(sent, '{}');
    end if;
    stale := ganger._api_if_match(request);
    if stale.status is not null then
        return stale;
    end if;
    done := case what when 'edit' then ganger.edit(id, entry) when 'cancel' then ganger.cancel(id) when 'retry' then ganger.retry(id)
                      when 'delete' then ganger.delete_job(id) end;
    if done and what = 'delete' then
        return (204, null::text, null::jsonb);
    end if;
    job := ganger._api_job_text(id);
    status := job::json ->> 'status';
    if job is null then
        return null;
    elsif not done and not (what = 'cancel' and status = 'cancelled') then
        return ganger._api_problem(409, 'wrong_state', 'Conflict', format(case what
            when 'edit' then 'Job %s is %s: only pending jobs can be changed. Enqueue another one, or retry it when it has ended.'
            when 'cancel' then 'Job %s is %s: it has ended, and cannot be cancelled any more.'
            when 'retry' then 'Job %s is %s: only failed and cancelled jobs can be retried.'
            else 'Job %s is %s: only jobs that have ended can be deleted. Cancel it first.' end, id, status));
    end if;
    return (case when what = 'cancel' and status = 'processing' then 202 else 200 end, job, jsonb_build_object('ETag', ganger._api_etag(job)));
end $$;

-- POST /api/jobs/{id}/redrive
create function ganger._api_redrive(request jsonb, sent text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres' as $$
declare
    made bigint;
begin
    perform ganger._api_query(request), ganger._api_object(sent, '{}');
    made := ganger.redrive(ganger._api_id(request));
    return (201, ganger._api_job_text(made), jsonb_build_object('Location', '/api/jobs/' || made));
end $$;

-- POST /api/jobs/cancel, retry, edit, delete: all jobs of a filter.
create function ganger._api_change_jobs(request jsonb, sent text, what text) returns ganger._api_answer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    known constant text[] := case what when 'edit' then '{filter, changes}' else '{filter}' end;
    entry constant jsonb := ganger._api_object(sent, known);
    n     bigint;
begin
    perform ganger._api_query(request);
    n := case what when 'cancel' then ganger.cancel_jobs(entry -> 'filter') when 'retry' then ganger.retry_jobs(entry -> 'filter')
                   when 'edit' then ganger.edit_jobs(entry -> 'filter', entry -> 'changes') else ganger.delete_jobs(entry -> 'filter') end;
    return (200, json_build_object('count', n)::text, null::jsonb);
end $$;
