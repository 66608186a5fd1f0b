-- Lanes, epochs and the frontier: what makes the claim cost the same at any backlog.
-- ARCHITECTURE.md, "The claim", explains the protocol; this file is all of it.

-- state: active  claims visit it, enqueuers need say nothing
--        closing claims visit it, enqueuers signal; idle once every epoch up to closing_epoch is sealed
--        idle    claims do not visit it unless there is a signal
create table ganger.lane (
    lane_id       bigint primary key,
    frontier      bigint not null default 0,
    closing_epoch bigint,
    seen_at       timestamptz not null default clock_timestamp(), -- when it last had a runnable job, roughly
    priority      smallint not null,
    returned      boolean not null,
    state         text not null default 'active',
    queue         text not null,
    job_type      text not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- "There may be work in this lane": inserted by whoever sees neither an active lane nor such a row of its own. No unique
-- key, so nobody waits for anybody; claims read it, the advance duty folds it into ganger.lane.
create table ganger.lane_signal (
    lane_id  bigint not null,
    priority smallint not null,
    returned boolean not null,
    queue    text not null,
    job_type text not null,
    n        bigint not null default txid_current()   -- see 0011_signals.sql, "Floors"
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index lane_signal_n on ganger.lane_signal (n);
create index lane_signal_lane on ganger.lane_signal (lane_id, n) where lane_id is not null; -- always so; keeps it from being walked in place of the other
create sequence ganger.signal_floor; -- of lane_signal, and of ganger.signal
-- Moved by each _make_runnable, as the last thing it does. While it stands, and once those have ended that were running when it was first found there,
-- no job becomes runnable but by its enqueue, whose number is its id; or again, by the end of a transaction that held it.
create sequence ganger.made_runnable;
select nextval('ganger.made_runnable');

-- Runnable rows the frontier has passed because somebody's open transaction holds them.
create table ganger.lane_straggler (
    job_id  bigint primary key,
    lane_id bigint not null,
    seq     bigint not null
);

-- Epochs that are over but not sealed: somebody who took a seq in [lo, hi] may still commit.
create table ganger.epoch (
    epoch bigint primary key,
    lo    bigint not null,
    hi    bigint not null
);
-- One row; its lock serialises ganger._advance across nodes. lo, began_at: where and when the current epoch began.
create table ganger.epoch_state (
    epoch    bigint not null,
    lo       bigint not null,
    began_at timestamptz not null default clock_timestamp()
);
insert into ganger.epoch_state select pg_sequence_last_value('ganger.epoch_seq'), 0;

-- What claims read, however many lanes are idle. None of its columns is written with a frontier, so that stays a HOT update.
create index lane_visited on ganger.lane (queue, priority, returned) where state <> 'idle';

create function ganger._lane_id(queue text, priority integer, job_type text, returned boolean)
returns bigint language sql immutable strict parallel safe as $$
    -- The seed chain keeps the parts apart: no two different keys build the same input.
    select hashtextextended(job_type collate "C",
               hashtextextended(queue collate "C", priority::bigint * 2 + returned::int))
$$;

-- 1196312402 below is "GNGR": the advisory lock class of the epochs; the second key is the epoch.

-- Takes `n` numbers of ganger.seq so that they lie in an epoch this transaction holds open until it ends.
-- The lock comes before the numbers, and the epoch is read again after them: a switch in between
-- means starting over (the numbers are wasted, gaps are harmless).
create function ganger._take_seqs(n integer) returns bigint[] language plpgsql volatile as $$
declare
    epoch bigint;
    seqs  bigint[];
begin
    if n = 1 then
        return array[ganger._take_seq()];
    end if;
    loop
        epoch := pg_sequence_last_value('ganger.epoch_seq'::regclass);
        perform pg_advisory_xact_lock_shared(1196312402, (epoch & 2147483647)::integer);
        seqs := array(select nextval('ganger.seq'::regclass) from generate_series(1, n));
        exit when epoch = pg_sequence_last_value('ganger.epoch_seq'::regclass);
    end loop;
    return seqs;
end $$;

-- The same for one number, which each enqueue takes: in as few expressions as can be.
create function ganger._take_seq() returns bigint language plpgsql volatile as $$
declare
    epoch bigint;
    seq   bigint;
begin
    loop
        epoch := pg_sequence_last_value('ganger.epoch_seq'::regclass);
        seq := ganger._seq_in(epoch);
        if seq is not null then
            return seq;
        end if;
        perform pg_advisory_xact_lock_shared(1196312402, (epoch & 2147483647)::integer); -- rather than turn in circles
    end loop;
end $$;

-- A number of that epoch, or null: it is over (the lock is refused to nobody else). CASE keeps the order, and so does NULLIF, which is of its
-- first argument but when the second equals it. Inlined where it is called.
create function ganger._seq_in(epoch bigint) returns bigint language sql volatile as $$
    select case when pg_try_advisory_xact_lock_shared(1196312402, (epoch & 2147483647)::integer) then
           nullif(nextval('ganger.seq'::regclass),
                  case when pg_sequence_last_value('ganger.epoch_seq'::regclass) <> epoch then currval('ganger.seq'::regclass) end) end
$$;

-- For lanes (three arrays of equal length, each lane once) of jobs about to become runnable: signals those that are not seen active. Call AFTER
-- _take_seqs: then a lane seen active cannot be idled before this transaction has ended. A signal that is seen is as good:
-- folding it makes the lane active. So before the first advance of a new system there is a signal per lane, not per job. A
-- snapshot taken earlier (above READ COMMITTED) proves nothing, so such a transaction always signals.
create function ganger._enter_lanes(queues text[], priorities integer[], job_types text[], returned boolean)
returns void language plpgsql volatile
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
    sees_all     constant boolean := current_setting('transaction_isolation') in ('read committed', 'read uncommitted');
    signal_floor constant bigint := pg_sequence_last_value('ganger.signal_floor'::regclass);
    unseen       ganger.lane_signal[];
begin
    unseen := array(
        select row(k.lane_id, k.priority, _enter_lanes.returned, k.queue, k.job_type, txid_current())::ganger.lane_signal
        from (select u.*, ganger._lane_id(u.queue, u.priority, u.job_type, _enter_lanes.returned) as lane_id
              from unnest(queues, priorities, job_types) u (queue, priority, job_type)) k
        where not sees_all
           -- one by one, not all there are in a hash
           or not (exists (select from ganger.lane l where l.lane_id = k.lane_id and l.state = 'active' offset 0)
                   or exists (select from ganger.lane_signal s where s.lane_id = k.lane_id and s.n >= signal_floor offset 0)));
    if cardinality(unseen) > 0 then
        insert into ganger.lane_signal select s.* from unnest(unseen) s;
    end if;
end $$;

-- Tells whoever is idle that a queue has work. (Inlined.)
create function ganger._call_idle(queue text) returns void language sql volatile as $$
    select pg_notify('ganger', 'work:' || queue)
$$;

-- Tells idle nodes that a queue has work. NOTIFY takes a lock in commit, so it is sent only when
-- a live node says it is idle; nobody's correctness depends on it.
create function ganger._notify_work(queue text) returns void language plpgsql volatile as $$
begin
    if exists (select from ganger.node n where n.state = 'alive' and n.idle) then
        perform ganger._call_idle(queue);
    end if;
end $$;

-- Gives the runnable or returned jobs `ids` (row locks held by the caller) a new place: the sibling lane when
-- `returned`. Leaves every other column alone except the waiting ones.
create function ganger._make_runnable(ids bigint[], returned boolean) returns void
language plpgsql volatile
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    seqs bigint[];
    queues     text[]; -- the lanes, each once
    priorities integer[];
    job_types  text[];
    made bigint; -- what nextval answers: to assign it is cheaper than to perform the call
begin
    if cardinality(ids) = 0 then
        return;
    end if;
    seqs := ganger._take_seqs(cardinality(ids));
    with found as materialized (
        select x.row_ctid, p.seq, x.queue, x.priority, x.job_type
        from unnest(ids, seqs) as p (id, seq)
        -- by id one by one: a plan that joined them made while the table was small would read all of a large one
        cross join lateral (select f.ctid as row_ctid, f.queue, f.priority, f.job_type from ganger.job f where f.id = p.id offset 0) x
    ), placed as (
        update ganger.job j
        set lane_id = ganger._lane_id(f.queue, f.priority, f.job_type, _make_runnable.returned), seq = f.seq, status = 'pending',
            pending_reason = null, due_at = null
        from found f
        where j.ctid = f.row_ctid
    )
    select array_agg(k.queue), array_agg(k.priority::integer), array_agg(k.job_type) into queues, priorities, job_types
    from (select distinct f.queue, f.priority, f.job_type from found f) k;
    perform ganger._enter_lanes(queues, priorities, job_types, returned);
    perform ganger._notify_work(q) from (select distinct q from unnest(queues) q) k;
    made := nextval('ganger.made_runnable'::regclass);
end $$;

-- Moves jobs of one sealed epoch that lie below the frontier of their lane to the sibling lane, at most `max_jobs`. One that
-- somebody holds just now is written down as a straggler. Returns how many were looked at: fewer than max_jobs = that was all.
create function ganger._repair_epoch(lo bigint, hi bigint, max_jobs integer) returns integer
language plpgsql volatile
set jit = off set enable_seqscan = off as $$
declare
    late bigint[];
    free bigint[];
begin
    late := array(
        select j.id
        from ganger.lane l
        cross join lateral (
            select j.id from ganger.job j
            where j.lane_id = l.lane_id and j.seq > _repair_epoch.lo and j.seq <= _repair_epoch.hi
              and j.seq < l.frontier and j.status = 'pending'
              and not exists (select from ganger.lane_straggler s where s.job_id = j.id and s.seq = j.seq)
            order by j.seq limit max_jobs) j
        where l.frontier > _repair_epoch.lo
        limit max_jobs);
    if cardinality(late) = 0 then
        return 0;
    end if;
    free := array(select j.id from ganger.job j
                  where j.id = any (late) and j.seq is not null and j.status = 'pending'
                  order by j.seq for update skip locked);
    insert into ganger.lane_straggler as s
    select j.id, j.lane_id, j.seq from ganger.job j
    where j.id = any (late) and j.id <> all (free) and j.seq is not null and j.status = 'pending'
    on conflict (job_id) do update set lane_id = excluded.lane_id, seq = excluded.seq;
    perform ganger._make_runnable(free, true);
    return cardinality(late);
end $$;

-- Seals the epochs nobody holds any more and repairs what they left below a frontier. Stops at `deadline`: an epoch whose
-- repair is not finished stays, and so does whatever waits for its seal. Returns how many epochs stay open, and how many
-- jobs were looked at. `since`: none before this one.
create function ganger._seal_epochs(deadline timestamptz, since bigint default 0, out unsealed integer, out repaired integer)
language plpgsql volatile as $$
declare
    old record;
    n   integer;
begin
    unsealed := 0;
    repaired := 0;
    for old in select e.epoch, e.lo, e.hi from ganger.epoch e where e.epoch >= since order by e.epoch loop
        if clock_timestamp() > deadline or not pg_try_advisory_lock(1196312402, (old.epoch & 2147483647)::integer) then
            unsealed := unsealed + 1;
            continue;
        end if;
        perform pg_advisory_unlock(1196312402, (old.epoch & 2147483647)::integer);
        loop
            n := ganger._repair_epoch(old.lo, old.hi, 1000);
            repaired := repaired + n;
            exit when n < 1000 or clock_timestamp() > deadline;
        end loop;
        if n < 1000 then
            delete from ganger.epoch e where e.epoch = old.epoch;
        else
            unsealed := unsealed + 1;
        end if;
    end loop;
end $$;

-- Does somebody's open transaction hold this row, or has it begun to run? Nothing is locked by the question: the end of a job that began
-- meanwhile would wait for the end of this transaction, even where its row is no more what was looked for.
create function ganger._is_held(row_id bigint) returns boolean
language plpgsql volatile
set jit = off set enable_seqscan = off as $$
declare
    is_free boolean;
begin
    perform from ganger.job j where j.id = row_id and j.status = 'pending' for update skip locked;
    is_free := found;
    raise exception using errcode = 'GG004';
exception when sqlstate 'GG004' then
    return not is_free;
end $$;

-- Writes down runnable rows at the head of a lane that somebody's open transaction holds, and returns the
-- first seq that is not such a row (null: none left); `head`, where that is not the lane's first any more. At most 1000 per call.
create function ganger._pass_stragglers(lane bigint, head bigint) returns bigint
language plpgsql volatile
set jit = off set enable_seqscan = off as $$
declare
    row_id bigint;
    row_seq bigint := head;
begin
    for i in 1..1000 loop
        select j.id, j.seq into row_id, row_seq from ganger.job j
        where j.lane_id = lane and j.seq >= row_seq and j.status = 'pending' order by j.seq limit 1;
        exit when not found;
        if i = 1 and row_seq <> head then
            return head; -- it was a claim's
        end if;
        exit when not ganger._is_held(row_id);
        insert into ganger.lane_straggler values (row_id, lane, row_seq)
        on conflict (job_id) do update set lane_id = excluded.lane_id, seq = excluded.seq;
        row_seq := row_seq + 1;
    end loop;
    return row_seq;
end $$;

-- Gives stragglers whose holder has let go of them a place in the sibling lane. Returns how many.
create function ganger._free_stragglers() returns integer
language plpgsql volatile
set jit = off set enable_seqscan = off as $$
declare
    freed bigint[];
begin
    freed := array(select s.job_id from ganger.lane_straggler s
                   join ganger.job j on j.id = any (array[s.job_id]) and j.lane_id = s.lane_id and j.seq = s.seq and j.status = 'pending'
                   limit 10000 for update of j skip locked);
    perform ganger._make_runnable(freed, true);
    delete from ganger.lane_straggler s
    where not exists (select from ganger.job j
                      where j.id = s.job_id and j.lane_id = s.lane_id and j.seq = s.seq and j.status = 'pending' offset 0);
    return cardinality(freed);
end $$;

-- Moves the frontiers to the first runnable row of each lane, but never beyond `state.lo`, the start of the current epoch:
-- what began in it may be about to commit, and need not wait for a seal. Takes empty lanes to closing and idle.
--
-- A frontier moves when the gain is 10,000 places or its row is `patience` old: while somebody holds a snapshot every
-- version of a lane's row stays in the way of every claim, and a step over a dead entry costs little.
-- (A plan of its own each time: made for a few lanes it might go through all of them for each of thousands.)
create function ganger._advance_lanes(state ganger.epoch_state, idle_after interval) returns void
language plpgsql volatile
set plan_cache_mode = force_custom_plan
set jit = off set enable_seqscan = off as $$
declare
    epoch_lo  constant bigint := state.lo;
    patience  constant interval := least(idle_after, interval '10 s');
    epoch_now constant bigint := pg_sequence_last_value('ganger.epoch_seq'::regclass);
    stuck     record;
    target    bigint;
begin
    for stuck in
        with visited as materialized (
            select l.lane_id, l.frontier, l.state, l.seen_at, l.closing_epoch, h.seq as head, h.held,
                   greatest(l.frontier, least(coalesce(h.seq, epoch_lo), epoch_lo)) as target
            from ganger.lane l
            left join lateral (
                select j.seq, j.xmax <> '0'::xid as held from ganger.job j
                where j.lane_id = l.lane_id and j.seq >= l.frontier and j.status = 'pending'
                order by j.seq limit 1) h on true
            where l.state <> 'idle'
        ), steps as (
            select v.lane_id, v.target,
                   case when v.head is not null then
                            -- a new lane's frontier (0) says nothing about the age of its jobs, by which claims order lanes
                            case when v.target > v.frontier + 10000 or (v.frontier = 0 and v.target > 0) or v.state = 'closing'
                                      or v.seen_at <= clock_timestamp() - patience then 'active' end
                        when v.state = 'active' and v.seen_at <= clock_timestamp() - idle_after then 'closing'
                        -- Those epochs were sealed in an earlier call: what they held was seen above, or has been moved. The sequence may be further than
                        -- the epochs that are known, by a pass that was rolled back.
                        when v.state = 'closing' and v.closing_epoch < state.epoch
                             and not exists (select from ganger.epoch e where e.epoch <= v.closing_epoch) then 'idle'
                        when v.target > v.frontier + 10000 then 'empty'
                   end as step
            from visited v
        ), moved as (
            update ganger.lane l
            set frontier = case when s.step = 'idle' then l.frontier else s.target end,
                seen_at = case when s.step = 'active' then clock_timestamp() else l.seen_at end,
                state = case when s.step = 'empty' then l.state else s.step end,
                -- whoever still sees it active has taken its seq in the epoch after this one, or earlier
                closing_epoch = case s.step when 'active' then null when 'closing' then epoch_now + 1 else l.closing_epoch end
            from steps s
            where s.step is not null and l.lane_id = s.lane_id
        )
        -- a held row that stood there last time too
        select v.lane_id, v.head from visited v where v.held and v.head = v.frontier
    loop
        target := least(ganger._pass_stragglers(stuck.lane_id, stuck.head), epoch_lo); -- least() ignores a null
        if target > stuck.head then
            update ganger.lane l set frontier = target, seen_at = clock_timestamp(), state = 'active', closing_epoch = null
            where l.lane_id = stuck.lane_id;
        end if;
    end loop;
end $$;

-- Begins a new epoch when numbers were taken in this one, or a closing lane waits for it to end. An enqueuer that stays
-- open and goes on enqueueing holds every epoch it has met, each by an entry of the server's lock table, so
-- epochs last longer the more of them are open: about 1,000 after an hour of that, 3,000 after a day.
create function ganger._begin_epoch(state ganger.epoch_state) returns void language plpgsql volatile as $$
declare
    open_epochs constant bigint := (select count(*) from ganger.epoch);
    epoch_now   constant bigint := pg_sequence_last_value('ganger.epoch_seq'::regclass);
    seq_before  constant bigint := pg_sequence_last_value('ganger.seq'::regclass);
    seq_after   bigint;
begin
    -- one begun in the future is over: the clock was set back, and the feed of events would stand still until it is there again
    if (clock_timestamp() >= state.began_at and clock_timestamp() < state.began_at + interval '1 s' * (open_epochs / 300.0) ^ 2)
       or (seq_before <= state.lo
           and not exists (select from ganger.lane l where l.state = 'closing' and l.closing_epoch >= state.epoch)) then
        return;
    end if;
    perform nextval('ganger.epoch_seq'::regclass);
    seq_after := pg_sequence_last_value('ganger.seq'::regclass);
    -- more than one number: a switch whose transaction was rolled back, or a crash of the server
    insert into ganger.epoch select e, state.lo, seq_after from generate_series(state.epoch, epoch_now) e
    on conflict do nothing;
    update ganger.epoch_state set epoch = epoch_now + 1, lo = seq_before, began_at = clock_timestamp();
end $$;

-- One pass of the frontier duty: fold signals, move frontiers, free stragglers, seal epochs and repair what
-- committed late, idle empty lanes, begin a new epoch. Serialised across nodes by the lock on epoch_state.
-- Returns null when another session is at it, and above READ COMMITTED, where the steps would not see each other's past.
--
-- Once per transaction, null after that: a lane may only become idle when its closing has been committed for as long as its
-- closing_epoch was open. Two passes in one transaction would idle a lane that everybody else still sees active.
--
-- idle_after: how long a lane stays empty before it is idled.
create function ganger._advance(idle_after interval default '30 s') returns jsonb
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    state ganger.epoch_state;
    freed integer;
    seals record;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        return null;
    end if;
    select * into state from ganger.epoch_state for update skip locked;
    if not found or current_setting('ganger.advanced_in', true) = pg_current_xact_id()::text then
        return null;
    end if;
    -- a savepoint that is rolled back takes both back, the pass and this note of it
    perform set_config('ganger.advanced_in', pg_current_xact_id()::text, true);

    with signals as (
        delete from ganger.lane_signal s where s.n >= (select pg_sequence_last_value('ganger.signal_floor'::regclass))
        returning s.lane_id, s.priority, s.returned, s.queue, s.job_type
    )
    insert into ganger.lane as l (lane_id, priority, returned, queue, job_type)
    select distinct on (s.lane_id) s.lane_id, s.priority, s.returned, s.queue, s.job_type from signals s
    on conflict (lane_id) do update set state = 'active', closing_epoch = null, seen_at = clock_timestamp()
        where l.state <> 'active';

    -- before new ones are written down, which may be those of a claim that commits just then: they would be locked as they begin to run
    freed := ganger._free_stragglers();
    perform ganger._advance_lanes(state, idle_after);
    select * into seals from ganger._seal_epochs(clock_timestamp() + interval '2 s');
    perform ganger._begin_epoch(state);
    -- What has just ended is mostly nobody's any more, and need not wait for the next pass: followers of the feed wait for it.
    perform ganger._seal_epochs(clock_timestamp() + interval '1 s', since => state.epoch);
    -- open_epochs: of enqueuers that take longer than a pass
    return jsonb_build_object('repaired', seals.repaired, 'stragglers', freed, 'open_epochs', seals.unsealed);
end $$;

-- Deletes lanes that have been idle for long; returns how many. To an enqueuer no lane is the same as an idle
-- one: it signals, and the lane comes back. What was taken before it became idle is sealed, so nothing can appear below the
-- frontier that is forgotten.
create function ganger._forget_lanes(idle_for interval default '1 day') returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    n integer;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        return 0;
    end if;
    perform from ganger.epoch_state for update skip locked; -- not beside a pass, which writes these rows
    if not found then
        return 0;
    end if;
    delete from ganger.lane l
    where l.state = 'idle' and l.seen_at < clock_timestamp() - idle_for
      and not exists (select from ganger.lane_signal s where s.lane_id = l.lane_id)
      and not exists (select from ganger.job j where j.lane_id = l.lane_id and j.seq is not null and j.status = 'pending' offset 0); -- a straggler's
    get diagnostics n = row_count;
    return n;
end $$;
