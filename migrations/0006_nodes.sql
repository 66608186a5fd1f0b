-- Nodes and workers: who is there, who is gone, and what becomes of the jobs they held.

-- All that is being run. By the ids that claims have named, so that the index of these needs no entry for each job that has ever run.
-- An old snapshot knows jobs that run, and whose claim has gone since: so it does not go by the floor.
create view ganger._processing as
select j.* from ganger.job j
where j.id = any (array(select unnest(c.job_ids) from ganger.worker_claim c
                        where c.n >= (select case when current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
                                                  then pg_sequence_last_value('ganger.claim_floor'::regclass) else 0 end)
                        union all select unnest(l.job_ids) from ganger.long_claim l))
  and j.status = 'processing' and j.worker_id is not null
union all
select j.* from ganger.job j where j.wait_token is null and j.lease_until is not null and j.status = 'processing';

-- What a worker's claims have named; what it holds is among them.
create function ganger._claimed_ids(worker bigint) returns bigint[]
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    return array(select unnest(c.job_ids) from ganger.worker_claim c
                 where c.n >= (select case when current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
                                           then pg_sequence_last_value('ganger.claim_floor'::regclass) else 0 end)
                   and c.worker_id = worker
                 union select unnest(l.job_ids) from ganger.long_claim l where l.worker_id = worker);
end $$;

-- Deletes claims nothing of which runs any more. Returns how many.
create function ganger._forget_claims() returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    floor  constant bigint := pg_sequence_last_value('ganger.claim_floor'::regclass);
    leases uuid[];
    n      integer;
begin
    leases := array(
        select x.lease_id
        from (select c.lease_id, c.job_ids from ganger.worker_claim c where c.n >= floor
              union all select l.lease_id, l.job_ids from ganger.long_claim l) x
        where not exists (select from ganger.job j
                          where j.id = any (x.job_ids) and j.lease_id = x.lease_id));
    if leases = '{}' then
        return 0;
    end if;
    delete from ganger.long_claim l
    where l.lease_id = any (array(select x.lease_id from ganger.long_claim x where x.lease_id = any (leases) for update skip locked));
    delete from ganger.worker_claim c
    where c.lease_id = any (array(select x.lease_id from ganger.worker_claim x where x.lease_id = any (leases) for update skip locked));
    get diagnostics n = row_count;
    return n;
end $$;

-- Registers a node (one incarnation of a supervisor). The caller has made sure that no live node has this name
-- (node_conflicts). Returns its id. Raises 23505 when another one was quicker.
create function ganger._register_node(name text, host text, boot_id text, pid integer, process_start bigint, lease interval,
                                      version text)
returns bigint language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    insert into ganger.node (name, host, boot_id, pid, process_start, lease, version)
    values (name, host, boot_id, pid, process_start, lease, version) returning id
$$;

-- Counts one up; observers judge by that. clock_offset: how far the node's wall clock is before the database's, for people to look at; null:
-- not known now. False: this node has been buried. It does not wait for a synchronous standby: one that is
-- away holds up every commit, but is no reason to kill what runs, and a heartbeat that a failover forgets is made up for by the next.
-- What the machine and the node's processes use comes along and stands in the same row: rows of workers, which every claim reads, must
-- not change each few seconds.
create function ganger._heartbeat_node(node bigint, clock_offset interval default null, cpu_count integer default null,
                                       load real default null, usage_ids bigint[] default null, usage_cpu_us bigint[] default null,
                                       usage_share bigint[] default null, usage_rss bigint[] default null) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform set_config('synchronous_commit', 'local', true);
    update ganger.node n
    set heartbeat = n.heartbeat + 1, seen_at = clock_timestamp(), clock_offset = coalesce(_heartbeat_node.clock_offset, n.clock_offset),
        cpu_count = _heartbeat_node.cpu_count, load = _heartbeat_node.load, usage_ids = _heartbeat_node.usage_ids,
        usage_cpu_us = _heartbeat_node.usage_cpu_us, usage_share = _heartbeat_node.usage_share, usage_rss = _heartbeat_node.usage_rss
    where n.id = node and n.state = 'alive';
    return found;
end $$;

-- When this session's backend began: with its pid that names it for good. Not to be asked with the rights of the schema's owner, to
-- whom another role's session does not show it: so it is the default of a parameter, which belongs to the caller's statement.
create function ganger._backend_start() returns timestamptz language sql stable as $$
    select a.backend_start from pg_catalog.pg_stat_activity a where a.pid = pg_catalog.pg_backend_pid()
$$;

-- Registers a worker with the backend it talks through, which behind a pooler is not written down: that serves others too, and must
-- never be ended. Refused (null) unless its node is alive.
create function ganger._register_worker(node bigint, pool text, pid integer, process_start bigint, pooled boolean,
                                        began timestamptz default ganger._backend_start())
returns bigint language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    worker bigint;
begin
    perform from ganger.node n where n.id = node and n.state = 'alive' for key share;
    if not found then
        return null;
    end if;
    insert into ganger.worker (node_id, pool, pid, process_start, backend_pid, backend_start)
    values (node, pool, pid, process_start, pg_backend_pid(), case when not pooled then began end)
    returning id into worker;
    return worker;
end $$;

-- A worker on a new connection. A claim still in flight on the old one (the caller has ended that backend where it could) is
-- refused from here on, and what was claimed without the answer arriving (not known by its lease) goes back uncounted. After a failover
-- that lost something the worker may know a job by a lease that never was here. Returns the worker's new link; null: it is no longer alive.
-- It always writes: a worker whose commit was not confirmed comes here first, and what it reads afterwards (a result that is there already) is
-- no less durable than this.
create function ganger._reattach_worker(worker bigint, known_ids bigint[], known_leases uuid[], pooled boolean,
                                        began timestamptz default ganger._backend_start()) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    unknown  bigint[];
    leases   uuid[];
    new_link integer;
begin
    perform from ganger.worker w where w.id = worker and w.state = 'alive' for update; -- waits for a claim's KEY SHARE
    if not found then
        return null;
    end if;
    update ganger.worker w
    set link = w.link + 1, backend_pid = pg_backend_pid(), backend_start = case when not pooled then began end
    where w.id = worker
    returning w.link into new_link;
    select array_agg(j.id), array_agg(j.lease_id) into unknown, leases from ganger.job j
    where j.id = any (ganger._claimed_ids(worker)) and j.worker_id = worker and j.status = 'processing'
      and not exists (select from unnest(known_ids, known_leases) k (id, lease_id) where k.id = j.id and k.lease_id = j.lease_id)
      and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id
                      and not ganger._is_note(l.outcome));
    if unknown is not null then
        perform ganger._release(unknown, leases, 'the answer to its claim was lost');
    end if;
    return new_link;
end $$;

-- Step 1 of settling: from here on the worker's claims are refused; a claim in flight has ended when this returns.
create function ganger._mark_worker_dead(worker bigint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    perform from ganger.worker w where w.id = worker for update; -- waits for a claim's KEY SHARE
    update ganger.worker w set state = 'dead', ended_at = clock_timestamp() where w.id = worker and w.state <> 'dead';
end $$;

-- Step 3 of settling: everything the database says that worker holds.
--
--   done_*       results found in its slot (parallel arrays); outcome completed | error | program_crashed | discarded | snoozed
--   running_id, running_lease, running_outcome, running_message, ...   the job that was running (null: none), charged
--   charge_rest  true when the evidence is gone: the rest is charged as node_lost, else given back uncounted
-- Returns how many were finished, charged and given back, and for the log the first of those charged or given back as the rest, each
-- as its id and type; what an earlier call has settled does not count. Waits for no row: what
-- somebody's open transaction holds is written down and applied when that has ended.
create function ganger._settle_worker(worker bigint,
    done_ids bigint[], done_leases uuid[], done_outcomes text[], done_bodies text[], done_delays_ms bigint[],
    done_ran_us bigint[], done_ago_us bigint[], done_cpu_us bigint[], done_max_rss bigint[], done_logs text[],
    running_id bigint, running_lease uuid, running_outcome text, running_message text,
    exit_code integer, signal integer, cpu_us bigint, max_rss bigint, log text, ran_us bigint,
    charge_rest boolean, rest_message text)
returns table (finished integer, charged integer, released integer, rest_jobs text)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_variable
declare
    held    bigint[] := array(
        select j.id from ganger.job j
        where j.id = any (ganger._claimed_ids(worker)) and j.worker_id = worker and j.status = 'processing'
        order by j.id for update skip locked);
    item    record;
    rest_ids    bigint[]; -- what it holds besides
    rest_leases uuid[];
    rest        text[];   -- the first of them
begin
    finished := 0;
    charged := 0;
    released := 0;
    for item in
        select d.* from unnest(done_ids, done_leases, done_outcomes, done_bodies, done_delays_ms, done_ran_us, done_ago_us,
                               done_cpu_us, done_max_rss, done_logs)
                        d (id, lease, outcome, body, delay_ms, ran, ago, cpu, rss, log)
        order by d.id
    loop
        finished := finished + ganger._settle_held(held, item.id, item.lease, item.outcome, item.body, item.delay_ms,
            (null, null, item.cpu, item.rss, item.log, item.ran, item.ago)::ganger.attempt_facts)::integer;
    end loop;
    if running_id is not null then
        charged := ganger._settle_held(held, running_id, running_lease, running_outcome, running_message, null,
            (exit_code, signal, cpu_us, max_rss, log, ran_us, null)::ganger.attempt_facts)::integer;
    end if;
    select coalesce(array_agg(j.id order by j.id), '{}'), coalesce(array_agg(j.lease_id order by j.id), '{}'),
           (array_agg(format('%s %s', j.id, j.job_type) order by j.id))[1:20]
    into rest_ids, rest_leases, rest from ganger.job j
    where j.id = any (ganger._claimed_ids(worker)) and j.worker_id = worker and j.status = 'processing'
      and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id
                      and not ganger._is_note(l.outcome));
    if charge_rest then
        for item in select * from unnest(rest_ids, rest_leases) r (id, lease) loop
            charged := charged + ganger._settle_held(held, item.id, item.lease, 'node_lost', rest_message, null, null)::integer;
        end loop;
    else
        released := ganger._release(rest_ids, rest_leases, rest_message);
    end if;
    rest_jobs := coalesce(array_to_string(rest, ', '), '');
    return next;
end $$;

-- Buries a node whose heartbeat is still what the observer saw for too long. All its workers are dead from here on.
-- Returns their ids, and a null in any case; no row: the node lives, or somebody else was quicker.
create function ganger._bury_node(node bigint, heartbeat bigint) returns setof bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
#variable_conflict use_variable
begin
    -- waits for a registration's KEY SHARE, which a plain update would not
    perform from ganger.node n where n.id = node and n.heartbeat = heartbeat and n.state = 'alive' for update;
    if not found then
        return;
    end if;
    update ganger.node n set state = 'dead', idle = false, ended_at = clock_timestamp() where n.id = node;
    perform from ganger.worker w where w.node_id = node and w.state = 'alive' order by w.id for update;
    return query
    update ganger.worker w set state = 'dead', ended_at = clock_timestamp()
    where w.node_id = node and w.state = 'alive' returning w.id;
    return next null;
end $$;

-- The processes of a node's live workers, for its heir on the same machine.
create function ganger._live_workers(node bigint) returns table (id bigint, pid integer, process_start bigint)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select w.id, w.pid, w.process_start from ganger.worker w where w.node_id = node and w.state = 'alive'
$$;

-- Workers that died after their registration and before their node knew of it: alive for ever otherwise. `known` are those the node
-- has; one that registered just now may not be among them yet. Such a worker has never claimed. Returns how many.
create function ganger._end_unknown_workers(node bigint, known bigint[], older_than interval default '10 s') returns integer
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    n integer;
begin
    update ganger.worker w set state = 'dead', ended_at = clock_timestamp()
    where w.id in (select x.id from ganger.worker x
                   where x.node_id = node and x.state = 'alive' and x.id <> all (known)
                     and x.started_at < clock_timestamp() - older_than
                   for update skip locked);
    get diagnostics n = row_count;
    return n;
end $$;

-- Deletes the wishes for workers to be ended that are no longer alive, however they ended. Waits for nobody.
create function ganger._forget_unwanted() returns void
language sql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    delete from ganger.unwanted_worker u where u.ctid = any (array(
        select x.ctid from ganger.unwanted_worker x
        where not exists (select from ganger.worker w where w.id = x.worker_id and w.state = 'alive')
        for update skip locked))
$$;

-- A node that ends in order: nothing of it holds a job any more. Should a worker be left, it claims nothing from here on: a claim looks at
-- its worker only, so no node but a live one has one that is alive.
create function ganger._stop_node(node bigint) returns void
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select from ganger.node n where n.id = node for update; -- waits for a registration, as a burial does
    select from ganger.worker w where w.node_id = node and w.state = 'alive' order by w.id for update; -- and for a claim in flight
    update ganger.worker w set state = 'dead', ended_at = clock_timestamp() where w.node_id = node and w.state = 'alive';
    update ganger.node n set state = 'stopped', idle = false, ended_at = clock_timestamp()
    where n.id = node and n.state = 'alive'
$$;

create function ganger._set_idle(node bigint, idle boolean) returns void
language sql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
    update ganger.node n set idle = _set_idle.idle where n.id = node and n.state = 'alive' and n.idle <> _set_idle.idle
$$;

-- Safety net: jobs still held by a worker that has been dead for a while, or whose node has been gone for a while. Charged, as
-- nothing is known here. While its node lives, that node knows how far each job got, and settles exactly; only after the length of
-- its lease is its settling given up, as it seems to fail for ever. Each dead worker is looked at until it holds nothing: it
-- cannot get more. Returns them, each as its id and type.
create function ganger._reclaim_dead_workers(older_than interval default '5 s') returns text[]
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    gone record;
    item record;
    back text[] := '{}';
begin
    update ganger.worker w set state = 'dead', ended_at = k.ended_at
    from ganger.node k
    where k.id = w.node_id and w.id = any (array(
        -- a claim in flight is passed over: next time
        select x.id from ganger.worker x join ganger.node y on y.id = x.node_id
        where x.state = 'alive' and y.state <> 'alive' and y.ended_at < clock_timestamp() - older_than
        for update of x skip locked));
    for gone in
        select w.id from ganger.worker w left join ganger.node k on k.id = w.node_id and k.state = 'alive'
        where w.state = 'dead' and not w.is_cleared
          and w.ended_at < clock_timestamp() - greatest(older_than, k.lease)
    loop
        for item in
            select j.id, j.lease_id, j.job_type from ganger.job j
            where j.id = any (ganger._claimed_ids(gone.id)) and j.worker_id = gone.id and j.status = 'processing'
              and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id)
            order by j.id for update of j skip locked
        loop
            if ganger._end_attempt(item.id, item.lease_id, 'node_lost', 'its worker is dead and left no trace of it', true, null, null)
               is not null then
                back := back || format('%s %s', item.id, item.job_type);
            end if;
        end loop;
        update ganger.worker w set is_cleared = true
        where w.id in (select x.id from ganger.worker x where x.id = gone.id for no key update skip locked)
          and not exists (select from ganger.job j where j.id = any (ganger._claimed_ids(gone.id)) and j.worker_id = gone.id and j.status = 'processing');
    end loop;
    return back;
end $$;

-- Outside workers whose lease has been over for `older_than`. A cancel that was asked for ends them cancelled. Returns their jobs likewise.
create function ganger._reclaim_expired_leases(older_than interval default '0') returns text[]
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    until constant timestamptz := clock_timestamp() - older_than;
    item  record;
    back  text[] := '{}';
begin
    for item in
        select j.id, j.lease_id, j.job_type from ganger.job j
        -- the array keeps the order by from walking through every job
        where j.id = any (array(select x.id from ganger.job x where x.status = 'processing' and x.worker_id is null
                                and x.wait_token is null and x.lease_until < until))
          and j.status = 'processing' and j.worker_id is null and j.wait_token is null and j.lease_until < until
          and not exists (select from ganger.late_result l where l.job_id = j.id and l.lease_id = j.lease_id)
        order by j.id for update skip locked
    loop
        perform ganger._end_attempt(item.id, item.lease_id, 'lease_over', 'the worker''s lease ran out', true, null, null);
        back := back || format('%s %s', item.id, item.job_type);
    end loop;
    return back;
end $$;

-- The backends workers talked through, for terminate_backends (which runs with its caller's rights).
create function ganger._worker_backends(workers bigint[]) returns table (pid integer, started timestamptz)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select w.backend_pid, w.backend_start from ganger.worker w where w.id = any (workers) and w.backend_start is not null
$$;

create function ganger._live_nodes()
returns table (id bigint, name text, host text, boot_id text, pid integer, process_start bigint, heartbeat bigint, lease_ms bigint)
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select n.id, n.name, n.host, n.boot_id, n.pid, n.process_start, n.heartbeat, (extract(epoch from n.lease) * 1000)::bigint
    from ganger.node n where n.state = 'alive'
$$;
