-- Signals: "look at this again once what I did is committed". Whoever cannot, or must not, do something inside its own transaction
-- (its caller may keep that open for long, and what is to be looked at may be in somebody else's) leaves a row here. The next short
-- transaction, a claim of gangerd, a tick, maintain(), takes it from there.

-- kind: blocked  job_id   does it still wait for others?            (0012_dependencies.sql)
--       ended    job_id   it has ended; what follows is still to do (0012_dependencies.sql)
--       group    key      a place may be free in the group          (0013_limits.sql)
--       regroup  key      the group's limit has changed             (0013_limits.sql)
--       recheck  key      the same, but for who left it            (_work_signals)
--       queue, job_type   its limits or its pause have changed      (0013_limits.sql, _regroup_all)
--       batch    key      a place may be free, or all is done       (0018_batches.sql)
--       token    key, job_id   has the token come meanwhile?        (0015_waits.sql)
-- No unique key: nobody waits for anybody, and twice is as good as once.
create table ganger.signal (
    kind       text not null,
    key        text,
    job_id     bigint,
    made_in    xid8 not null default pg_current_xact_id(),
    not_before timestamptz                             -- met a held row: not at every claim again
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Those a claim looks for when it meets jobs of groups (_shut_groups).
create index signal_shut on ganger.signal (kind) where kind in ('regroup', 'recheck', 'queue', 'job_type');

-- Tells an idle node that there are signals; a busy one sees them at its next claim.
create function ganger._notify_signal() returns void language plpgsql volatile as $$
begin
    if exists (select from ganger.node n where n.state = 'alive' and n.idle) then
        perform pg_notify('ganger', 'due');
    end if;
end $$;

create function ganger._signal(kind text, key text, job_id bigint default null) returns void language plpgsql volatile as $$
begin
    insert into ganger.signal (kind, key, job_id) values (kind, key, job_id);
    perform ganger._notify_signal();
end $$;

-- Groups and batches (`kind`) that got a waiting job in this transaction: it must not give places of theirs. It may find one full, or in
-- a pause, or with room, at the very moment when somebody changes that, and who does so cannot see these jobs yet. So the signals that
-- were left with them are the next transaction's. A few are remembered by name, more of them as "all".
create function ganger._note_new_here(kind text, keys text[]) returns void language plpgsql volatile as $$
declare
    mine text := coalesce(ganger._new_here(), pg_current_xact_id()::text || E'\x1f');
    key  text;
begin
    foreach key in array coalesce(keys, '{}') loop
        continue when ganger._is_new(mine, kind, key);
        mine := mine || case when octet_length(mine) > 8000 then '*' else kind || ' ' || key end || E'\x1f';
    end loop;
    perform set_config('ganger.new_here', mine, true);
end $$;

-- What was noted in this transaction; null: nothing.
create function ganger._new_here() returns text language plpgsql stable as $$
declare
    mine constant text := current_setting('ganger.new_here', true);
begin
    return case when split_part(mine, E'\x1f', 1) = pg_current_xact_id_if_assigned()::text then mine end;
end $$;

-- Was this key noted?
create function ganger._is_new(mine text, kind text, key text) returns boolean language sql immutable parallel safe as $$
    select mine is not null and (strpos(mine, E'\x1f' || kind || ' ' || key || E'\x1f') > 0 or right(mine, 3) = E'\x1f*\x1f')
$$;

-- Those of these keys that were not.
create function ganger._not_new_here(kind text, keys text[]) returns text[] language plpgsql stable as $$
declare
    mine constant text := ganger._new_here();
begin
    return case when mine is null then keys else array(select k from unnest(keys) k where not ganger._is_new(mine, kind, k)) end;
end $$;

-- Works off up to `budget` different signals that no other session is at; returns how many. One that cannot be served yet, as somebody's
-- open transaction holds what it is about, is left again. What two transactions may not have seen of each other is not for the one that
-- left the signal: it has not committed; for places that holds where it has brought jobs of its own (_note_new_here). Above READ
-- COMMITTED nothing is done: such a snapshot may be older than the reasons. Belongs into short transactions: what it does is everybody's business.
--
-- here: also for what is new here, as the caller would rather have it at once: a user's own test that enqueues and claims in one transaction.
-- Then it is all gone over again after the commit.
create function ganger._work_signals(budget integer default 200, here boolean default false) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    taken ganger.signal[];
    one   record;
    salt  constant bigint := (random() * 1e9)::bigint;
    mine  text := ganger._new_here();
    own   constant text := case when here then mine end;
    n     integer;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        return 0; -- counting places needs a snapshot that is newer than the locks
    end if;
    if own is not null then
        perform set_config('ganger.new_here', '', true);
        mine := null;
    end if;
    -- equal ones together; when there are too many, those that keep groups shut come first, and then it is by lot
    with seen as materialized (
        select s.ctid as row_ctid, s.kind, s.key, s.job_id from ganger.signal s
        where (s.kind not in ('blocked', 'ended', 'token') or s.made_in is distinct from pg_current_xact_id_if_assigned())
          and (mine is null or not (s.kind in ('group', 'regroup', 'recheck') and ganger._is_new(mine, 'group', s.key)
                                    or s.kind = 'batch' and ganger._is_new(mine, 'batch', s.key)))
          and (s.not_before is null or s.not_before <= clock_timestamp())
        limit budget * 10
    ), chosen as materialized (
        select x.row_ctid from (
            select s.row_ctid, dense_rank() over (order by s.kind not in ('queue', 'job_type', 'regroup', 'recheck'),
                                                  hashtextextended(coalesce(s.key, s.job_id::text), salt), s.kind, s.key, s.job_id) as place
            from seen s) x
        where x.place <= budget
    ), gone as (
        delete from ganger.signal s where s.ctid = any (array(
            select x.ctid from ganger.signal x where x.ctid = any (array(select c.row_ctid from chosen c)) for update skip locked))
        returning s.kind, s.key, s.job_id
    )
    select array_agg(row(g.kind, g.key, g.job_id, null, null)::ganger.signal) into taken from (select distinct g.kind, g.key, g.job_id from gone g) g;
    if taken is null then
        return 0;
    end if;
    for one in
        select s.kind, array_agg(distinct s.key order by s.key) as keys, array_agg(distinct s.job_id order by s.job_id) as job_ids
        from unnest(taken) s group by s.kind order by s.kind
    loop
        case one.kind
        when 'blocked' then perform ganger._recheck_blocked(one.job_ids);
        when 'ended' then perform ganger._follow_ended(one.job_ids);
        when 'group' then perform ganger._admit_groups(one.keys);
        when 'regroup', 'recheck' then perform ganger._regroup(one.keys);
        when 'queue', 'job_type' then perform ganger._regroup_all(one.kind, one.keys);
        when 'batch' then perform ganger._admit_batches(one.keys);
        when 'token' then
            perform ganger._recheck_waiters(array_agg(s.key), array_agg(s.job_id))
            from (select distinct x.key, x.job_id from unnest(taken) x where x.kind = 'token') s;
        end case;
    end loop;
    if own is not null then
        insert into ganger.signal (kind, key)
        select distinct case s.kind when 'batch' then 'batch' else 'recheck' end, s.key from unnest(taken) s
        where s.kind in ('group', 'batch') and ganger._is_new(own, s.kind, s.key);
    end if;
    n := cardinality(taken);
    if exists (select from unnest(taken) s where s.kind in ('queue', 'job_type')) then
        n := n + ganger._work_signals(budget, here); -- what their groups were told
    end if;
    return n;
end $$;
