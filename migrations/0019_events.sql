-- The feed of events: what other programs follow by a cursor.
--
-- Numbers of ganger.seq are taken long before their transactions commit, so "all above the last one seen" would miss those that
-- commit late. The feed ends where nothing can appear any more. A number that is in use lies above the lo of its epoch (see
-- _take_seqs, _begin_epoch), and an epoch is deleted from ganger.epoch when all who took a number in it have ended. So
-- whatever is at or below the lo of every epoch that is left, and of the current one, is committed or gone. An older
-- ganger.epoch_state or ganger.epoch, in an old snapshot or as a pass was rolled back, has a lower lo: less is told, never too much.
-- A snapshot that sees an epoch deleted also sees what was committed in it, on a standby too.

-- The last number below which nothing can appear any more: where read_events ends now, whatever the number is of. To follow from
-- now on, begin with it: what it leaves out has been committed already.
create function ganger.last_event_id() returns bigint
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    select least(s.lo, (select e.lo from ganger.epoch e order by e.epoch limit 1)) from ganger.epoch_state s
$$;

-- The first n events after number `first`, up to `mark`, in order, of ended and live jobs (job_type null: the job is to be looked for; `data`
-- null: there is none, or it is what job_type and queue tell). Inlined into its callers, whose settings have the indexes used.
create function ganger._events_after(first bigint, mark bigint, n integer)
returns table (number bigint, job bigint, event text, at timestamptz, data jsonb, job_type text, queue text, batch_id text, owner text)
language sql stable as $$
    select * from (
        (select j.id as number, j.id as job, 'added' as event, j.created_at as at, null::jsonb as data, j.job_type, j.queue, j.batch_id,
                j.owner
         from ganger.job j where j.id > first and j.id <= mark order by j.id limit n)
        union all
        (select h.id, h.id, 'added', h.created_at, null, h.job_type, h.queue, h.batch_id, h.owner
         from ganger.history h where h.id > first and h.id <= mark order by h.id limit n)
        union all
        (select h.finish_id, h.id, 'completed', h.finished_at, null, h.job_type, h.queue, h.batch_id, h.owner
         from ganger.history_completed h where h.finish_id > first and h.finish_id <= mark order by h.finish_id limit n)
        union all
        (select e.id, e.job_id, e.event, e.at, e.data, null, null, null, null
         from ganger.event e where e.id > first and e.id <= mark order by e.id limit n)) u
    order by u.number limit n
$$;

-- What happened in all jobs after event `after`, in the order of event_id, up to last_event_id(): at most max_rows (1 .. 10,000)
-- events. Followed by a cursor (the last event_id as the next `after`) it gives each event once, whoever commits late.
--
--   after   event_id of the last event seen; null: from the oldest that is still retained
-- event, at and data are those of job_events(); `processing` has no number and is not told. The data of `added` are those the job
-- has now. Events of jobs that retention or cleanup() has deleted are gone. Errors: 22003 max_rows out of range.
create function ganger.read_events(after bigint, max_rows integer default 1000)
returns table (event_id bigint, job_id bigint, event text, at timestamptz, data jsonb)
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    first constant bigint := coalesce(after, 0);
    mark  constant bigint := ganger.last_event_id();
begin
    max_rows := coalesce(max_rows, 1000);
    if max_rows not between 1 and 10000 then
        raise exception 'max_rows must be between 1 and 10000, not %', max_rows using errcode = '22003';
    end if;
    if first >= mark then
        return;
    end if;
    return query
    select x.number, x.job, x.event, x.at,
           case when x.event = 'added' and x.data is null then jsonb_build_object('job_type', x.job_type, 'queue', x.queue) else x.data end
    from ganger._events_after(first, mark, max_rows) x order by x.number;
end $$;
