-- The views, and who sees what in them. `jobs` only ever gains columns at the end. Each arm reads one table, so that a condition on
-- id reaches its indexes.

-- Who asks: the role that SET ROLE has put on, else the one that logged in. Not current_user, which in a function with its owner's
-- rights is that owner, and not a setting of ours, which anybody could set.
create function ganger._caller() returns name language sql stable parallel safe as $$
    select coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$$;

-- A session may bind itself further, to one owner, to some queues, or both, by the settings ganger.bound_owner and ganger.bound_queues (a
-- text[]; '' = not bound): the HTTP API does so for a token that is bound. That only ever takes away, so it needs no right.
create function ganger._session_owner() returns text language sql stable parallel safe as $$
    select nullif(current_setting('ganger.bound_owner', true), '')
$$;

create function ganger._session_queues() returns text[] language sql stable parallel safe as $$
    select nullif(current_setting('ganger.bound_queues', true), '')::text[]
$$;

-- May the session be at jobs of this queue? (Inlined.)
create function ganger._in_session(queue text) returns boolean language sql stable parallel safe as $$
    select coalesce(queue = any (ganger._session_queues()), true)
$$;

create function ganger._is_session_bound() returns boolean language sql stable parallel safe as $$
    select coalesce(current_setting('ganger.bound_owner', true), '') <> '' or coalesce(current_setting('ganger.bound_queues', true), '') <> ''
$$;

-- Has that role rights that let it act for every owner (reads: see the jobs of every owner)? Rights count that need no SET ROLE. Only to be
-- called with the rights of the schema's owner. (Inlined.)
create function ganger._has_free_rights(who name, reads boolean) returns boolean language sql stable parallel safe as $$
    select pg_has_role(who, current_user, 'USAGE') -- that owner; a superuser has every role
        or pg_has_role(who, 'ganger_worker', 'USAGE') or pg_has_role(who, 'ganger_operator', 'USAGE')
        or pg_has_role(who, 'ganger_admin', 'USAGE') or pg_has_role(who, 'ganger_api_producer', 'USAGE') or (reads and pg_has_role(who, 'ganger_reader', 'USAGE'))
$$;

-- May that role act for every owner (see the jobs of every owner)? Else it is bound to one: ganger._bound_owner.
create function ganger._is_free(who name, reads boolean) returns boolean language plpgsql stable parallel safe as $$
begin
    if ganger._has_free_rights(who, reads) then
        return true;
    end if;
    return exists (select from ganger.role_owner o join pg_roles r on r.oid = o.role where r.rolname = who and o.owner = '*');
end $$;

-- The one owner a role acts for that is not free.
create function ganger._bound_owner(who name) returns text language plpgsql stable parallel safe as $$
begin
    return coalesce((select o.owner from ganger.role_owner o join pg_roles r on r.oid = o.role
                     where r.rolname = who and o.owner <> '*'), who::text);
end $$;

-- The two that the views ask, once per statement: functions in a view run with the rights of who reads it, so that here current_user is
-- known as well, and somebody's function that runs with its owner's rights sees no more than that owner does.
create function ganger._sees_all(invoker name) returns boolean
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._session_owner() is null and ganger._is_free(ganger._caller(), true) and (invoker = current_user or ganger._is_free(invoker, true));
end $$;

create function ganger._sees_owner(invoker name) returns text
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    who     constant name := ganger._caller();
    subject constant name := case when ganger._is_free(who, true) then invoker else who end;
    own     constant text := case when not ganger._is_free(subject, true) then ganger._bound_owner(subject) end;
begin
    return case when own <> ganger._session_owner() then null else coalesce(own, ganger._session_owner()) end;
end $$;

-- The queues that the view shows: null: all.
create function ganger._sees_queues() returns text[]
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    return ganger._session_queues();
end $$;

-- The functions cannot know for whom they were called where PostgreSQL itself runs somebody's code inside another's session: ANALYZE,
-- autovacuum and REINDEX the function of an index, REFRESH MATERIALIZED VIEW a query. The session may be a superuser's then, so that
-- whoever made the index would be free. There UNLISTEN is refused (42501), and elsewhere this one does nothing: so that is what the
-- functions below do, and enqueue, before they let a caller be free. (The views need it not: they know current_user.)

-- Is the caller the schema's owner, a member of its role or a superuser, who is bound to nobody? So after UNLISTEN. (One whose session
-- is bound is not; nor is one who has said SET ROLE, which _acting_owner takes the longer way to find out.) Inlined where it is called,
-- with the rights of the schema's owner.
create function ganger._is_at_home() returns boolean language sql stable parallel safe as $$
    select pg_has_role(session_user, current_user, 'USAGE') and current_setting('role') = 'none'
       and concat(current_setting('ganger.bound_owner', true), current_setting('ganger.bound_queues', true)) = ''
$$;

-- For functions that write: the owner a job gets, or must have, when the caller says `owner`. Null: it said none, and may act for
-- any. Raises 42501 when the caller is bound to another. Made to cost the schema's owner and a superuser one microsecond.
create function ganger._acting_owner(owner text) returns text language plpgsql volatile as $$
begin
    if ganger._is_at_home() then
        unlisten ganger_nobody;
        return owner;
    end if;
    return ganger._guest_owner(owner);
end $$;

-- The same for who is known not to be at home. Two short looks: what the role may, and what role_owner says of it; each statement counts,
-- as applications enqueue as such roles.
create function ganger._guest_owner(owner text) returns text language plpgsql volatile as $$
declare
    who     constant name := ganger._caller();
    session constant text := ganger._session_owner();
    own     text; -- null: any
begin
    if not ganger._has_free_rights(who, false) then
        select o.owner into own from ganger.role_owner o where o.role = to_regrole(quote_ident(who));
        own := case when own is null then who::text when own <> '*' then own end;
    end if;
    if own is null then
        unlisten ganger_nobody;
        if session is null then
            return owner;
        end if;
        own := session;
    end if;
    if session <> own or (session is not null and owner <> own) then
        raise exception 'this access is bound to the jobs of owner "%"', session using errcode = '42501', column = 'owner',
            hint = 'Leave the owner out, or use a token that is not bound.';
    elsif owner <> own then
        raise exception 'role "%" acts for owner "%", not for "%"', who, own, owner using errcode = '42501',
            hint = 'Leave the owner out. ganger.set_role_owner(role, owner) changes whom a role acts for.';
    end if;
    return own;
end $$;

-- The entries of enqueue_many() for a caller that is bound to an owner: each with that owner.
create function ganger._own_jobs(jobs jsonb) returns jsonb language plpgsql volatile as $$
declare
    own constant text := ganger._acting_owner(null);
    bad record;
begin
    select e.value ->> 'owner' as owner, e.ordinality - 1 as place into bad
    from jsonb_array_elements(jobs) with ordinality e where e.value ->> 'owner' <> own order by e.ordinality limit 1;
    if found then
        raise exception 'jobs[%]: role "%" acts for owner "%", not for "%"', bad.place, ganger._caller(), own, bad.owner
            using errcode = '42501',
            hint = 'Leave the owner out. ganger.set_role_owner(role, owner) changes whom a role acts for.';
    end if;
    perform ganger._check_queue(coalesce(e.value ->> 'queue', 'default'), format('jobs[%s]: ', e.ordinality - 1))
    from jsonb_array_elements(jobs) with ordinality e;
    if own is null then
        return jobs;
    end if;
    return (select jsonb_agg(e.value || jsonb_build_object('owner', own) order by e.ordinality)
            from jsonb_array_elements(jobs) with ordinality e);
end $$;

-- Raises 42501 where the session is bound to other queues than this one. (An expression of its own where it is called: it costs a job
-- of nobody's nothing.)
create function ganger._check_queue(queue text, place text default '') returns void language plpgsql stable as $$
begin
    if queue <> all (ganger._session_queues()) then
        raise exception '%this access is bound to the queues %, "%" is none of them', place, array_to_string(ganger._session_queues(), ', '), queue
            using errcode = '42501', column = 'queue', hint = 'Name one of them, or use a token that is not bound.';
    end if;
end $$;

-- For functions that read: the only owner whose jobs the caller may see; null: those of all.
create function ganger._visible_owner() returns text language plpgsql volatile as $$
declare
    who     constant name := ganger._caller();
    session constant text := ganger._session_owner();
    own     text;
begin
    if pg_has_role(who, current_user, 'USAGE') or ganger._is_free(who, true) then
        unlisten ganger_nobody;
        return session;
    end if;
    own := ganger._bound_owner(who);
    if session <> own then
        raise exception 'this access is bound to the jobs of owner "%", the role "%" to those of "%"', session, who, own using errcode = '42501';
    end if;
    return own;
end $$;

-- May the caller see this job, of which the owner (null: nobody's) and the queue are known?
create function ganger._may_see(owner text, queue text) returns boolean language plpgsql volatile as $$
declare
    own constant text := ganger._visible_owner();
begin
    return (own is null or coalesce(owner = own, false)) and ganger._in_session(queue);
end $$;

-- May the caller see the job with this id? False also for one that does not exist, so that nobody learns of the others; somebody who may
-- see all gets true for any.
create function ganger._may_see_job(id bigint) returns boolean
language plpgsql volatile
set jit = off set enable_seqscan = off as $$
declare
    own    constant text := ganger._visible_owner();
    queues constant text[] := ganger._session_queues();
begin
    return own is null and queues is null
        or exists (select from ganger.job j where j.id = _may_see_job.id and (own is null or j.owner = own)
                   and (queues is null or j.queue = any (queues)))
        or exists (select from ganger.history h where h.id = _may_see_job.id and (own is null or h.owner = own)
                   and (queues is null or h.queue = any (queues)));
end $$;

-- The same as a condition for SQL text over a table `j`: empty, or ' and ...'.
create function ganger._visible_sql() returns text language plpgsql volatile as $$
declare
    own    constant text := ganger._visible_owner();
    queues constant text[] := ganger._session_queues();
begin
    return case when own is null then '' else format(' and j.owner = %L', own) end
        || case when queues is null then '' else format(' and j.queue = any (%L::text[])', queues) end;
end $$;

create function ganger._worker_text(worker_id bigint, worker_name text) returns text
language sql immutable parallel safe return coalesce(worker_name, worker_id::text);

-- (PL/pgSQL keeps its plan; in SQL each statement that asks would plan it anew.)
create function ganger._node_name(worker_id bigint) returns text
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return (select n.name from ganger.worker w join ganger.node n on n.id = w.node_id where w.id = _node_name.worker_id);
end $$;

create function ganger._worker_pid(worker_id bigint) returns integer
language sql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select w.pid from ganger.worker w where w.id = worker_id
$$;

-- When the token that a job waits for times out. (PL/pgSQL: the table comes with a later file.)
create function ganger._token_timeout(token text) returns timestamptz
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off as $$
begin
    return (select t.timeout_at from ganger.token t where t.token = _token_timeout.token);
end $$;

-- Does a limit of this queue or job type (`kind`) let no other job start now? (A function, as the planner takes the tables of limits for long
-- and each count for dear as long as nothing is known of them: a look at one job would then be compiled for a second.)
create function ganger._is_full(kind text, name text) returns boolean
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    if kind = 'queue' then
        return exists (
            select from ganger.queue q
            where q.name = _is_full.name
              and (q.concurrency <= (select count(*) from ganger._processing r where r.queue = _is_full.name)
                   or q.rate <= (select sum(u.jobs) from ganger.rate_use u
                                 where u.kind = 'queue' and u.key = _is_full.name and u.at > clock_timestamp() - q.rate_period
                                   and u.at < clock_timestamp() + q.rate_period)));
    end if;
    return exists (
        select from ganger.job_type t
        where t.name = _is_full.name
          and t.concurrency <= (select count(*) from ganger._processing r where r.job_type = _is_full.name));
end $$;

-- The private views show everything, for functions that have asked who calls.
create view ganger._attempts as
select a.job_id, a.attempt, a.outcome, a.error, a.exit_code, a.signal, make_interval(secs => a.cpu_us / 1e6) as cpu_time,
       a.max_rss, ganger._node_name(a.worker_id) as node, ganger._worker_text(a.worker_id, a.worker_name) as worker,
       ganger._worker_pid(a.worker_id) as pid, a.started_at, a.finished_at, a.log
from ganger.attempt a
union all
select j.id, j.attempts, null, null, null, null, null, null, ganger._node_name(j.worker_id),
       ganger._worker_text(j.worker_id, j.worker_name), ganger._worker_pid(j.worker_id), j.started_at, null, j.log
from ganger.job j where j.status = 'processing'
union all
select h.id, h.attempts, coalesce(h.outcome, h.failure_reason, h.status::text), case when h.status = 'failed' then h.error end,
       h.exit_code, h.signal, make_interval(secs => h.cpu_us / 1e6), h.max_rss, ganger._node_name(h.worker_id),
       ganger._worker_text(h.worker_id, h.worker_name), ganger._worker_pid(h.worker_id), h.started_at, h.finished_at, h.log
from ganger.history h where h.lease_id is not null;

create view ganger.attempts with (security_barrier) as
select a.* from ganger._attempts a
where ((select ganger._sees_all(current_user))
       or exists (select from ganger.job j where j.id = a.job_id and j.owner = (select ganger._sees_owner(current_user)))
       or exists (select from ganger.history h where h.id = a.job_id and h.owner = (select ganger._sees_owner(current_user))))
  and ((select ganger._sees_queues()) is null
       or exists (select from ganger.job j where j.id = a.job_id and j.queue = any ((select ganger._sees_queues())::text[]))
       or exists (select from ganger.history h where h.id = a.job_id and h.queue = any ((select ganger._sees_queues())::text[])));

-- The failed attempts of a job, oldest first, as jobs.error_history shows them. Reads the public view: it can be called by itself.
create function ganger._error_history(job_id bigint) returns jsonb
language sql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off as $$
    select coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'message', a.error, 'reason',
               case a.outcome when 'node_lost' then 'crashed' else a.outcome end, 'at', a.finished_at)
               order by a.finished_at), '[]')
    from ganger.attempts a
    where a.job_id = _error_history.job_id
      and a.outcome in ('error', 'timeout', 'crashed', 'node_lost', 'discarded', 'no_handler', 'expired')
$$;

-- Live jobs, and ended ones: for who knows which it is.
create view ganger._live_jobs as
select j.id, j.job_type, j.queue, j.status::text as status,
       case when j.status <> 'pending' then null when j.seq is null then j.pending_reason
            when j.queue = any (array(select q.name from ganger.queue q where q.paused))
                 or j.job_type = any (array(select t.name from ganger.job_type t where t.paused)) then 'paused'
            when j.queue = any (array(select q.name from ganger.queue q
                                      where (q.concurrency is not null or q.rate is not null) and ganger._is_full('queue', q.name)))
                 or j.job_type = any (array(select t.name from ganger.job_type t
                                            where t.concurrency is not null and ganger._is_full('job_type', t.name)))
            then 'limited' end as pending_reason,
       j.priority::integer as priority, j.payload,
       j.attempts, j.max_attempts, j.crashes::integer as crashes, coalesce(j.run_at, j.created_at) as run_at,
       j.due_at as next_attempt_at, j.timeout, j.kill_grace, coalesce(j.retry_delay, interval '60 s') as retry_delay,
       coalesce(j.retry_backoff, true) as retry_backoff, j.retry_delay_max, j.expires_at, j.tags, j.idempotency_key,
       j.unique_key, j.group_key, j.depends_on, j.depends_on_tags, j.dead_letter_job_type, j.dead_letter_job_id,
       j.dead_letter_of, j.batch_id, j.owner, j.metadata, coalesce(j.progress, 0)::integer as progress, j.progress_message, j.stage,
       j.output, j.error, case when j.last_failed_at is not null then ganger._error_history(j.id) else '[]' end as error_history,
       j.failure_reason, case when j.failure_reason is not null then true end as will_retry,
       ganger._worker_text(j.worker_id, j.worker_name) as worker,
       case when j.worker_id is not null then ganger._node_name(j.worker_id) end as node,
       case when j.wait_token is not null then ganger._token_timeout(j.wait_token)
            when j.status = 'waiting' then j.due_at end as wait_until,
       j.wait_token, j.created_at, j.started_at, null::timestamptz as finished_at,
       j.last_failed_at, j.last_retried_at, j.last_cancelled_at
from ganger.job j;

create view ganger._ended_jobs (id, job_type, queue, status, pending_reason, priority, payload, attempts, max_attempts, crashes, run_at,
    next_attempt_at, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, expires_at, tags, idempotency_key, unique_key,
    group_key, depends_on, depends_on_tags, dead_letter_job_type, dead_letter_job_id, dead_letter_of, batch_id, owner, metadata, progress,
    progress_message, stage, output, error, error_history, failure_reason, will_retry, worker, node, wait_until, wait_token, created_at,
    started_at, finished_at, last_failed_at, last_retried_at, last_cancelled_at) as
select h.id, h.job_type, h.queue, h.status::text, null::text, h.priority::integer, h.payload, h.attempts, h.max_attempts,
       h.crashes::integer, coalesce(h.run_at, h.created_at), null::timestamptz, h.timeout, h.kill_grace,
       coalesce(h.retry_delay, interval '60 s'), coalesce(h.retry_backoff, true), h.retry_delay_max, h.expires_at, h.tags,
       h.idempotency_key, h.unique_key, h.group_key, h.depends_on, h.depends_on_tags, h.dead_letter_job_type,
       h.dead_letter_job_id, h.dead_letter_of, h.batch_id, h.owner, h.metadata,
       case when h.status = 'completed' then 100 else coalesce(h.progress, 0)::integer end, h.progress_message,
       h.stage, h.output, h.error,
       case when h.last_failed_at is not null then ganger._error_history(h.id) else '[]' end, h.failure_reason,
       case when h.status = 'failed' then false end, ganger._worker_text(h.worker_id, h.worker_name),
       case when h.worker_id is not null then ganger._node_name(h.worker_id) end, null::timestamptz, null::text, h.created_at, h.started_at,
       h.finished_at, h.last_failed_at, h.last_retried_at, h.last_cancelled_at
from ganger.history h;

create view ganger._jobs as select * from ganger._live_jobs union all select * from ganger._ended_jobs;

create view ganger.jobs with (security_barrier) as
select j.* from ganger._jobs j
where ((select ganger._sees_all(current_user)) or j.owner = (select ganger._sees_owner(current_user)))
  and ((select ganger._sees_queues()) is null or j.queue = any ((select ganger._sees_queues())::text[]));

-- For SQL handlers: a running job as the view jobs shows it. A statement on the view would be made ready for all that a job may
-- be first, which takes longer than many a handler. node: the name of the node whose worker runs it, if the caller knows it. Null: the lease is
-- stale. (One value, as to take each column by itself costs a tenth more. It has the columns of the view, all of them.)
create function ganger._running_job(id bigint, lease_id uuid, node text default null) returns ganger.jobs
language plpgsql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return (select row(j.id, j.job_type, j.queue, 'processing', null, j.priority, j.payload, j.attempts, j.max_attempts, j.crashes,
                coalesce(j.run_at, j.created_at), j.due_at, j.timeout, j.kill_grace, coalesce(j.retry_delay, interval '60 s'),
                coalesce(j.retry_backoff, true), j.retry_delay_max, j.expires_at, j.tags, j.idempotency_key,
                j.unique_key, j.group_key, j.depends_on, j.depends_on_tags, j.dead_letter_job_type, j.dead_letter_job_id,
                j.dead_letter_of, j.batch_id, j.owner, j.metadata, coalesce(j.progress, 0), j.progress_message, j.stage,
                j.output, j.error, case when j.last_failed_at is not null then ganger._error_history(j.id) else '[]' end,
                j.failure_reason, case when j.failure_reason is not null then true end,
                ganger._worker_text(j.worker_id, j.worker_name),
                case when j.worker_id is not null then coalesce(_running_job.node, ganger._node_name(j.worker_id)) end,
                case when j.wait_token is not null then ganger._token_timeout(j.wait_token) end,
                j.wait_token, j.created_at, j.started_at, null,
                j.last_failed_at, j.last_retried_at, j.last_cancelled_at)::ganger.jobs
            from ganger.job j
            where j.id = _running_job.id and j.lease_id = _running_job.lease_id and j.status = 'processing');
end $$;

-- What a worker of gangerd runs, by id. (A function, as the plan of a view is made by whoever reads it.)
create function ganger._held_jobs(worker bigint) returns bigint[]
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return array(select j.id from ganger.job j
                 where j.id = any (ganger._claimed_ids(worker)) and j.worker_id = worker and j.status = 'processing' order by j.id);
end $$;

-- Of the job that a worker runs. (A function for the same reason.)
create function ganger._job_brief(id bigint, out job_type text, out started_at timestamptz)
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    select j.job_type, j.started_at into job_type, started_at from ganger.job j where j.id = _job_brief.id;
end $$;

-- One process of a node as its last heartbeat told it; null: it told nothing.
create function ganger._process_usage(process bigint, ids bigint[], cpu_us bigint[], share bigint[], rss bigint[],
                                      out cpu_time interval, out cpu_share double precision, out rss_bytes bigint)
language sql immutable parallel safe set search_path = pg_catalog, ganger, pg_temp as $$
    select make_interval(secs => cpu_us[p.i] / 1e6), nullif(share[p.i], -1) / 1e3::double precision, rss[p.i]
    from (select array_position(ids, process) as i) p
$$;

create view ganger.nodes with (security_barrier) as
select n.id, n.name, n.state, n.host, n.pid, n.version, n.started_at, n.seen_at, n.ended_at, n.lease,
       (select count(*) from ganger.worker w where w.node_id = n.id and w.state = 'alive') as workers,
       (select coalesce(sum(cardinality(ganger._held_jobs(w.id))), 0)::bigint from ganger.worker w
        where w.node_id = n.id and w.state = 'alive') as processing,
       n.state = 'alive' and exists (select from ganger.duty d where d.node_id = n.id and d.until > clock_timestamp()) as leader,
       n.clock_offset, n.cpu_count, n.load,
       (select jsonb_object_agg(p.name, jsonb_build_object('cpu_seconds', round(extract(epoch from u.cpu_time), 2),
                                                           'cpu_share', u.cpu_share, 'rss', u.rss_bytes))
        from (values ('supervisor', -1), ('reaper', -2), ('api', -3)) p (name, id),
             ganger._process_usage(p.id, n.usage_ids, n.usage_cpu_us, n.usage_share, n.usage_rss) u
        where n.state = 'alive' and u.rss_bytes is not null) as processes
from ganger.node n;

create view ganger.workers with (security_barrier) as
select w.id, n.name as node, w.pool, w.pid,
       case when w.state = 'dead' then 'dead' when h.ids <> '{}' then 'busy' else 'idle' end as state,
       h.ids[1] as job_id, w.started_at, w.ended_at, cardinality(h.ids)::bigint as held,
       b.job_type, b.started_at as job_started_at, u.cpu_time, u.cpu_share, u.rss_bytes as rss,
       w.state <> 'dead' and w.id in (select u.worker_id from ganger.unwanted_worker u) as is_ending
from ganger.worker w
join ganger.node n on n.id = w.node_id
cross join lateral (select case when w.is_cleared then '{}' else ganger._held_jobs(w.id) end as ids offset 0) h
-- neither is asked for a dead worker
left join lateral (select j.* from ganger._job_brief(h.ids[1]) j where h.ids <> '{}') b on true
left join lateral (select p.* from ganger._process_usage(w.id, n.usage_ids, n.usage_cpu_us, n.usage_share, n.usage_rss) p
                   where w.state <> 'dead') u on true;
