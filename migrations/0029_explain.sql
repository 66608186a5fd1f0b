-- explain_job: in words, why a job is not running, and what would let it.

create function ganger._iso(at timestamptz) returns text language sql stable parallel safe as $$
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

create function ganger._counted(n bigint, one text, many text default null) returns text language sql immutable parallel safe as $$
    select n || ' ' || case when n = 1 then one else coalesce(many, one || 's') end
$$;

-- Of a message: its first line, not too much of it.
create function ganger._brief(message text) returns text language sql immutable parallel safe as $$
    select case when length(m) > 200 then left(m, 197) || '...' else rtrim(m, '. ') end
    from (select split_part(coalesce(nullif(message, ''), 'no message'), E'\n', 1)) x (m)
$$;

-- A few ids, and how many there are. `ids`: one more than shown is enough.
create function ganger._some_jobs(ids bigint[], n bigint) returns text language sql immutable parallel safe as $$
    select case when n = 1 and cardinality(ids) = 1 then 'job ' || ids[1]
                when cardinality(ids) = 0 then ganger._counted(n, 'job')
                else ganger._counted(n, 'job') || ' (' || array_to_string(ids[1:3], ', ') || case when n > least(cardinality(ids), 3) then ', ...' else '' end || ')' end
$$;

-- An ended job.
create function ganger._explain_ended(h ganger.history) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    again constant text := format(' ganger.retry(%s) runs it again.', h.id);
    root  bigint;
begin
    if h.status = 'completed' then
        return format('Job %s completed at %s, in attempt %s; it does not run again.', h.id, ganger._iso(h.finished_at), h.attempts);
    elsif h.status = 'cancelled' then
        root := (select (e.data ->> 'root_job_id')::bigint from ganger.event e
                 where e.job_id = h.id and e.event = 'cancelled' order by e.id + 0 desc limit 1);
        return format('Job %s was cancelled at %s', h.id, ganger._iso(h.finished_at))
               || case when root is null then '.' else format(': it waited for job %s, which did not complete.', root) end || again;
    end if;
    return format('Job %s failed at %s', h.id, ganger._iso(h.finished_at))
        || case h.failure_reason
           when 'expired' then ', as it expired: ' || ganger._brief(h.error)
           when 'no_handler' then ', as nobody handles its type: ' || ganger._brief(h.error)
           when 'discarded' then ', as its handler said that trying again is of no use: ' || ganger._brief(h.error)
           else format(' in attempt %s of %s, reason %s: ', h.attempts, h.max_attempts, coalesce(h.failure_reason, 'unknown'))
                || ganger._brief(h.error) end
        || '.' || case when h.dead_letter_job_id is not null
                       then format(' Its dead letter is job %s.', h.dead_letter_job_id) else '' end || again;
end $$;

-- A running or waiting one.
create function ganger._explain_begun(j ganger.job) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    until constant timestamptz := case when j.wait_token is not null then ganger._token_timeout(j.wait_token) else j.due_at end;
begin
    if j.status = 'processing' then
        return format('Job %s is running', j.id) || case when j.cancel_requested then ' and has been asked to stop' else '' end
            || format(': attempt %s of %s, since %s, ', j.attempts, j.max_attempts, ganger._iso(j.started_at))
            || case when j.worker_id is not null
                    then format('by worker %s of node "%s".', j.worker_id, coalesce(ganger._node_name(j.worker_id), 'unknown'))
                    when j.lease_until > clock_timestamp()
                    then format('by the outside worker "%s", whose lease ends at %s.', j.worker_name, ganger._iso(j.lease_until))
                    else format('by the outside worker "%s", whose lease ended at %s: ganger.maintain() takes the job back.', j.worker_name,
                                ganger._iso(j.lease_until)) end;
    elsif j.wait_token is not null then
        return format('Job %s waits for the token %s', j.id, j.wait_token)
            || case when until is null then ', without a time limit' else format(', until %s at the latest', ganger._iso(until)) end
            || ': ganger.complete_token() lets it go on.';
    end if;
    return format('Job %s waits until %s', j.id, ganger._iso(until)) || ganger._explain_late(until, ', as its handler asked.');
end $$;

-- What follows an instant: `otherwise`, unless that is over.
create function ganger._explain_late(due timestamptz, otherwise text) returns text language sql stable as $$
    select case when due > clock_timestamp() then otherwise
                when exists (select from ganger.node n where n.state = 'alive') then ', and goes on any moment.'
                else ', but no node is alive to let it go on: start gangerd, or call ganger.maintain().' end
$$;

-- A blocked one. own: whose jobs the caller may see; null: those of all. Ids of jobs that the caller may not see are left out; they are counted.
create function ganger._explain_blocked(j ganger.job, own text) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    by_ids  record;
    by_tags record;
begin
    select count(*) as n, coalesce((array_agg(p.id order by p.id) filter (where (own is null or p.owner = own)
           and ganger._in_session(p.queue)))[1:4], '{}') as ids into by_ids
    from ganger._awaited(j.id) a (id) join ganger.job p on p.id = any (array[a.id]);
    select count(*) as n, coalesce((array_agg(p.id order by p.id) filter (where (own is null or p.owner = own)
           and ganger._in_session(p.queue)))[1:4], '{}') as ids into by_tags
    from ganger._drain_blockers(j.id, j.tags, j.depends_on_tags) b (id) join ganger.job p on p.id = any (array[b.id])
    where j.depends_on_tags is not null;
    if by_ids.n = 0 and by_tags.n = 0 then
        return format('Job %s has nothing left that it depends on', j.id) || ganger._explain_late('-infinity', '');
    end if;
    return format('Job %s is blocked: it waits ', j.id)
        || case when by_ids.n > 0 then format('until %s %s completed', ganger._some_jobs(by_ids.ids, by_ids.n),
                                              case when by_ids.n = 1 then 'has' else 'have' end) else '' end
        || case when by_ids.n > 0 and by_tags.n > 0 then ', and ' else '' end
        || case when by_tags.n > 0 then format('until no other live job has the tags %s: %s %s them', array_to_string(j.depends_on_tags, ', '),
                                               ganger._some_jobs(by_tags.ids, by_tags.n), case when by_tags.n = 1 then 'has' else 'have' end) else '' end
        || '.';
end $$;

-- An item of a batch that has none of its places.
create function ganger._explain_batch(j ganger.job) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    b    ganger.batch;
    held bigint;
begin
    select * into b from ganger.batch x where x.id = j.batch_id;
    if not ganger._is_batch_running(j.batch_id) then
        return format('Job %s waits for its batch "%s", ', j.id, j.batch_id)
            || case when b.started_at is null and b.cancelled_at is null then format('which has not been started: ganger.start_batch(%L) does that.', j.batch_id)
                    else format('which is paused: ganger.resume_batch(%L) lets it go on.', j.batch_id) end;
    elsif b.cancelled_at is not null and coalesce(j.last_retried_at < b.cancelled_at, true) then
        return format('Job %s is about to be cancelled with its batch "%s"', j.id, j.batch_id) || ganger._explain_late('-infinity', '');
    end if;
    select count(*) into held from ganger.job x
    where x.batch_id = j.batch_id and x.pending_reason is distinct from 'batch' and x.batch_place;
    if held >= b.concurrency then
        return format('Job %s waits for a place in its batch "%s": %s of %s taken.', j.id, j.batch_id, held, b.concurrency);
    end if;
    return format('Job %s is about to get a place in its batch "%s"', j.id, j.batch_id) || ganger._explain_late('-infinity', '');
end $$;

-- One that has no place in its group.
create function ganger._explain_limited(j ganger.job, own text) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    g       ganger.group_limit;
    most    integer;
    holders record;
    scope   text := '';
begin
    select * into g from ganger.group_limit x where x.group_key = j.group_key;
    most := g.concurrency;
    if most is null then
        most := (select q.group_concurrency from ganger.queue q where q.name = j.queue);
        scope := format(' in queue "%s"', j.queue);
    end if;
    select count(*) as n, coalesce((array_agg(x.id order by x.id) filter (where (own is null or x.owner = own)
           and ganger._in_session(x.queue)))[1:4], '{}') as ids into holders
    from ganger._placed x
    where x.group_key = j.group_key and (g.concurrency is not null or x.queue = j.queue);
    if ganger._is_paused(j.queue, j.job_type) then
        return ganger._explain_pause(j); -- while that lasts it is given no place
    elsif most = 0 then
        return format('Job %s cannot start: its group "%s" has a concurrency of 0. ganger.set_group_limit() changes that.', j.id, j.group_key);
    elsif holders.n >= most then
        return format('Job %s waits for its group "%s": %s may run at once%s, and %s %s.', j.id, j.group_key,
                      ganger._counted(most, 'job'), scope, ganger._some_jobs(holders.ids, holders.n),
                      case when holders.n = 1 then 'does or is next' else 'do or are next' end);
    elsif g.rate is not null and ganger._rate_room('group', g.group_key, g.rate, g.rate_period) <= holders.n then
        return format('Job %s waits for the rate of its group "%s", %s in %s', j.id, j.group_key, ganger._counted(g.rate, 'start'), g.rate_period)
            || coalesce(format(': the next may start at %s.', ganger._iso(ganger._rate_free_at('group', g.group_key, g.rate_period))), '.');
    end if;
    return format('Job %s is about to get a place in its group "%s"', j.id, j.group_key) || ganger._explain_late('-infinity', '');
end $$;

-- A job whose queue or type is paused.
create function ganger._explain_pause(j ganger.job) returns text language sql stable as $$
    select format('Job %s waits because ', j.id) || string_agg(p.what || ' is paused', ' and ' order by p.n) || ': '
           || string_agg(p.call, ' and ' order by p.n) || case when count(*) = 1 then ' lets it go on.' else ' let it go on.' end
    from (select 1 as n, format('its queue "%s"', q.name) as what, format('ganger.resume_queue(%L)', q.name) as call
          from ganger.queue q where q.name = j.queue and q.paused
          union all
          select 2, format('its type "%s"', t.name), format('ganger.resume_job_type(%L)', t.name)
          from ganger.job_type t where t.name = j.job_type and t.paused) p
    having count(*) > 0
$$;

-- What keeps a runnable job from being claimed, a limit of its queue or type; null: nothing does.
create function ganger._explain_limits(j ganger.job) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    q ganger.queue;
    t ganger.job_type;
    n bigint;
begin
    select * into q from ganger.queue x where x.name = j.queue;
    select * into t from ganger.job_type x where x.name = j.job_type;
    if q.concurrency is not null then
        n := (select count(*) from ganger._processing x where x.queue = j.queue);
        if q.concurrency = 0 then
            return format('Job %s cannot start: its queue "%s" has a concurrency of 0. ganger.set_queue() changes that.', j.id, j.queue);
        elsif n >= q.concurrency then
            return format('Job %s waits for its queue "%s": %s may run at once, and %s.', j.id, j.queue, ganger._counted(q.concurrency, 'job'),
                          ganger._counted(n, 'does', 'do'));
        end if;
    end if;
    if q.rate is not null and ganger._rate_room('queue', q.name, q.rate, q.rate_period) = 0 then
        return format('Job %s waits for the rate of its queue "%s", %s in %s: the next may start at %s.', j.id, j.queue,
                      ganger._counted(q.rate, 'start'), q.rate_period, ganger._iso(ganger._rate_free_at('queue', q.name, q.rate_period)));
    end if;
    if t.concurrency is not null then
        n := (select count(*) from ganger._processing x where x.job_type = j.job_type);
        if t.concurrency = 0 then
            return format('Job %s cannot start: its type "%s" has a concurrency of 0. ganger.set_job_type() changes that.', j.id, j.job_type);
        elsif n >= t.concurrency then
            return format('Job %s waits for its type "%s": %s may run at once, and %s.', j.id, j.job_type, ganger._counted(t.concurrency, 'job'),
                          ganger._counted(n, 'does', 'do'));
        end if;
    end if;
    return null;
end $$;

-- Why nobody takes a runnable job; null: a live node could, or an outside worker (`outside`: one has asked for its type, and no node
-- handles it).
create function ganger._explain_service(j ganger.job, out answer text, out outside boolean)
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    nodes        bigint;
    serves_queue boolean;
    serves_both  boolean;
begin
    select count(*), coalesce(bool_or(j.queue = any (s.queues)), false), coalesce(bool_or(j.queue = any (s.queues) and j.job_type = any (s.job_types)), false)
    into nodes, serves_queue, serves_both
    from ganger.node n left join ganger.node_service s on s.node_id = n.id where n.state = 'alive';
    outside := not serves_both and exists (select from ganger.outside_claim o
                                           where o.job_type in ('', j.job_type) and o.at > clock_timestamp() - interval '24 h');
    answer := case
        when serves_both or outside then null
        when nodes = 0 then format('Job %s is runnable, but no node is alive: start gangerd, or take it with ganger.claim().', j.id)
        when not serves_queue then format('Job %s is runnable, but no live node serves its queue "%s": add it to a pool.', j.id, j.queue)
        else format('Job %s is runnable, but no live node that serves its queue "%s" has a handler for its type "%s": it will fail, reason no_handler.',
                    j.id, j.queue, j.job_type) end;
end $$;

-- A runnable job's place in line: what a claim of its queue would take before it. Counts to a thousand.
create function ganger._explain_line(j ganger.job, outside boolean) returns text
language plpgsql stable
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    most     constant integer := 1000;
    is_returned constant boolean := j.lane_id = ganger._lane_id(j.queue, j.priority, j.job_type, true);
    n        bigint;
begin
    select count(*) into n from (
        select from (select l.lane_id, l.priority, l.returned, l.frontier, l.job_type from ganger.lane l where l.state <> 'idle' and l.queue = j.queue
                     union
                     select s.lane_id, s.priority, s.returned, 0, s.job_type from ganger.lane_signal s
                     where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass)) and s.queue = j.queue
                       and not exists (select from ganger.lane l where l.lane_id = s.lane_id and l.state <> 'idle')) l
        cross join lateral (
            select from ganger.job x
            where x.lane_id = l.lane_id and x.seq >= l.frontier and x.status = 'pending'
              and ((l.priority, l.returned) > (j.priority, is_returned) or ((l.priority, l.returned) = (j.priority, is_returned) and x.seq < j.seq))
            limit most + 1) x
        where (l.priority, l.returned) >= (j.priority, is_returned)
          and not exists (select from ganger.job_type t where t.name = l.job_type and t.paused)
        limit most + 1) y;
    return format('Job %s is runnable and waits for %s: ', j.id,
                  case when outside then format('an outside worker, as no live node handles type "%s" in its queue', j.job_type)
                       else 'a free worker' end)
        || case when n = 0 then format('it is the next one of queue "%s".', j.queue)
                when n > most then format('more than %s jobs of queue "%s" come before it.', to_char(most, 'FM9,999'), j.queue)
                else format('%s of queue "%s" %s before it.', ganger._counted(n, 'job'), j.queue, case when n = 1 then 'comes' else 'come' end) end;
end $$;

-- A pending one: the first thing it waits for.
create function ganger._explain_pending(j ganger.job, own text) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    answer  text;
    service record;
begin
    case
    when j.pending_reason = 'scheduled' then
        return format('Job %s is scheduled for %s', j.id, ganger._iso(j.due_at)) || ganger._explain_late(j.due_at, '.');
    when j.pending_reason = 'retry' then
        return format('Job %s waits for its next attempt at %s', j.id, ganger._iso(j.due_at)) || ganger._explain_late(j.due_at, '.')
            || format(' Attempt %s of %s failed: %s.', j.attempts, j.max_attempts, ganger._brief(j.error));
    when j.pending_reason = 'blocked' then
        return ganger._explain_blocked(j, own);
    when j.pending_reason = 'batch' then
        return ganger._explain_batch(j);
    when j.pending_reason = 'limited' then
        return ganger._explain_limited(j, own);
    else
        answer := coalesce(ganger._explain_pause(j), ganger._explain_limits(j));
        if answer is null then
            service := ganger._explain_service(j);
            answer := coalesce(service.answer, ganger._explain_line(j, service.outside));
        end if;
        return answer;
    end case;
end $$;

-- Says in plain English why a job is not running, what would let it, and how it stands if it runs or has ended. One for people: the words
-- may change. A caller bound to an owner is told of its jobs alone: another's is not there. Unknown: "There is no job 5."
create function ganger.explain_job(id bigint) returns text
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    own    constant text := ganger._visible_owner();
    j      ganger.job;
    h      ganger.history;
    answer text;
begin
    select * into j from ganger.job x where x.id = explain_job.id and ganger._may_see(x.owner, x.queue);
    if not found then
        select * into h from ganger.history x where x.id = explain_job.id and ganger._may_see(x.owner, x.queue);
        return case when found then ganger._explain_ended(h) else format('There is no job %s.', coalesce(id::text, 'null')) end;
    end if;
    if j.status <> 'pending' then
        answer := ganger._explain_begun(j);
    else
        answer := ganger._explain_pending(j, own);
        if j.seq is null and j.pending_reason <> 'limited' then
            answer := concat_ws(' ', answer, regexp_replace(ganger._explain_pause(j), '^Job \d+ waits because its', 'Besides, its'));
        end if;
    end if;
    if j.status in ('pending', 'waiting') and j.expires_at is not null then
        answer := answer || case when j.expires_at > clock_timestamp() then format(' It fails, expired, if it has not started by %s.', ganger._iso(j.expires_at))
                                 else format(' It has expired at %s and is about to fail.', ganger._iso(j.expires_at)) end;
    end if;
    return answer;
end $$;
