-- Dependencies: jobs that wait for other jobs (depends_on), or until no job with certain tags is left (depends_on_tags).
--
-- What a job still waits for by id is told by ganger.dependency together with the state of those jobs: all of its depends_on while it is
-- new; once retried, those that were live then, and what had ended is left behind, even if it is retried later. Prerequisites are read
-- without a lock, so one may end while a dependent is being committed, or two of a dependent's prerequisites at the same time. Then
-- nobody sees the whole; a signal has it looked at again after the commits.

create table ganger.dependency (
    prerequisite_id bigint not null,
    job_id          bigint not null,
    n               bigint not null default txid_current(), -- see 0011_signals.sql, "Floors"
    primary key (prerequisite_id, job_id)
);
create index dependency_job on ganger.dependency (job_id);
create index dependency_n on ganger.dependency (n);
create sequence ganger.dependency_floor;
select setval('ganger.dependency_floor', 1);

-- What is wrong with a list of prerequisites, as 'SQLSTATE message', or null: one that nobody knows, or that the caller may not see,
-- which is the same to it; one that has ended otherwise than completed.
create function ganger._prerequisite_problem(ids bigint[]) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    own    constant text := ganger._visible_owner();
    queues constant text[] := ganger._session_queues();
    bad    record;
begin
    select x.id, h.status into bad
    from unnest(ids) x (id)
    left join ganger.history h on h.id = any (array[x.id]) and (own is null or h.owner = own) and (queues is null or h.queue = any (queues))
    where h.status is distinct from 'completed'
      and not exists (select from ganger.job j where j.id = x.id and (own is null or j.owner = own)
                      and (queues is null or j.queue = any (queues)) offset 0)
    order by x.id limit 1;
    if not found then
        return null;
    elsif bad.status is null then
        return format(E'42704 depends_on: there is no job %s\nIt was never enqueued, was rolled back, or has been deleted since.', bad.id);
    end if;
    return format(E'22023 depends_on: job %s has ended %s, so this one would never run\nRetry that job first, or leave it out.',
                  bad.id, bad.status);
end $$;

create function ganger._distinct_ids(ids bigint[]) returns bigint[] language sql immutable parallel safe as $$
    select array_agg(distinct x) from unnest(ids) x
$$;

-- depends_on of an entry of enqueue_many: -(i+1) stands for entry i of the call. ids: as _claim_keys leaves them.
create function ganger._resolve_references(refs bigint[], ids bigint[]) returns bigint[] language sql immutable parallel safe as $$
    select array_agg(distinct case when r < 0 then abs(ids[- r]) else r end) from unnest(refs) r
$$;

-- Raises when an entry of enqueue_many depends on what is not there, not yet there, or has ended otherwise than completed.
create function ganger._check_references(jobs jsonb, ids bigint[]) returns void
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    entry record;
    known bigint[];
begin
    for entry in
        select e.ordinality as place, array(select (d #>> '{}')::bigint from jsonb_array_elements(e.value -> 'depends_on') d) as refs
        from jsonb_array_elements(jobs) with ordinality e where jsonb_typeof(e.value -> 'depends_on') = 'array'
    loop
        if exists (select from unnest(entry.refs) r where r < 0 and - r >= entry.place) then
            raise exception 'jobs[%]: depends_on: % is not an earlier entry of this call', entry.place - 1,
                (select max(r) from unnest(entry.refs) r where r < 0 and - r >= entry.place)
                using errcode = '22023', hint = '-1 stands for jobs[0], -2 for jobs[1], and so on.';
        end if;
        known := array(select r from unnest(entry.refs) r where r >= 0
                       union select - ids[- r] from unnest(entry.refs) r
                       where r < 0 and ids[- r] < 0 and - ids[- r] <> all (ids)); -- those of this call are not there yet
        if cardinality(known) > 0 then
            perform ganger._raise_problem(ganger._prerequisite_problem(known), format('jobs[%s]: ', entry.place - 1));
        end if;
    end loop;
end $$;

-- The barriers: jobs that wait until no other job with certain tags is left. (No pending job is to be cancelled: so job_rare has them by id.)
create view ganger._barriers as
select j.* from ganger.job j
where j.pending_reason = 'blocked' and j.depends_on_tags is not null and j.cancel_requested is null;

-- The live jobs that a pending one waits for by id. Becomes part of the statement that asks.
create function ganger._awaited(job_id bigint) returns setof bigint language sql stable as $$
    select d.prerequisite_id from ganger.dependency d
    where d.job_id = _awaited.job_id and exists (select from ganger.job p where p.id = d.prerequisite_id offset 0)
$$;

-- What new jobs depend on was written in this transaction: notes who waits for whom. Errors: 22023 a circle by tags.
create function ganger._note_dependencies(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    circle record;
begin
    insert into ganger.dependency (prerequisite_id, job_id)
    select distinct d.id, j.id from ganger.job j, unnest(j.depends_on) d (id) where j.id = any (ids);
    select j.id, j.depends_on_tags, c.id as other into circle
    from ganger.job j cross join lateral ganger._drain_circle(j.id, j.tags, j.depends_on_tags) c (id)
    where j.id = any (ids) and j.depends_on_tags is not null and j.tags is not null and c.id is not null limit 1;
    if found then
        raise exception 'depends_on_tags: this job and job % would wait for each other', circle.other using errcode = '22023',
            detail = format('Job %s waits until jobs with tags this one has are gone, and is, or keeps waiting, one of those with the tags %s.',
                            circle.other, circle.depends_on_tags),
            hint = 'Give one of them other tags.';
    end if;
    if cardinality(ids) > 100 and exists (select from ganger.job j where j.id = any (ids) and j.depends_on_tags is not null) then
        perform gin_clean_pending_list('ganger.job_tags'); -- each look for tags would read through what has not been sorted in
    end if;
    perform ganger._release_dependents(ids); -- all may have completed already
    insert into ganger.signal (kind, job_id) select 'blocked', x from unnest(ids) x
    where exists (select from ganger.job j where j.id = x and j.pending_reason = 'blocked' offset 0);
    perform ganger._notify_signal();
end $$;

-- May a job of this owner keep one of that waiting by its tags? Whoever has an owner waits for that owner's jobs only: so nobody
-- holds up or, by letting his own fail, cancels the jobs of another. A job of nobody waits for all.
create function ganger._may_bar(owner text, barred text) returns boolean language sql immutable parallel safe as $$
    select barred is null or coalesce(owner = barred, false)
$$;

-- Does job `id` with these tags, which waits for `drained` tags, close a circle: is one of the jobs it waits for, directly or through
-- others, waiting until jobs with such tags as its own are gone? The id of such a job, or null.
create function ganger._drain_circle(id bigint, tags text[], drained text[]) returns bigint
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = on as $$
declare
    own   constant text := (select j.owner from ganger.job j where j.id = _drain_circle.id);
    front bigint[] := array(select j.id from ganger.job j
                            where j.tags @> drained and j.pending_reason = 'blocked' and j.id <> _drain_circle.id
                              and ganger._may_bar(j.owner, own));
    seen  bigint[] := front || id;
    other bigint;
begin
    while cardinality(front) > 0 loop
        select j.id into other from ganger.job j
        where j.id = any (front) and j.depends_on_tags is not null and j.depends_on_tags <@ coalesce(_drain_circle.tags, '{}')
          and ganger._may_bar(own, j.owner)
        order by j.id limit 1;
        if found then
            return other;
        end if;
        front := array(
            select p.id from ganger.dependency d cross join lateral (select x.id, x.pending_reason from ganger.job x
                                                                     where x.id = d.prerequisite_id offset 0) p
            where d.job_id = any (front) and p.pending_reason = 'blocked' and p.id <> all (seen)
            union
            select p.id from ganger.job j join ganger.job p on p.tags @> j.depends_on_tags and ganger._may_bar(p.owner, j.owner)
            where j.id = any (front) and p.pending_reason = 'blocked' and p.id <> all (seen));
        seen := seen || front;
    end loop;
    return null;
end $$;

-- Is somebody's open transaction at one of these jobs, maybe about to end it? Looks by taking the locks for a moment: they are gone when
-- this returns, as the exception rolls them back.
create function ganger._is_any_held(ids bigint[]) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    live integer;
    free integer;
begin
    select count(*) into live from ganger.job j where j.id = any (ids);
    begin
        free := cardinality(array(select j.id from ganger.job j where j.id = any (ids) for key share skip locked));
        raise exception using errcode = 'GG003';
    exception when sqlstate 'GG003' then
        return free < live;
    end;
end $$;

-- The live jobs that keep a job with this id waiting by their tags. One that is younger and itself waits for this one, directly or
-- through others, by id or by tags, does not: of a circle (its jobs were committed at the same time, or tags were edited) the oldest
-- goes first. It always waits by tags, as depends_on only names older jobs. Where others are in the way for certain, those are all that is
-- told.
create function ganger._drain_blockers(id bigint, tags text[], drained text[]) returns setof bigint
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = on as $$
declare
    own      constant text := (select j.owner from ganger.job j where j.id = _drain_blockers.id);
    doubtful bigint[];
    front    bigint[] := array[_drain_blockers.id];
    seen     bigint[] := '{}';
begin
    return query
    select j.id from ganger.job j
    where j.tags @> drained and j.id <> _drain_blockers.id and ganger._may_bar(j.owner, own)
      and not (j.id > _drain_blockers.id and j.status = 'pending' and j.started_at is null
               and (j.depends_on is not null or j.depends_on_tags is not null));
    if found then
        return;
    end if;
    doubtful := array(select j.id from ganger.job j where j.tags @> drained and j.id > _drain_blockers.id
                                                        and ganger._may_bar(j.owner, own));
    while cardinality(doubtful) > 0 and cardinality(front) > 0 loop
        front := array(
            select d.job_id from ganger.dependency d where d.prerequisite_id = any (front) and d.job_id <> all (seen)
            union
            select b.id
            from (select f.tags, f.owner from ganger.job f where f.id = any (front)
                  union all select _drain_blockers.tags, own where seen = '{}') t
            join (select * from ganger._barriers offset 0) b on b.depends_on_tags <@ t.tags and ganger._may_bar(t.owner, b.owner)
            where b.id <> all (seen));
        seen := seen || front;
        doubtful := array(select d from unnest(doubtful) d where d <> all (front));
    end loop;
    return query select unnest(doubtful);
end $$;

-- Of these jobs' prerequisites those that have ended otherwise than completed, and have not been dealt with yet: whoever ended them
-- could not get at the dependent, or did not see it. A retried job has left behind those that had ended before: ganger.dependency
-- names none of them.
create function ganger._bad_prerequisites(ids bigint[]) returns bigint[]
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off as $$
begin
    return (select coalesce(array_agg(distinct h.id), '{}')
            from unnest(ids) g (id)
            cross join lateral (select x.prerequisite_id from ganger.dependency x where x.job_id = g.id offset 0) d
            cross join lateral (select x.id from ganger.history_ended x where x.id = d.prerequisite_id offset 0) h);
end $$;

-- Which of these pending jobs have nothing to wait for any more. The caller holds their rows. One that is to be cancelled, as a
-- prerequisite has failed, is not among them. Many may wait for the same tags: what is in
-- the way of them all is looked for once. (Bitmaps: the index of tags has no other scans, and some callers deny them. PL/pgSQL keeps
-- the plan, which takes far longer to make than to use; in SQL, with settings, each call would make it anew.)
create function ganger._unblocked(ids bigint[]) returns bigint[]
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_bitmapscan = on as $$
#variable_conflict use_column
begin
    return (
    with asked as materialized (
        select j.id, j.owner, j.depends_on_tags as drained, coalesce(j.tags @> j.depends_on_tags, false) as is_among
        from ganger.job j
        where j.id = any (_unblocked.ids)
          and (j.depends_on is null or case when exists (select from ganger._awaited(j.id)) then false
                                            else ganger._bad_prerequisites(array[j.id]) = '{}' end)
    ), apart as materialized (
        select a.drained, a.owner, a.is_among, array_agg(a.id) as ids from asked a group by a.drained, a.owner, a.is_among
    ), left_over as materialized ( -- no join: where those by hash are denied, it would compare each with each
        select unnest(d.ids) as id, d.drained from apart d
        where d.drained is null or d.is_among
           or (select true from ganger.job p
               where p.tags @> d.drained and ganger._may_bar(p.owner, d.owner)
                 and not (p.status = 'pending' and p.started_at is null
                          and (p.depends_on is not null or p.depends_on_tags is not null))
               limit 1) is null
    )
    select coalesce(array_agg(l.id), '{}') from left_over l
    where l.drained is null
       or not exists (select from ganger.job j cross join lateral ganger._drain_blockers(j.id, j.tags, j.depends_on_tags) x where j.id = any (array[l.id])));
end $$;

-- Lets go on what has nothing left to wait for, of blocked jobs whose rows the caller holds.
create function ganger._release_dependents(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    ready bigint[] := ganger._unblocked(array(select j.id from ganger.job j where j.id = any (ids) and j.pending_reason = 'blocked'));
begin
    if cardinality(ready) > 0 then
        delete from ganger.dependency d where d.job_id = any (ready);
        perform ganger._open_gates(ready);
    end if;
end $$;

-- Everything that waits by id for these jobs, directly or through others.
create function ganger._dependents(ids bigint[]) returns bigint[]
language sql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
    with recursive reached (id) as (
        select d.job_id from ganger.dependency d where d.prerequisite_id = any (ids)
        union
        select d.job_id from reached r
        cross join lateral (select x.job_id from ganger.dependency x where x.prerequisite_id = r.id offset 0) d
    )
    select coalesce(array_agg(r.id), '{}') from reached r
$$;

-- For each of `ids`, dependents of `front`: one of the roots it comes from; `origin`: that of each in front. As depends_on names older jobs only, one
-- pass by id is enough.
create function ganger._roots_of(ids bigint[], front bigint[], origin bigint[]) returns bigint[]
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    roots bigint[];
    edge  record;
begin
    if cardinality(front) = 1 then
        return array_fill(origin[1], array[cardinality(ids)]);
    end if;
    -- places: first those of ids, then those of front
    roots := array_fill(null::bigint, array[cardinality(ids)]) || origin;
    for edge in
        with known as materialized (
            select distinct on (k.id) k.id, k.place from unnest(ids || front) with ordinality k (id, place) order by k.id, k.place desc
        )
        select j.place as job, p.place as prerequisite
        from unnest(ids) with ordinality j (id, place)
        cross join lateral (select x.prerequisite_id from ganger.dependency x where x.job_id = j.id offset 0) d
        join known p on p.id = d.prerequisite_id
        order by j.id, p.id
    loop
        if roots[edge.job] is null then
            roots[edge.job] := roots[edge.prerequisite];
        end if;
    end loop;
    return roots[:cardinality(ids)];
end $$;

-- Cancels everything that waits for these ended jobs, directly or through others, by id or by tags, in one statement. Each has its
-- event, with the root. What somebody's open transaction holds is looked at again when that has ended.
create function ganger._cancel_dependents(roots bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off
as $$
declare
    front   bigint[] := roots;
    origin  bigint[] := roots;  -- of each in front
    reached bigint[];
    hit     bigint[] := '{}';
    hit_by  bigint[] := '{}';
    free    bigint[];
    free_by bigint[];
begin
    while cardinality(front) > 0 loop
        reached := array(select x from unnest(ganger._dependents(front)) x except select x from unnest(hit) x);
        origin := origin || ganger._roots_of(reached, front, origin);
        hit := hit || reached;
        hit_by := hit_by || origin[cardinality(front) + 1:];
        front := front || reached;
        -- chains are followed to their end; another round is for tags alone
        exit when not exists (select from ganger._barriers);
        with ended as (
            select h.id, h.tags, h.owner, h.depends_on, h.depends_on_tags, h.started_at, f.root
            from unnest(front, origin) f (id, root) join ganger.history h on h.id = any (array[f.id])
            union all
            select j.id, j.tags, j.owner, j.depends_on, j.depends_on_tags, j.started_at, f.root
            from unnest(front, origin) f (id, root) join ganger.job j on j.id = any (array[f.id])
        ), fresh as (
            select distinct on (b.id) b.id, e.root
            from ended e
            -- (offset 0: the order by is not to walk through every job)
            join (select * from ganger._barriers offset 0) b on b.depends_on_tags <@ e.tags and ganger._may_bar(e.owner, b.owner)
            where b.id <> all (hit)
              -- waited for b; what was retried and has started has left that behind
              and not (e.id > b.id and e.started_at is null
                       and coalesce(b.id = any (e.depends_on) or e.depends_on_tags <@ b.tags, false))
            order by b.id, e.root
        )
        select coalesce(array_agg(f.id), '{}'), coalesce(array_agg(f.root), '{}') into front, origin from fresh f;
        hit := hit || front;
        hit_by := hit_by || origin;
    end loop;
    if cardinality(hit) = 0 then
        return;
    end if;
    -- by id, as every lock of jobs; one at a time, as the planner knows nothing of the array's length
    select array_agg(f.id), array_agg(f.root) into free, free_by
    from (select j.id, h.root
          from (select x.id, x.root from unnest(hit, hit_by) x (id, root) order by x.id) h
          cross join lateral (select j.id from ganger.job j where j.id = h.id and j.status in ('pending', 'waiting')
                              for update skip locked) j) f;
    if coalesce(cardinality(free), 0) < cardinality(hit) then
        insert into ganger.signal (kind, job_id)
        select 'blocked', h.id
        from (select unnest(hit) as id except all select unnest(free)) h
        cross join lateral (select from ganger.job j where j.id = h.id and j.lease_id is null) j;
    end if;
    if free is not null then
        delete from ganger.dependency d where d.job_id = any (free); -- or the end of each would look for its dependents again
        perform ganger._finish(free, array_fill(null::uuid, array[cardinality(free)]),
                               array_fill('cancelled'::ganger.job_status, array[cardinality(free)]), unheld => true, roots => free_by);
    end if;
end $$;

-- A signal's second look at blocked jobs, after the transaction that left it has ended.
create function ganger._recheck_blocked(ids bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    free bigint[] := array(select j.id from ganger.job j where j.id = any (ids) and j.pending_reason = 'blocked'
                           order by j.id for update skip locked);
    bad  bigint[];
begin
    -- somebody holds it, or one it waits for, and may be about to end that without having seen it
    insert into ganger.signal (kind, job_id, not_before)
    select 'blocked', j.id, clock_timestamp() + interval '200 ms' from ganger.job j
    where j.id = any (ids) and j.pending_reason = 'blocked'
      and (j.id <> all (free) or (j.depends_on is not null and ganger._is_any_held(array(select a from ganger._awaited(j.id) a))));
    bad := ganger._bad_prerequisites(free);
    if cardinality(bad) > 0 then
        perform ganger._cancel_dependents(bad);
    end if;
    perform ganger._release_dependents(free);
end $$;

-- Every barrier is looked at now and then, whatever signal went astray between two transactions that did not see each other. Where
-- there are more than one call looks at, it begins anywhere among them.
create function ganger._recheck_barriers(budget integer default 200) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    oldest constant bigint := (select b.id from ganger._barriers b
                               order by b.cancel_requested, b.id limit 1);
    newest constant bigint := (select b.id from ganger._barriers b
                               order by b.cancel_requested desc, b.id desc limit 1);
    start  bigint := oldest + floor(random() * (newest - oldest))::bigint;
    ids    bigint[];
begin
    if oldest is null then
        return;
    elsif not exists (select from ganger._barriers offset budget limit 1) then
        start := oldest; -- all of them
    end if;
    ids := array(select b.id from ganger._barriers b where b.id >= start
                 order by b.cancel_requested, b.id limit budget for update skip locked);
    perform ganger._release_dependents(ids);
end $$;
