-- doctor(), continued (see 0033_doctor.sql): nodes, workers, jobs; and the function itself.

create function ganger._doctor_nodes(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    select 'nodes', case when x.silence > n.lease + interval '10 s' then 'error' else 'warning' end, format('node "%s"', n.name),
           case when x.silence > n.lease + interval '10 s'
                then format('silent for %s, and nobody has buried it: what it holds stays with it', ganger._span(x.silence))
                else format('silent for %s: after %s others take its jobs', ganger._span(x.silence), ganger._span(n.lease)) end,
           format('look at gangerd on %s; start one on any machine: it takes over', n.host)
    from ganger.node n cross join lateral (select clock_timestamp() - n.seen_at as silence) x
    where n.state = 'alive' and x.silence > n.lease / 2
    union all
    select 'nodes', 'warning', format('node "%s"', n.name), 'no worker of it is there', format('look at the log of gangerd on %s', n.host)
    from ganger.node n
    where n.state = 'alive' and n.started_at < clock_timestamp() - patience and n.seen_at > clock_timestamp() - n.lease / 2
      and not exists (select from ganger.worker w where w.node_id = n.id and w.state = 'alive')
    union all
    select 'nodes', 'notice', 'versions', 'nodes of several versions are alive: ' || string_agg(distinct n.version, ', '), 'bring all to the same'
    from ganger.node n where n.state = 'alive' having count(distinct n.version) > 1
    union all
    select 'nodes', case when o.outside then 'notice' when exists (select from ganger.job) then 'error' else 'notice' end, 'gangerd',
           case when o.outside then 'no node is alive: outside workers are alone, and the duties are for whoever calls ganger.maintain()'
                else 'no node is alive: nothing is run' end,
           case when o.outside then 'call ganger.maintain() each second or so, or start gangerd' else 'start gangerd' end
    from (select exists (select from ganger.outside_claim c where c.at > clock_timestamp() - interval '24 h') as outside) o
    where not exists (select from ganger.node n where n.state = 'alive')
    union all
    select 'nodes', 'error', 'cluster duties', format('no node has done them for %s: nothing due is let go, nothing is taken back',
                                                      coalesce(ganger._span(clock_timestamp() - nullif(d.until, '-infinity')), 'ever')),
           'look at the logs of gangerd for db.error; meanwhile: select ganger.maintain();'
    from ganger.duty d
    where d.until < clock_timestamp() - interval '30 s'
      and exists (select from ganger.node n where n.state = 'alive' and n.seen_at > clock_timestamp() - n.lease / 2
                  and n.started_at < clock_timestamp() - interval '30 s')
$$;

-- What a clock that is wrong spoils: the instants of its log, and what its handlers take for the time. Never a job's time: those are the database's.
create function ganger._doctor_clocks(patience interval) returns setof ganger.finding language sql stable as $$
    select 'clocks', 'warning', format('node "%s"', n.name),
           format('its clock is %s %s that of the database', ganger._span(greatest(n.clock_offset, - n.clock_offset)),
                  case when n.clock_offset > interval '0' then 'before' else 'behind' end),
           format('let %s and the database''s machine keep time (chrony, systemd-timesyncd)', n.host)
    from ganger.node n where n.state = 'alive' and greatest(n.clock_offset, - n.clock_offset) > interval '2 s'
$$;

create function ganger._doctor_poolers(patience interval) returns setof ganger.finding language sql stable as $$
    select 'poolers', 'notice', format('node "%s"', n.name), 'a pooler stands between: new jobs are looked for once a poll_interval, and there are no SQL handlers',
           'give it a direct connection if that matters'
    from ganger.node n
    where n.state = 'alive' and exists (select from ganger.worker w where w.node_id = n.id and w.state = 'alive' and w.backend_start is null)
$$;

-- Jobs that run, as their rows say, and nobody can be at any more. Who asked for more time has until then; events are read only of those
-- who need it.
create function ganger._doctor_running(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    with running as materialized (
        select j.id, j.job_type, j.worker_id, j.worker_name, j.lease_until, j.cancel_requested, j.last_cancelled_at, coalesce(w.state, 'gone') as state,
               w.ended_at,
               case when x.over_at < clock_timestamp() - patience
                    then greatest(x.over_at, (select max((e.data ->> 'until')::timestamptz) + x.grace from ganger.event e
                                              where e.job_id = j.id and e.event = 'prolonged' and e.at >= j.started_at))
                    else x.over_at end as over_at,
               n.name as node
        from ganger._processing j
        left join ganger.worker w on w.id = j.worker_id
        left join ganger.node n on n.id = w.node_id
        left join ganger.job_type t on t.name = j.job_type
        cross join lateral (select coalesce(j.kill_grace, interval '5 s') as grace,
                                   j.started_at + coalesce(j.timeout, t.timeout) + coalesce(j.kill_grace, interval '5 s') as over_at) x
        limit 10000
    )
    select 'running', 'error', ganger._some_jobs((array_agg(r.id order by r.id))[1:4], count(*)),
           format('held by worker %s of node "%s", which is dead', r.worker_id, coalesce(r.node, 'unknown')), 'select ganger.reclaim_stuck(''10 s'');'
    from running r where r.worker_id is not null and r.state <> 'alive' and (r.ended_at is null or r.ended_at < clock_timestamp() - patience)
    group by r.worker_id, r.node
    union all
    select 'running', 'error', format('job %s', r.id),
           format('type "%s", past its time limit for %s, and still running on node "%s"', r.job_type, ganger._span(clock_timestamp() - r.over_at), r.node),
           format('look at the log of that gangerd; `ganger jobs cancel %s`', r.id)
    from running r where r.state = 'alive' and r.over_at < clock_timestamp() - patience
    union all
    select 'running', 'error', format('job %s', r.id),
           format('type "%s", was asked to stop %s ago, and is still running on %s', r.job_type, ganger._span(clock_timestamp() - r.last_cancelled_at),
                  coalesce(format('node "%s"', r.node), format('outside worker "%s"', r.worker_name))), 'look at the log of that worker'
    from running r where (r.state = 'alive' or r.worker_id is null) and r.cancel_requested and r.last_cancelled_at < clock_timestamp() - patience - interval '5 s'
      and coalesce(r.over_at >= clock_timestamp() - patience, true)
    union all
    select 'running', 'warning', format('job %s', r.id),
           format('the lease of outside worker "%s" has been over for %s', r.worker_name, ganger._span(clock_timestamp() - r.lease_until)),
           'start gangerd, or: select ganger.maintain();'
    from running r where r.worker_id is null and r.lease_until < clock_timestamp() - patience
$$;

-- What was to go on by the clock.
create function ganger._doctor_due(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    select 'due', 'error', ganger._some_jobs((array_agg(d.id order by d.due_at))[1:4], count(*)) || case when count(*) = 1000 then ' or more' else '' end,
           format('due for %s, and nobody lets them go on', ganger._span(clock_timestamp() - min(d.due_at))), 'start gangerd, or: select ganger.maintain();'
    from (select j.id, j.due_at from ganger.job j
          where j.wait_token is null and j.lease_until is null and j.due_at < (select clock_timestamp() - patience)
          order by j.wait_token, j.lease_until, j.due_at limit 1000) d
    having count(*) > 0
    union all
    select 'due', 'error', format('token %s', t.token), format('timed out %s ago, and who waits for it still does', ganger._span(clock_timestamp() - t.timeout_at)),
           'start gangerd, or: select ganger.maintain();'
    from (select x.token, x.timeout_at from ganger.token x
          where x.status = 'waiting' and x.timeout_at < (select clock_timestamp() - patience) order by x.timeout_at limit 20) t
$$;

-- Jobs that could go on, and whom nobody tells: there must always be a signal, or somebody who holds what they wait for. Looks at the
-- oldest thousands of dependencies, and at two hundred groups; names twenty of these.
create function ganger._doctor_waiting(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    select 'waiting', 'error', format('job %s', j.id), 'blocked, and nothing that it depends on is left',
           format('select ganger._signal(''blocked'', null, %s); -- and report it: this must not happen', j.id)
    from (select distinct x.job_id from (select d.job_id from ganger.dependency d order by d.n limit 5000) x) d
    join ganger.job j on j.id = d.job_id
    where j.pending_reason = 'blocked' and j.depends_on_tags is null
      and not exists (select from ganger._awaited(j.id))
      and not exists (select from ganger.signal s where s.kind = 'blocked' and s.job_id = j.id or s.kind = 'ended' and s.job_id = any (j.depends_on))
    union all
    (with recursive keys (key, n) as (
        select (select j.group_key from ganger._limited j order by j.group_key using ~<~ limit 1), 1
        union all
        select (select j.group_key from ganger._limited j where j.group_key ~>~ k.key order by j.group_key using ~<~ limit 1), k.n + 1
        from keys k where k.key is not null and k.n < 200
    )
    select 'waiting', 'error', format('group "%s"', j.group_key), format('a place is free, and job %s does not get it', j.id),
           format('select ganger._signal(''group'', %L); -- and report it: this must not happen', j.group_key)
    from keys k
    cross join lateral (select x.* from ganger._limited x where x.group_key = k.key order by x.queue, x.priority desc, x.id limit 1) j
    left join ganger.group_limit l on l.group_key = j.group_key
    left join ganger.queue q on q.name = j.queue
    where not ganger._is_paused(j.queue, j.job_type) and l.rate is null
      and not exists (select from ganger.signal s where s.kind in ('group', 'regroup', 'recheck') and s.key = j.group_key
                      or s.kind = 'queue' and s.key = j.queue or s.kind = 'job_type' and s.key = j.job_type)
      and coalesce(case when l.concurrency is not null then l.concurrency else q.group_concurrency end, 1000000)
          > (select count(*) from ganger._placed h where h.group_key = j.group_key and (l.concurrency is not null or h.queue = j.queue))
    limit 20)
    union all
    select 'waiting', 'error', format('batch "%s"', b.id), 'a place is free, and no item gets it',
           format('select ganger._signal(''batch'', %L); -- and report it: this must not happen', b.id)
    from ganger.batch b join ganger.batch_state s on s.batch_id = b.id
    where s.finished_at is null and b.cancelled_at is null and ganger._is_batch_running(b.id)
      and not exists (select from ganger.signal g where g.kind = 'batch' and g.key = b.id)
      and exists (select from ganger.job j where j.batch_id = b.id and (j.pending_reason is distinct from 'batch') = false)
      and b.concurrency > (select count(*) from ganger.job j where j.batch_id = b.id and (j.pending_reason is distinct from 'batch') and j.batch_place)
    union all
    select 'waiting', 'error', format('job %s', j.id), format('it waits for token %s, which has ended', j.wait_token),
           format('select ganger._signal(''token'', %L, %s); -- and report it: this must not happen', j.wait_token, j.id)
    from (select x.id, x.wait_token from ganger.job x where x.wait_token is not null order by x.wait_token limit 5000) j
    where not exists (select from ganger.token t where t.token = j.wait_token and t.status = 'waiting')
      and not exists (select from ganger.signal s where s.kind = 'token' and s.key = j.wait_token)
$$;

-- The lanes that claims visit, each with the first runnable job that came straight from its enqueue, so that it is known how long it has
-- been runnable (`since`), among the hundred in front. below: one that stands before where claims begin, and nobody looks after.
create view ganger._lane_heads as
select l.lane_id, l.queue, l.job_type, l.priority, h.id, h.since,
       exists (select from ganger.node n join ganger.node_service s on s.node_id = n.id where n.state = 'alive' and l.queue = any (s.queues)) as is_served,
       exists (select from ganger.node n join ganger.node_service s on s.node_id = n.id
               where n.state = 'alive' and l.queue = any (s.queues) and l.job_type = any (s.job_types)) as is_handled,
       exists (select from ganger.outside_claim o where o.job_type in ('', l.job_type) and o.at > clock_timestamp() - interval '24 h') as is_outside,
       coalesce(q.paused or q.concurrency = 0, false) as is_queue_shut, coalesce(t.paused or t.concurrency = 0, false) as is_type_shut
from (select x.* from ganger.lane x where x.state <> 'idle' order by x.seen_at limit 500) l
left join ganger.queue q on q.name = l.queue
left join ganger.job_type t on t.name = l.job_type
cross join lateral (
    select f.id, coalesce(f.run_at, f.created_at) as since
    from (select j.id, j.run_at, j.created_at, j.started_at, j.last_retried_at, j.depends_on, j.depends_on_tags, j.group_key, j.batch_id
          from ganger.job j where j.lane_id = l.lane_id and j.seq >= l.frontier and j.status = 'pending' order by j.seq limit 100) f
    where f.started_at is null and f.last_retried_at is null and f.depends_on is null and f.depends_on_tags is null and f.group_key is null
      and f.batch_id is null
    limit 1) h;

-- Runnable jobs that nobody takes, while somebody who could has nothing to do; and those where no claim looks. Which pool serves which of
-- the node's queues is not known here. It is sure that an idle worker could take the job where the node has one pool, or where all its
-- pools have nothing to do: nobody holds a job, and for a minute none of its types has ended (who runs short ones often holds nothing).
create function ganger._doctor_runnable(patience interval) returns setof ganger.finding
language sql stable set jit = off set enable_seqscan = off as $$
    with idle as materialized (
        select n.name, s.queues, s.job_types,
               (select count(distinct w.pool) from ganger.worker w where w.node_id = n.id and w.state = 'alive') = 1
               or not exists (select from ganger.worker w where w.node_id = n.id and w.state = 'alive' and ganger._held_jobs(w.id) <> '{}')
                  and not exists (select from ganger.stat_rate r where r.span = 1 and r.began_at > clock_timestamp() - interval '1 min'
                                  and r.completed + r.failed > 0 and r.job_type = any (s.job_types)) as is_sure
        from ganger.node n join ganger.node_service s on s.node_id = n.id
        where n.state = 'alive' and n.idle and n.seen_at > clock_timestamp() - n.lease / 2
    )
    select 'runnable', case when i.is_sure then 'error' else 'notice' end, format('job %s', h.id),
           format('type "%s" of queue "%s", runnable for %s, ', h.job_type, h.queue, ganger._span(clock_timestamp() - h.since))
           || case when i.is_sure then format('while node "%s" has idle workers', i.name)
                   else format('and node "%s" has idle workers, maybe only of pools that do not serve it', i.name) end,
           case when i.is_sure then 'look at the log of that gangerd for db.error and handler.refused'
                else '`ganger workers` shows who is idle: if a pool for that queue is, look at the log of that gangerd for db.error and handler.refused; '
                     'else more workers for the pools that serve it' end
    from ganger._lane_heads h
    cross join lateral (select x.* from idle x where h.queue = any (x.queues) and h.job_type = any (x.job_types)
                        order by x.is_sure desc, x.name limit 1) i
    where h.since < clock_timestamp() - patience and not h.is_queue_shut and not h.is_type_shut
      and not ganger._is_full('queue', h.queue) and not ganger._is_full('job_type', h.job_type)
    union all
    select 'runnable', 'error', format('job %s', j.id), format('runnable since %s, but claims of queue "%s" begin behind it', ganger._iso(coalesce(j.run_at, j.created_at)), l.queue),
           format('update ganger.lane set frontier = 0 where lane_id = %s; -- and report it: this must not happen', l.lane_id)
    from (select x.* from ganger.lane x where x.state <> 'idle' order by x.seen_at limit 100) l
    cross join lateral (select x.id, x.run_at, x.created_at from ganger.job x
                        where x.lane_id = l.lane_id and x.seq < l.frontier and x.status = 'pending' order by x.seq limit 1) j
    -- dead rows stand there, too; and who commits late is met by the next pass
    where (select t.dead from ganger._hot_tables t where t.oid = 'ganger.job'::regclass) < 200000
      and not exists (select from ganger.epoch) and not exists (select from ganger.lane_straggler s where s.job_id = j.id)
$$;

create function ganger._doctor_handlers(patience interval) returns setof ganger.finding language sql stable as $$
    select 'handlers', 'warning', format('job type "%s"', u.job_type),
           format('no live node that serves queue "%s" has a handler for it: its jobs fail, reason no_handler, %s', u.queue,
                  case when x.left > interval '0' then 'in ' || ganger._span(x.left) else 'as they come' end),
           'add it to handlers of a node whose pools serve that queue; handler.refused in the log says when one could not be loaded'
    from ganger.unhandled u
    cross join lateral (select u.since + ganger._setting('no_handler_after', '5 minutes')::interval - clock_timestamp() as left) x
$$;

create function ganger._doctor_queues(patience interval) returns setof ganger.finding language sql stable as $$
    select 'queues', 'warning', format('queue "%s"', h.queue), format('no live node serves it, and jobs wait, the oldest for %s', ganger._span(clock_timestamp() - min(h.since))),
           'add it to the queues of a pool'
    from ganger._lane_heads h
    where not h.is_served and not h.is_outside and exists (select from ganger.node n where n.state = 'alive')
    group by h.queue having min(h.since) < clock_timestamp() - least(patience, interval '10 s')
$$;

-- A queue that is behind, and whether it gets worse. What came in the last minute is counted in the lanes, up to ten thousand a lane; what
-- ended is that of its job types.
create function ganger._doctor_backlog(patience interval) returns setof ganger.finding
language plpgsql stable set jit = off set enable_seqscan = off as $$
declare
    behind record;
    came   bigint;
    ended  bigint;
begin
    for behind in
        select h.queue, min(h.since) as since, array_agg(h.lane_id) as lanes, array_agg(distinct h.job_type) as types
        from ganger._lane_heads h where h.is_handled and not h.is_queue_shut and not h.is_type_shut
        group by h.queue having min(h.since) < clock_timestamp() - patience order by 2 limit 20
    loop
        came := (select count(*) from unnest(behind.lanes) l (id) cross join lateral (
                     select from (select j.created_at from ganger.job j where j.lane_id = l.id and j.seq is not null order by j.seq desc limit 10000) x
                     where x.created_at > clock_timestamp() - interval '1 min') n);
        ended := (select coalesce(sum(r.completed + r.failed), 0) from ganger.stat_rate r
                  where r.span = 1 and r.began_at > clock_timestamp() - interval '1 min' and r.job_type = any (behind.types));
        return next row('backlog', case when came > ended then 'warning' else 'notice' end, format('queue "%s"', behind.queue),
                        format('its oldest job has waited for %s; in the last minute %s came and %s ended', ganger._span(clock_timestamp() - behind.since),
                               came || case when came >= 10000 then ' or more' else '' end, ended),
                        case when came > ended then 'more workers or nodes for it; `ganger workers` shows what they are at, and handler.refused in the log '
                             'of gangerd which handlers are not there' else 'wait; more workers would be sooner done' end)
                    ::ganger.finding;
    end loop;
end $$;

create function ganger._doctor_paused(patience interval) returns setof ganger.finding language sql stable as $$
    select 'paused', 'notice', format('queue "%s"', h.queue), format('it is stopped, and jobs wait, the oldest for %s', ganger._span(clock_timestamp() - min(h.since))),
           case when bool_or(q.paused) then format('select ganger.resume_queue(%L);', h.queue) else format('select ganger.set_queue(%L, concurrency => 1); -- 0 stops it', h.queue) end
    from ganger._lane_heads h join ganger.queue q on q.name = h.queue where h.is_queue_shut group by h.queue
    union all
    select 'paused', 'notice', format('job type "%s"', h.job_type), format('it is stopped, and jobs wait, the oldest for %s', ganger._span(clock_timestamp() - min(h.since))),
           case when bool_or(t.paused) then format('select ganger.resume_job_type(%L);', h.job_type)
                else format('select ganger.set_job_type(%L, concurrency => 1); -- 0 stops it', h.job_type) end
    from ganger._lane_heads h join ganger.job_type t on t.name = h.job_type where h.is_type_shut group by h.job_type
$$;

create function ganger._doctor_schedules(patience interval) returns setof ganger.finding language sql stable as $$
    select 'schedules', 'error', format('schedule "%s"', s.name), format('its tick of %s has made no job', ganger._iso(s.next_at)),
           'start gangerd, or: select ganger.maintain();'
    from ganger.schedule s where not s.paused and s.next_at < clock_timestamp() - patience
    union all
    select 'schedules', 'warning', format('schedule "%s"', s.name), format('its last tick failed: %s', ganger._brief(s.last_error)),
           format('`ganger schedules show %s`, then edit it', s.name)
    from ganger.schedule s where not s.paused and s.last_error is not null
    union all
    select 'schedules', 'warning', format('schedule "%s"', s.name), format('no live node has a handler for its job type "%s"', s.job_type), 'add one to handlers'
    from ganger.schedule s
    where not s.paused and exists (select from ganger.node n where n.state = 'alive')
      and not exists (select from ganger.node n join ganger.node_service v on v.node_id = n.id where n.state = 'alive' and s.job_type = any (v.job_types))
      and not exists (select from ganger.outside_claim o where o.job_type in ('', s.job_type) and o.at > clock_timestamp() - interval '24 h')
$$;

-- Results that are written down, but not applied: somebody holds the row of the job.
create function ganger._doctor_results(patience interval) returns setof ganger.finding language sql stable as $$
    select 'results', 'warning', format('job %s', l.job_id), format('its result has waited for %s: an open transaction holds the job', ganger._span(clock_timestamp() - l.ended_at)),
           'end that transaction: see the check "snapshots"'
    from (select x.job_id, x.ended_at from ganger.late_result x where not ganger._is_note(x.outcome) order by x.id limit 20) l
    where l.ended_at < clock_timestamp() - patience
$$;

-- All checks. The names in what they say are complete ones, so that they can be copied.
create function ganger._findings(patience interval) returns setof ganger.finding
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    part record;
    n    bigint;
begin
    for part in
        select p.* from (values
            ('server', 'what is committed is on disk before it is answered'),
            ('snapshots', 'nobody holds a transaction open for long'),
            ('slots', 'each replication slot is read'),
            ('archive', 'WAL is archived where it should be, and no more of it is kept than wanted'),
            ('autovacuum', 'it is on, and keeps up'),
            ('bloat', 'no table is much larger than its rows'),
            ('connections', 'there are enough'),
            ('partitions', 'this week''s and next week''s are there, the default ones are empty'),
            ('schema', 'all is as the migrations made it'),
            ('rights', 'the roles are there, and nothing is for everybody'),
            ('timezones', 'the server knows those of all schedules'),
            ('nodes', 'all that should be alive show it, and one does the cluster duties'),
            ('clocks', 'no node''s clock is more than 2 s off the database''s'),
            ('poolers', 'all nodes have direct connections'),
            ('running', 'whatever runs has a live worker, and is within its time'),
            ('due', 'nothing due is left lying'),
            ('waiting', 'whatever waits has something to wait for'),
            ('runnable', 'no runnable job waits while a worker has nothing to do'),
            ('backlog', 'no queue is behind'),
            ('handlers', 'each job type that is waited for has a handler'),
            ('queues', 'each queue with jobs is served'),
            ('paused', 'nothing waits for an operator'),
            ('schedules', 'all have run when they should'),
            ('results', 'all results are written')) p (name, fine)
    loop
        begin
            return query execute format('select * from ganger._doctor_%s($1)', part.name) using patience;
            get diagnostics n = row_count;
        exception when others then
            -- one that cannot be made must not hide the others
            n := 1;
            return next row(part.name, 'error', 'this check', format('it could not be made: %s', sqlerrm), 'report it')::ganger.finding;
        end;
        if n = 0 then
            return next row(part.name, 'ok', null, part.fine, null)::ganger.finding;
        end if;
    end loop;
end $$;

-- Looks for what is wrong. A row for each thing found; a check that found nothing has one row, severity ok. Severities: ok, notice (nothing
-- to do now), warning, error. Reads statistics, catalogs and a few rows by an index, so it is quick with any number of jobs; changes nothing.
-- For people: the words may change, check_name and severity are kept.
--
--   patience   what has lasted for less is not worth a word
-- Errors: 22023 patience missing or below zero.
create function ganger.doctor(patience interval default '5 min') returns setof ganger.finding
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform ganger._raise_problem(case when patience is null then '22023 patience is missing'
                                       else ganger._duration_problem('patience', patience, true) end);
    return query select * from ganger._findings(patience);
end $$;
