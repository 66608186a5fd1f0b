-- Reading: one job, lists, counts, events, statistics.

-- The job with this id: one row, or none. Not in SQL: that would be planned anew by each call, over every partition.
create function ganger.get_job(id bigint) returns setof ganger.jobs
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return query select * from ganger._jobs j where j.id = get_job.id and ganger._may_see(j.owner, j.queue);
end $$;

-- A filter as SQL conditions over the columns that ganger.job and ganger.history share. `source`: 'job' or 'history', or null
-- to check only. Keys: status, job_type, queue, owner, priority, run_at, created_at, finished_at {gt, gte, lt, lte, eq}, tags
-- {values, mode}, group_key, batch, idempotency_key, search, error_group. status, job_type, queue, owner, group_key and batch take a value or an array of
-- them; owner null: of nobody. Errors: 22023 with the key, also for another null.
create function ganger._filter_sql(filter jsonb, source text) returns text language plpgsql stable as $$
declare
    key   text;
    value jsonb;
    op    text;
    bound jsonb;
    conditions text := 'true';
    words text[];
    mode  text;
    col   text;
begin
    if filter is null then
        return conditions;
    end if;
    if jsonb_typeof(filter) <> 'object' then
        raise exception 'filter must be a JSON object, not a JSON %', jsonb_typeof(filter) using errcode = '22023';
    end if;
    for key, value in select e.key, e.value from jsonb_each(filter) e loop
        case
        when key = 'owner' and value = 'null' then
            conditions := conditions || ' and j.owner is null';
        when value = 'null' and key in ('status', 'job_type', 'queue', 'priority', 'run_at', 'created_at', 'finished_at', 'tags',
                                        'group_key', 'batch', 'idempotency_key', 'search', 'error_group') then
            raise exception 'filter.% is null', key using errcode = '22023', hint = 'Leave it out to look at all jobs.';
        when key in ('status', 'job_type', 'queue', 'owner', 'group_key', 'batch') then
            if jsonb_typeof(value) = 'string' then
                value := jsonb_build_array(value);
            end if;
            if jsonb_typeof(value) <> 'array' or exists (select from jsonb_array_elements(value) e where jsonb_typeof(e) <> 'string')
            then
                raise exception 'filter.% must be a string or an array of strings', key using errcode = '22023';
            end if;
            words := array(select jsonb_array_elements_text(value));
            if key = 'status' then
                select w into op from unnest(words) w
                where w <> all (enum_range(null::ganger.job_status)::text[]) limit 1;
                if found then
                    raise exception 'filter.status: there is no status "%"', op
                        using errcode = '22023', column = key, hint = 'They are pending, processing, waiting, completed, failed, cancelled.';
                end if;
                -- a table that cannot have them is not read at all
                words := array(select w from unnest(words) w
                               where source is null or (w in ('completed', 'failed', 'cancelled')) = (source = 'history'));
                conditions := conditions || case when words = '{}' then ' and false'
                                                 else format(' and j.status = any (%L::ganger.job_status[])', words) end
                    || case when words = '{processing}' then ' and j.id = any (array(select p.id from ganger._processing p))' else '' end;
            elsif key = 'batch' then
                conditions := conditions || format(' and j.batch_id = any (%L::text[])', words);
            else
                conditions := conditions || format(' and j.%I = any (%L::text[])', key, words);
            end if;
        when key = 'idempotency_key' then
            if jsonb_typeof(value) <> 'string' then
                raise exception 'filter.idempotency_key must be a string, not a JSON %', jsonb_typeof(value) using errcode = '22023';
            end if;
            -- each owner may have one
            conditions := conditions || format(
                ' and j.id = any (array(select k.job_id from ganger.job_key k where k.kind = ''idempotency'' and k.key = %L))',
                value #>> '{}');
        when key = 'priority' then
            if jsonb_typeof(value) = 'number' then
                value := jsonb_build_object('eq', value);
            end if;
            conditions := conditions || ganger._range_sql(key, 'j.priority', value, 'integer');
        when key in ('run_at', 'created_at', 'finished_at') then
            col := case key when 'run_at' then 'coalesce(j.run_at, j.created_at)'
                            when 'created_at' then 'j.created_at'
                            else case source when 'job' then 'null::timestamptz' else 'j.finished_at' end end;
            conditions := conditions || ganger._range_sql(key, col, value, 'timestamptz');
        when key = 'tags' then
            mode := 'all';
            if jsonb_typeof(value) = 'object' then
                mode := coalesce(value ->> 'mode', 'all');
                select k into op from jsonb_object_keys(value) k where k not in ('values', 'mode') limit 1;
                if found then
                    raise exception 'filter.tags: unknown key "%"', op using errcode = '22023', hint = 'Keys are values and mode.';
                end if;
                value := value -> 'values';
            end if;
            if value is null or jsonb_typeof(value) <> 'array' then
                raise exception 'filter.tags must be an array, or {"values": [...], "mode": "all"}' using errcode = '22023';
            end if;
            if exists (select from jsonb_array_elements(value) e where jsonb_typeof(e) <> 'string') then
                raise exception 'filter.tags: a tag must be a string' using errcode = '22023';
            end if;
            words := array(select jsonb_array_elements_text(value));
            -- no tags are the empty set; where that cannot match, the plain column is compared, which has an index
            col := case when words = '{}' then 'coalesce(j.tags, ''{}'')' else 'j.tags' end;
            conditions := conditions || case mode
                when 'all' then format(' and %s @> %L::text[]', col, words)
                when 'any' then format(' and %s && %L::text[]', col, words)
                when 'none' then format(' and not coalesce(j.tags, %L) && %L::text[]', '{}', words)
                when 'exact' then format(' and %1$s @> %2$L::text[] and %1$s <@ %2$L::text[]', col, words)
            end;
            if conditions is null then
                raise exception 'filter.tags.mode: there is no mode "%"', mode
                    using errcode = '22023', hint = 'They are all, any, none, exact.';
            end if;
        when key = 'search' then
            conditions := conditions || format(' and j.payload @> %L::jsonb', value);
        when key = 'error_group' then
            if jsonb_typeof(value) <> 'string' then
                raise exception 'filter.error_group must be a string, not a JSON %', jsonb_typeof(value) using errcode = '22023',
                    hint = 'ganger.failures() names them.';
            end if;
            conditions := conditions || format(' and j.failure_reason is not null and ganger._error_group(j.error) = %L', value #>> '{}');
        else
            raise exception 'filter: unknown key "%"', key using errcode = '22023', column = key,
                hint = 'Keys are status, job_type, queue, owner, priority, run_at, created_at, finished_at, tags, '
                       'group_key, batch, idempotency_key, search, error_group.';
        end case;
    end loop;
    return conditions;
end $$;

-- One {gt, gte, lt, lte, eq} condition.
create function ganger._range_sql(key text, col text, bounds jsonb, type text) returns text language plpgsql immutable as $$
declare
    op     text;
    bound  jsonb;
    result text := '';
begin
    if jsonb_typeof(bounds) <> 'object' then
        raise exception 'filter.% must be an object of gt, gte, lt, lte, eq', key using errcode = '22023';
    end if;
    for op, bound in select e.key, e.value from jsonb_each(bounds) e loop
        if op not in ('gt', 'gte', 'lt', 'lte', 'eq') then
            raise exception 'filter.%: unknown key "%"', key, op using errcode = '22023', hint = 'Keys are gt, gte, lt, lte, eq.';
        end if;
        if jsonb_typeof(bound) not in ('string', 'number') then
            raise exception 'filter.%.% is a JSON %', key, op, jsonb_typeof(bound) using errcode = '22023';
        end if;
        begin
            if type = 'integer' then
                perform (bound #>> '{}')::integer;
            else
                perform (bound #>> '{}')::timestamptz;
            end if;
        exception when data_exception then
            raise exception 'filter.%.%: %', key, op, sqlerrm using errcode = '22023';
        end;
        result := result || format(' and %s %s %L::%s', col,
            case op when 'gt' then '>' when 'gte' then '>=' when 'lt' then '<' when 'lte' then '<=' else '=' end, bound #>> '{}', type);
    end loop;
    return result;
end $$;

-- Jobs matching `filter` (see _filter_sql), id descending, at most max_rows (1 .. 10,000); `after` = last id seen (keyset: pages
-- never overlap). Errors: those of the filter; 22003 max_rows out of range.
create function ganger.list_jobs(filter jsonb default '{}', max_rows integer default 100, after bigint default null)
returns setof ganger.jobs
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_sort = on as $$
declare
    own constant text := ganger._visible_owner();
    one_owner constant text := coalesce(own, case jsonb_typeof(filter -> 'owner') when 'string' then filter ->> 'owner' end);
    -- bounds, not an equality: then only the index on (owner, id) has this order, whatever the planner thinks of the tables
    of_owner constant text := case when one_owner is null then ''
                                   else format(' and j.owner >= %1$L and j.owner <= %1$L', one_owner) end;
    down constant text := case when one_owner is null then 'j.id desc' else 'j.owner desc, j.id desc' end;
    ids bigint[];
    one bigint;
begin
    max_rows := coalesce(max_rows, 100);
    if max_rows not between 1 and 10000 then
        raise exception 'max_rows must be between 1 and 10000, not %', max_rows using errcode = '22003';
    end if;
    -- What no other index can find is met on the way down the ids, until there are enough: a sort would have to see all first.
    if one_owner is not null or not (coalesce(filter, '{}') ?| array['owner', 'batch', 'tags', 'idempotency_key']
                                     or coalesce((filter -> 'status')::text like '%processing%', false)) then
        perform set_config('enable_sort', 'off', true); -- until this function ends
    end if;
    execute format($q$
        select array_agg(id order by id desc) from (
            (select j.id from ganger.job j where %1$s and ($1 is null or j.id < $1) order by %3$s limit $2)
            union all
            (select j.id from ganger.history j where %2$s and ($1 is null or j.id < $1) order by %3$s limit $2)
            order by id desc limit $2) x $q$,
        ganger._filter_sql(filter, 'job') || of_owner || ganger._visible_sql(), ganger._filter_sql(filter, 'history') || of_owner || ganger._visible_sql(),
        down)
    into ids using after, max_rows;
    foreach one in array coalesce(ids, '{}') loop
        return query select * from ganger._jobs j where j.id = one;
    end loop;
end $$;

-- How many jobs match `filter`, live and ended. Errors: those of the filter.
create function ganger.count_jobs(filter jsonb default '{}') returns bigint
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    own constant text := ganger._visible_sql();
    live  bigint;
    ended bigint;
begin
    execute 'select count(*) from ganger.job j where ' || ganger._filter_sql(filter, 'job') || own into live;
    execute 'select count(*) from ganger.history j where ' || ganger._filter_sql(filter, 'history') || own into ended;
    return live + ended;
end $$;

create type ganger.job_event as (
    id     bigint,
    event  text,
    at     timestamptz,
    data   jsonb,
    job_id bigint
);

-- What happened to a job from `since` until before `until`, in no order.
create function ganger._job_events(id bigint, since timestamptz, until timestamptz) returns setof ganger.job_event language sql stable as $$
    select j.id, 'added' as event, j.created_at as at, jsonb_build_object('job_type', j.job_type, 'queue', j.queue) as data, j.id as job_id
    from ganger._jobs j where j.id = _job_events.id and j.created_at >= since and j.created_at < until
    union all
    select 0, 'processing', a.started_at, jsonb_build_object('attempt', a.attempt, 'worker', a.worker, 'node', a.node), a.job_id
    from ganger._attempts a
    where a.job_id = _job_events.id and a.started_at is not null
      and coalesce(a.started_at, a.finished_at) >= since and coalesce(a.started_at, a.finished_at) < until -- as the index has it
    union all
    select h.finish_id, 'completed', h.finished_at, null, h.id
    from ganger.history h where h.id = _job_events.id and h.status = 'completed' and h.finished_at >= since and h.finished_at < until
    union all
    select e.id, e.event, e.at, e.data, e.job_id from ganger.event e where e.job_id = _job_events.id and e.at >= since and e.at < until
$$;

-- Which of two events of one instant comes first.
create function ganger._event_place(event text) returns integer language sql immutable parallel safe as $$
    select case event when 'added' then 0 when 'processing' then 2 else 1 end
$$;

-- Everything that happened to a job, in order: what its own timestamps tell, and the stored events. `id` is 0 for
-- 'processing', which has no number of its own; that of 'added' is the job's.
create function ganger.job_events(id bigint) returns setof ganger.job_event
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    select x.* from ganger._job_events(job_events.id, '-infinity', 'infinity') x
    where (select ganger._may_see_job(job_events.id))
    order by x.at, ganger._event_place(x.event), x.id
$$;

-- What stats() reads beside the live jobs: the folded rows and the deltas that are not folded yet. `type` null: of all types.

-- Retained ended jobs by type and status.
create function ganger._ended_counts(type text)
returns table (job_type text, status ganger.job_status, jobs bigint, run_us bigint) language sql stable as $$
    select s.job_type, s.status, sum(s.jobs)::bigint, sum(s.run_us)::bigint
    from (select x.job_type, x.status, x.jobs, x.run_us from ganger.stat x
          union all select x.job_type, x.status, x.jobs, x.run_us from ganger.stat_delta x) s
    where type is null or s.job_type = type
    group by 1, 2
$$;

-- Run times that so many per cent of the retained completed jobs did not exceed, by type (`type` null: of each type); the row of
-- type '' tells those of all together. Each lies in the bucket of the true one, so it is off by less than a bucket's width: a factor of
-- 2^(1/4), 19 %.
create function ganger._run_percentiles(type text)
returns table (job_type text, jobs bigint, p50 numeric, p90 numeric, p95 numeric, p99 numeric) language sql stable as $$
    with runs as (
        select s.job_type, s.bucket, sum(s.jobs) as jobs
        from (select x.job_type, x.bucket, x.jobs from ganger.stat_run x
              union all
              select x.job_type, b.bucket, x.jobs / cardinality(x.buckets) from ganger.stat_delta x, unnest(x.buckets) as b (bucket)) s
        where type is null or s.job_type = type
        group by grouping sets ((s.job_type, s.bucket), (s.bucket))
        having sum(s.jobs) > 0
    ), ranked as (
        select r.job_type, r.bucket, r.jobs, sum(r.jobs) over (partition by r.job_type order by r.bucket) as up_to,
               sum(r.jobs) over (partition by r.job_type) as total
        from runs r
    ), met as ( -- the bucket in which each share is reached
        select distinct on (r.job_type, p.share) r.job_type, r.bucket, r.jobs, r.up_to, r.total, p.share
        from ranked r, (values (0.5), (0.9), (0.95), (0.99)) p (share) where r.up_to >= p.share * r.total
        order by r.job_type, p.share, r.bucket
    ), wanted as (
        select m.job_type, m.total, m.share,
               round((power(2::double precision, (m.bucket + (1 - (m.up_to - m.share * m.total) / m.jobs)) / 4) / 1e6)::numeric, 6) as seconds
        from met m
    )
    select coalesce(w.job_type, ''), min(w.total)::bigint, min(w.seconds) filter (where w.share = 0.5), min(w.seconds) filter (where w.share = 0.9),
           min(w.seconds) filter (where w.share = 0.95), min(w.seconds) filter (where w.share = 0.99)
    from wanted w group by w.job_type
$$;

-- How many jobs ended lately, by type: {last_minute, last_hour, last_day} of the completed and of the failed ones. A minute is
-- exact to a second, an hour and a day to half a minute: what begins a window is the nearest whole minute.
create function ganger._end_rates(type text) returns table (job_type text, completed bigint[], failed bigint[])
language plpgsql stable as $$
#variable_conflict use_column
declare
    clock   constant timestamptz := clock_timestamp();
    origin  constant timestamptz := '2000-01-01 00:00+00';
    hour    constant timestamptz := date_bin('1 min', clock - interval '1 h' + interval '30 s', origin);
    day     constant timestamptz := date_bin('1 min', clock - interval '1 day' + interval '30 s', origin);
    in_hour constant timestamptz := date_bin('1 h', hour + interval '1 h' - interval '1 us', origin); -- the first whole hours in them
    in_day  constant timestamptz := date_bin('1 h', day + interval '1 h' - interval '1 us', origin);
begin
    return query
    select t.job_type,
           array[coalesce(sum(t.completed) filter (where t.place = 1), 0), coalesce(sum(t.completed) filter (where t.place = 2), 0),
                 coalesce(sum(t.completed) filter (where t.place = 3), 0)]::bigint[],
           array[coalesce(sum(t.failed) filter (where t.place = 1), 0), coalesce(sum(t.failed) filter (where t.place = 2), 0),
                 coalesce(sum(t.failed) filter (where t.place = 3), 0)]::bigint[]
    from (
        select s.job_type, 1 as place, s.completed, s.failed from ganger.stat_rate s
        where s.span = 1 and s.began_at > clock - interval '1 min'
        union all
        select s.job_type, 2, s.completed, s.failed from ganger.stat_rate s
        where s.span = 60 and s.began_at >= hour and s.began_at < in_hour
        union all
        select s.job_type, 2, s.completed, s.failed from ganger.stat_rate s where s.span = 3600 and s.began_at >= in_hour
        union all
        select s.job_type, 3, s.completed, s.failed from ganger.stat_rate s
        where s.span = 60 and s.began_at >= day and s.began_at < in_day
        union all
        select s.job_type, 3, s.completed, s.failed from ganger.stat_rate s where s.span = 3600 and s.began_at >= in_day
        union all
        select d.job_type, v.place, case d.status when 'completed' then d.jobs end, case d.status when 'failed' then d.jobs end
        from ganger.stat_delta d, (values (1, clock - interval '1 min'), (2, hour), (3, day)) as v (place, since)
        where d.ended_at >= v.since) t
    where type is null or t.job_type = type
    group by t.job_type;
end $$;

-- Counts of all jobs known, live and retained, for one job type, or for all (null): then `job_types` has the same of each type.
--
--   pending, processing, waiting, completed, failed, cancelled, total
--   oldest_pending_seconds             of the jobs that could run now
--   average_run_seconds, p95_run_seconds   of the retained completed jobs; the latter is off by less than 19 %
--   throughput {last_minute, last_hour, last_day}   jobs that ended completed in that time, retained or not; the beginning of
--                                      hour and day is rounded to a minute
--   failed_last_hour, failed_last_day  jobs that ended failed in that time, whatever became of them later
--
-- Seconds are null where there are no such jobs. Reads the live jobs once, and no history.
create function ganger.stats(job_type text default null) returns jsonb
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
    with live as materialized (
        select j.job_type, j.status, count(*) as n, min(coalesce(j.run_at, j.created_at)) filter (where j.seq is not null and j.status = 'pending') as oldest
        from ganger.job j
        where stats.job_type is null or j.job_type = stats.job_type
        group by 1, 2
    ), ended as materialized (
        select * from ganger._ended_counts(stats.job_type)
    ), counts as ( -- '', which is no type's name: all together
        select coalesce(c.job_type, '') as job_type, c.status, sum(c.n)::bigint as n, min(c.oldest) as oldest, sum(c.run_us) as run_us
        from (select l.job_type, l.status, l.n, l.oldest, null::bigint as run_us from live l
              union all select e.job_type, e.status, e.jobs, null, e.run_us from ended e) c
        group by grouping sets ((c.job_type, c.status), (c.status))
    ), rates as materialized (
        select * from ganger._end_rates(stats.job_type)
    ), all_rates as (
        select r.job_type, r.completed, r.failed from rates r
        union all
        select '', array[sum(r.completed[1]), sum(r.completed[2]), sum(r.completed[3])], array[sum(r.failed[1]), sum(r.failed[2]), sum(r.failed[3])]
        from rates r
    ), by_type as (
        select t.job_type,
            jsonb_object_agg(s.status, coalesce(c.n, 0)) || jsonb_build_object(
                'total', coalesce(sum(c.n), 0),
                'oldest_pending_seconds', round(extract(epoch from clock_timestamp() - min(c.oldest))::numeric, 3),
                'average_run_seconds', round(sum(c.run_us) filter (where s.status = 'completed')
                                             / nullif(sum(c.n) filter (where s.status = 'completed'), 0) / 1e6, 6)) as counts
        from (select '' as job_type union select c.job_type from counts c union select r.job_type from rates r) t
        cross join unnest(enum_range(null::ganger.job_status)) as s (status)
        left join counts c on c.status = s.status and c.job_type = t.job_type
        group by t.job_type
    ), facts as materialized (
        select t.job_type, t.counts || jsonb_build_object(
            'p95_run_seconds', p.p95,
            'throughput', jsonb_build_object('last_minute', coalesce(r.completed[1], 0), 'last_hour', coalesce(r.completed[2], 0),
                                             'last_day', coalesce(r.completed[3], 0)),
            'failed_last_hour', coalesce(r.failed[2], 0), 'failed_last_day', coalesce(r.failed[3], 0)) as facts
        from by_type t
        left join ganger._run_percentiles(stats.job_type) p on p.job_type = t.job_type
        left join all_rates r on r.job_type = t.job_type
    )
    select f.facts || case when stats.job_type is null
                           then jsonb_build_object('job_types', coalesce((select jsonb_object_agg(x.job_type, x.facts) from facts x
                                                                          where x.job_type <> ''), '{}'))
                           else '{}' end
    from facts f where f.job_type = ''
$$;
