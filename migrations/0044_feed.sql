-- The feed of events as the HTTP process follows it for all its streams, and whose waiting for a job is over.

-- read_events() with what streams are filtered by: the type, queue, batch and owner of the job (those it has now). `data` is never null.
create function ganger._feed(after bigint, max_rows integer)
returns table (event_id bigint, job_id bigint, event text, at timestamptz, data jsonb, job_type text, queue text, batch_id text, owner text)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    mark constant bigint := ganger.last_event_id();
begin
    if after >= mark then
        return;
    end if;
    return query
    select x.number, x.job, x.event, x.at, coalesce(x.data, '{}'),
           coalesce(x.job_type, j.job_type, h.job_type), coalesce(x.queue, j.queue, h.queue),
           coalesce(x.batch_id, j.batch_id, h.batch_id, x.data ->> 'batch_id'), coalesce(x.owner, j.owner, h.owner)
    from ganger._events_after(after, mark, max_rows) x
    left join lateral (select j.job_type, j.queue, j.batch_id, j.owner from ganger.job j where x.job_type is null and j.id = x.job offset 0) j on true
    left join lateral (select h.job_type, h.queue, h.batch_id, h.owner from ganger.history h
                       where x.job_type is null and j.job_type is null and h.id = x.job limit 1) h on true
    order by x.number;
end $$;

-- Which of these jobs have ended, or are not there (any more).
create function ganger._which_ended(ids bigint[]) returns setof bigint
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
begin
    return query select i.id from unnest(ids) i (id) where not exists (select from ganger.job j where j.id = i.id offset 0);
end $$;
