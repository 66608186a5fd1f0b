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
    not_before timestamptz,                            -- met a held row: not at every claim again
    n          bigint not null default txid_current()  -- see "Floors" below
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Those a claim looks for when it meets jobs of groups (_shut_groups).
create index signal_shut on ganger.signal (kind) where kind in ('regroup', 'recheck', 'queue', 'job_type');

-- For `exists`, and for those who take them in the order they came.
create index signal_n on ganger.signal (n);
select setval('ganger.signal_floor', 1);

-- Floors. Rows of signal, lane_signal, dependency and worker_claim come and go with jobs, and while somebody holds a snapshot none of the dead ones is
-- taken away. So each row has a number, that of the transaction that wrote it, and a sequence, which is read without a snapshot, says
-- below which number nothing lives: every look asks for n >= that, and does not meet the dead.
--
-- A floor rests on what has been committed only: on one snapshot, in which no row below it is alive, and no transaction below it
-- runs. What is deleted in a snapshot does not come back, but for what this very transaction has deleted: so only one that has
-- written nothing yet raises floors. Then they are true for ever, whoever is rolled back, and however late a value is written: a
-- lower one is as true. A crash loses the last values, or none.
--
-- A transaction that writes and stays open would keep signal_floor down. When 10,000 have begun after it, it is passed: that is
-- written down here, and as soon as that has been committed (so in a later call) the floor may rise. What a passed transaction has
-- left is given a new number by the next tick, or other call in a transaction of its own, when it has ended: until then it is not seen. dependency_floor passes nobody, as who ends a job must see
-- each committed row.
--
-- A claim (worker_claim) may last for days. When 10,000 transactions have begun after it, a copy of it goes to long_claim, and
-- claim_floor may pass it 10 s after that: by then whoever goes by the higher floor sees the copy.
--
-- A dump has the tables of one moment and sequences of a later one, and goes into a server that counts from anywhere. So a
-- restored database must not go by its floors: it is known by the stamp, which is not the transaction that wrote this row there.
create table ganger.floor_state (
    stamp     bigint,                                  -- xmin of the row itself
    pass_to   bigint not null,                         -- signal_floor may rise up to here,
    passed    bigint[] not null,                       -- if what these transactions leave is looked for
    claims_to bigint not null default 0,               -- claim_floor may rise up to here, past what is in long_claim,
    claims_at timestamptz not null default '-infinity' -- since then
);
insert into ganger.floor_state values (null, 0, '{}');

create function ganger._write_floor_state(pass_to bigint, passed bigint[]) returns void language plpgsql volatile as $$
begin
    update ganger.floor_state f set pass_to = _write_floor_state.pass_to, passed = _write_floor_state.passed;
    update ganger.floor_state f set stamp = f.xmin::text::bigint; -- both versions have the same
end $$;

select ganger._write_floor_state(0, '{}');

-- Gives what passed transactions have left a number above the floor, once they have ended. Writes down whom the floor may pass next.
-- running: the transactions that ran in a snapshot, all below `next` others had ended.
create function ganger._pass_floor(next bigint, running bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    lag    constant bigint := 10000;
    most   constant integer := 10000; -- rows renumbered at a time: some 30 ms
    state  ganger.floor_state;
    ended  bigint[];
    held   bigint[];
    target bigint;
begin
    -- No lock before something is to be written: whoever calls this may stay open, and what passed transactions have left is waited for.
    select * into state from ganger.floor_state;
    target := state.pass_to;
    ended := array(select x from unnest(state.passed) x where x < next and x <> all (running));
    if ended <> '{}' then
        -- in parts, as a tick has to end in time
        update ganger.signal s set n = txid_current()
        where s.ctid = any (array(select x.ctid from ganger.signal x where x.n = any (ended) limit most for update skip locked));
        update ganger.lane_signal s set n = txid_current()
        where s.ctid = any (array(select x.ctid from ganger.lane_signal x where x.n = any (ended) limit most for update skip locked));
        -- the rest is the next tick's, and what somebody is just deleting
        held := array(select x from unnest(ended) x where exists (select from ganger.signal s where s.n = x offset 0)
                                                       or exists (select from ganger.lane_signal s where s.n = x offset 0));
        ended := array(select unnest(ended) except select unnest(held));
    end if;
    if running <> '{}' and running[1] < next - lag and target < next - lag then
        target := next - lag / 2; -- whoever began after that may well be about to commit
    end if;
    if target > state.pass_to or ended <> '{}' then
        perform from ganger.floor_state f where f.pass_to = state.pass_to and f.passed = state.passed for update skip locked;
        if not found then
            return; -- another session is at it
        end if;
        perform ganger._write_floor_state(target, array(
            (select unnest(state.passed) union select x from unnest(running) x where x < target) except select unnest(ended)));
    end if;
end $$;

-- Copies claims that last, so that the floor may pass them. next: as in _pass_floor; oldest: below that all had ended.
create function ganger._copy_claims(oldest bigint, next bigint) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    lag       constant bigint := 10000;
    floor_now constant bigint := pg_sequence_last_value('ganger.claim_floor'::regclass);
    target    constant bigint := least(oldest, next - lag / 2);
    state     ganger.floor_state;
begin
    if not exists (select from ganger.worker_claim c where c.n >= floor_now and c.n < least(oldest, next - lag)) then
        return;
    end if;
    select * into state from ganger.floor_state for update skip locked;
    if not found or state.claims_to > floor_now or state.claims_at between clock_timestamp() - interval '10 s' and clock_timestamp() then
        return; -- another session is at it; or they have been copied, and the floor will pass them
    end if;
    insert into ganger.long_claim (lease_id, worker_id, job_ids)
    select c.lease_id, c.worker_id, c.job_ids from ganger.worker_claim c where c.n >= floor_now and c.n < target
    on conflict do nothing;
    update ganger.floor_state f set claims_to = target, claims_at = clock_timestamp();
    perform ganger._write_floor_state(state.pass_to, state.passed);
end $$;

-- Raises the floors. Only at the beginning of a transaction; else it does nothing.
create function ganger._raise_floors() returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    floor_now   bigint;
    waiting_now bigint;
    claim_now   bigint;
    claim_from  bigint;
    seen        record;
    target      bigint;
begin
    if txid_current_if_assigned() is not null or current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        return; -- it may have deleted what its end brings back; or its snapshot is an old one
    end if;
    floor_now := pg_sequence_last_value('ganger.signal_floor'::regclass);
    waiting_now := pg_sequence_last_value('ganger.dependency_floor'::regclass);
    claim_now := pg_sequence_last_value('ganger.claim_floor'::regclass);
    -- what is below has been copied
    claim_from := greatest(claim_now, (select f.claims_to from ganger.floor_state f where f.claims_at < clock_timestamp() - interval '10 s'));
    -- one statement, as it has to be one snapshot
    select t.oldest, t.next, t.running, f.pass_to, f.stamp is distinct from f.xmin::text::bigint as is_foreign,
           least((select x.n from ganger.signal x where x.n >= floor_now order by x.n limit 1),
                 (select x.n from ganger.lane_signal x where x.n >= floor_now order by x.n limit 1)) as signal,
           (select x.n from ganger.dependency x where x.n >= waiting_now order by x.n limit 1) as dependency,
           (select x.n from ganger.worker_claim x where x.n >= claim_from order by x.n limit 1) as claim
    into seen
    from ganger.floor_state f,
         (select txid_snapshot_xmin(s.snap) as oldest, txid_snapshot_xmax(s.snap) as next,
                 array(select x from txid_snapshot_xip(s.snap) x order by x) as running
          from (select txid_current_snapshot() as snap offset 0) s) t;
    if seen.is_foreign then
        perform from ganger.floor_state for update skip locked;
        if not found then
            return;
        end if;
        perform setval('ganger.signal_floor', 1), setval('ganger.dependency_floor', 1), setval('ganger.claim_floor', 1);
        update ganger.floor_state f set claims_to = 0;
        perform ganger._write_floor_state(0, '{}');
        -- What ended before this looked for nobody: dependents are looked at again, and so are the dead workers. Orphans would keep a
        -- floor down.
        insert into ganger.signal (kind, job_id)
        select 'blocked', j.id from ganger.job j where j.pending_reason = 'blocked' and j.depends_on is not null;
        delete from ganger.dependency d where not exists (select from ganger.job j where j.id = d.job_id);
        update ganger.worker w set is_cleared = false where w.state = 'dead';
        return;
    end if;
    target := least(greatest(seen.oldest, seen.pass_to), seen.signal);
    if target > floor_now then
        perform setval('ganger.signal_floor', target);
    end if;
    target := least(seen.oldest, seen.dependency);
    if target > waiting_now then
        perform setval('ganger.dependency_floor', target);
    end if;
    target := least(seen.oldest, seen.claim);
    if target > claim_now then
        perform setval('ganger.claim_floor', target);
    end if;
    perform ganger._pass_floor(seen.next, seen.running);
    perform ganger._copy_claims(seen.oldest, seen.next);
end $$;

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
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
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
        where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))
          and (s.kind not in ('blocked', 'ended', 'token') or s.made_in is distinct from pg_current_xact_id_if_assigned())
          and (mine is null or not (s.kind in ('group', 'regroup', 'recheck') and ganger._is_new(mine, 'group', s.key)
                                    or s.kind = 'batch' and ganger._is_new(mine, 'batch', s.key)))
          -- or the clock was set back meanwhile
          and (s.not_before is null or s.not_before <= clock_timestamp() or s.not_before > clock_timestamp() + interval '10 s')
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
    select array_agg(row(g.kind, g.key, g.job_id, null, null, null)::ganger.signal) into taken from (select distinct g.kind, g.key, g.job_id from gone g) g;
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
