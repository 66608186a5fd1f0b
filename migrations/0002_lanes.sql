-- Lanes, epochs and the frontier: what makes the claim cost the same at any backlog.
-- ARCHITECTURE.md, "The claim", explains the protocol; this file is all of it.

-- state: active  claims visit it, enqueuers need say nothing
--        closing claims visit it, enqueuers signal; idle once every epoch up to closing_epoch is sealed
--        idle    claims do not visit it unless there is a signal
create table ganger.lane (
    lane_id       bigint primary key,
    frontier      bigint not null default 0,
    closing_epoch bigint,
    empty_since   timestamptz,
    priority      smallint not null,
    returned      boolean not null,
    paused        boolean not null default false,
    state         text not null default 'active',
    queue         text not null,
    job_type      text not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- "There may be work in this lane": inserted by whoever sees no active lane of its own. No unique key, so
-- nobody waits for anybody; claims read it, the advance duty folds it into ganger.lane.
create table ganger.lane_signal (
    lane_id  bigint not null,
    priority smallint not null,
    returned boolean not null,
    queue    text not null,
    job_type text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

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
-- One row; its lock serialises ganger._advance across nodes. lo: where the current epoch began.
create table ganger.epoch_state (
    epoch bigint not null,
    lo    bigint not null
);
insert into ganger.epoch_state select pg_sequence_last_value('ganger.epoch_seq'), 0;

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
    loop
        epoch := pg_sequence_last_value('ganger.epoch_seq'::regclass);
        perform pg_advisory_xact_lock_shared(1196312402, (epoch & 2147483647)::integer);
        if n = 1 then
            seqs := array[nextval('ganger.seq'::regclass)];
        else
            seqs := array(select nextval('ganger.seq'::regclass) from generate_series(1, n));
        end if;
        exit when epoch = pg_sequence_last_value('ganger.epoch_seq'::regclass);
    end loop;
    return seqs;
end $$;

-- The lane of a job about to become runnable; signals when the lane is not seen active. Call AFTER
-- _take_seqs: then a lane seen active cannot be idled before this transaction has ended. A snapshot taken
-- earlier (above READ COMMITTED) proves nothing, so such a transaction always signals.
create function ganger._enter_lane(queue text, priority integer, job_type text, returned boolean)
returns bigint language plpgsql volatile as $$
declare
    lane bigint := ganger._lane_id(queue, priority, job_type, returned);
begin
    if current_setting('transaction_isolation') <> 'read committed'
       or not exists (select from ganger.lane l where l.lane_id = lane and l.state = 'active') then
        insert into ganger.lane_signal (lane_id, priority, returned, queue, job_type)
        values (lane, priority, returned, queue, job_type);
    end if;
    return lane;
end $$;

-- Tells idle nodes that a queue has work. NOTIFY takes a lock in commit, so it is sent only when
-- a live node says it is idle; nobody's correctness depends on it.
create function ganger._notify_work(queue text) returns void language plpgsql volatile as $$
begin
    if exists (select from ganger.node n where n.state = 'alive' and n.idle) then
        perform pg_notify('ganger', 'work:' || queue);
    end if;
end $$;

-- Gives the runnable or returned jobs `ids` (row locks held by the caller) a new place: the sibling lane when
-- `returned`. Leaves every other column alone except the waiting ones.
create function ganger._make_runnable(ids bigint[], returned boolean) returns void
language plpgsql volatile as $$
declare
    seqs bigint[];
    woken text;
begin
    if cardinality(ids) = 0 then
        return;
    end if;
    seqs := ganger._take_seqs(cardinality(ids));
    -- distinct lanes first: one look (and at most one signal) per lane, not per job
    with lanes as materialized (
        select k.queue, k.priority, k.job_type,
               ganger._enter_lane(k.queue, k.priority, k.job_type, _make_runnable.returned) as lane_id
        from (select distinct j.queue, j.priority, j.job_type from ganger.job j where j.id = any (ids)) k
    )
    update ganger.job j
    set lane_id = l.lane_id, seq = p.seq, status = 'pending', pending_reason = null, due_at = null
    from unnest(ids, seqs) as p (id, seq), lanes l
    where j.id = p.id and l.queue = j.queue and l.priority = j.priority and l.job_type = j.job_type;
    for woken in select distinct j.queue from ganger.job j where j.id = any (ids) loop
        perform ganger._notify_work(woken);
    end loop;
end $$;

-- Moves jobs of one sealed epoch that lie below the frontier of their lane to the sibling lane. One that somebody
-- holds just now is written down as a straggler.
create function ganger._repair_epoch(lo bigint, hi bigint) returns integer language plpgsql volatile as $$
declare
    late bigint[];
    free bigint[];
begin
    late := array(
        select j.id
        from ganger.lane l
        cross join lateral (
            select j.id, j.seq from ganger.job j
            where j.lane_id = l.lane_id and j.seq >= _repair_epoch.lo and j.seq <= _repair_epoch.hi
              and j.seq < l.frontier
            order by j.seq) j
        where l.frontier > _repair_epoch.lo
        order by j.seq);
    if cardinality(late) = 0 then
        return 0;
    end if;
    free := array(select j.id from ganger.job j
                  where j.id = any (late) and j.seq is not null
                  order by j.seq for update skip locked);
    insert into ganger.lane_straggler
    select j.id, j.lane_id, j.seq from ganger.job j
    where j.id = any (late) and j.id <> all (free) and j.seq is not null
    on conflict do nothing;
    perform ganger._make_runnable(free, true);
    return cardinality(free);
end $$;

-- Writes down runnable rows at the head of a lane that somebody's open transaction holds, and returns the
-- first seq that is not such a row (null: none left). At most 100 per call.
create function ganger._pass_stragglers(lane bigint, head bigint) returns bigint language plpgsql volatile as $$
declare
    row_id bigint;
    row_seq bigint := head;
begin
    for i in 1..100 loop
        select j.id, j.seq into row_id, row_seq from ganger.job j
        where j.lane_id = lane and j.seq >= row_seq order by j.seq limit 1;
        exit when not found;
        perform from ganger.job j where j.id = row_id for update skip locked;
        exit when found;
        insert into ganger.lane_straggler values (row_id, lane, row_seq) on conflict do nothing;
        row_seq := row_seq + 1;
    end loop;
    return row_seq;
end $$;

-- One pass of the frontier duty: fold signals, move frontiers, free stragglers, seal epochs and repair what
-- committed late, idle empty lanes, begin a new epoch. Serialised across nodes by the lock on epoch_state;
-- returns null when another session is at it. Must run in READ COMMITTED: each step needs its own snapshot.
--
-- idle_after: how long a lane stays empty before it is idled.
create function ganger._advance(idle_after interval default '30 s') returns jsonb
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    state     ganger.epoch_state;
    lane      record;
    old       record;
    target    bigint;
    moved     integer := 0;
    sealed    integer := 0;
    unsealed  integer := 0;
    freed     bigint[];
    epoch_now bigint;
    seq_before bigint;
    seq_after bigint;
begin
    select * into state from ganger.epoch_state for update skip locked;
    if not found then
        return null;
    end if;

    with signals as (
        delete from ganger.lane_signal returning lane_id, priority, returned, queue, job_type
    )
    insert into ganger.lane as l (lane_id, priority, returned, queue, job_type)
    select distinct on (s.lane_id) s.lane_id, s.priority, s.returned, s.queue, s.job_type from signals s
    on conflict (lane_id) do update set state = 'active', closing_epoch = null, empty_since = null
        where l.state <> 'active';

    -- Frontiers go to the first runnable row, but never beyond the start of the current epoch: what began
    -- in it may be about to commit, and need not wait for a seal.
    for lane in
        select l.lane_id, l.frontier, l.state, l.empty_since, l.closing_epoch, h.seq as head, h.held
        from ganger.lane l
        left join lateral (
            select j.seq, j.xmax <> '0'::xid as held from ganger.job j
            where j.lane_id = l.lane_id and j.seq >= l.frontier
            order by j.seq limit 1) h on true
        where l.state <> 'idle'
    loop
        target := least(coalesce(lane.head, state.lo), state.lo);
        if lane.held and lane.head = lane.frontier then -- it stood there last time too
            target := least(coalesce(ganger._pass_stragglers(lane.lane_id, lane.head), state.lo), state.lo);
        end if;
        if lane.head is not null then
            if target > lane.frontier or lane.empty_since is not null or lane.state = 'closing' then
                update ganger.lane l
                set frontier = greatest(l.frontier, target), empty_since = null, state = 'active', closing_epoch = null
                where l.lane_id = lane.lane_id;
            end if;
        elsif lane.empty_since is null then
            update ganger.lane l set frontier = greatest(l.frontier, target), empty_since = clock_timestamp()
            where l.lane_id = lane.lane_id;
        elsif lane.state = 'active' and lane.empty_since <= clock_timestamp() - idle_after then
            -- whoever still sees it active took its seq in the epoch that begins below, or earlier
            update ganger.lane l
            set state = 'closing', closing_epoch = pg_sequence_last_value('ganger.epoch_seq'::regclass) + 1
            where l.lane_id = lane.lane_id;
        elsif lane.state = 'closing' and lane.closing_epoch < pg_sequence_last_value('ganger.epoch_seq'::regclass)
              and not exists (select from ganger.epoch e where e.epoch <= lane.closing_epoch) then
            -- sealed: the look above may be older than the seal, so look once more
            if not exists (select from ganger.job j where j.lane_id = lane.lane_id and j.seq is not null) then
                update ganger.lane l set state = 'idle' where l.lane_id = lane.lane_id;
            end if;
        elsif target > lane.frontier + 10000 then -- an empty lane's frontier need not follow closely
            update ganger.lane l set frontier = target where l.lane_id = lane.lane_id;
        end if;
    end loop;

    -- Stragglers whose holder has let go of them.
    freed := array(select s.job_id from ganger.lane_straggler s
                   join ganger.job j on j.id = s.job_id and j.lane_id = s.lane_id and j.seq = s.seq
                   for update of j skip locked);
    perform ganger._make_runnable(freed, true);
    delete from ganger.lane_straggler s
    where not exists (select from ganger.job j
                      where j.id = s.job_id and j.lane_id = s.lane_id and j.seq = s.seq);

    for old in select e.epoch, e.lo, e.hi from ganger.epoch e order by e.epoch loop
        if pg_try_advisory_lock(1196312402, (old.epoch & 2147483647)::integer) then
            perform pg_advisory_unlock(1196312402, (old.epoch & 2147483647)::integer);
            moved := moved + ganger._repair_epoch(old.lo, old.hi);
            delete from ganger.epoch e where e.epoch = old.epoch;
            sealed := sealed + 1;
        else
            unsealed := unsealed + 1; -- an enqueuer that takes longer than a tick
        end if;
    end loop;

    -- Begin a new epoch when numbers were taken in this one, or a closing lane waits for a seal.
    seq_before := pg_sequence_last_value('ganger.seq'::regclass);
    if seq_before > state.lo or exists (select from ganger.lane l where l.state = 'closing') then
        epoch_now := pg_sequence_last_value('ganger.epoch_seq'::regclass);
        perform nextval('ganger.epoch_seq'::regclass);
        seq_after := pg_sequence_last_value('ganger.seq'::regclass);
        -- more than one number: a switch whose transaction was rolled back, or a crash of the server
        insert into ganger.epoch select e, state.lo, seq_after from generate_series(state.epoch, epoch_now) e
        on conflict do nothing;
        update ganger.epoch_state set epoch = epoch_now + 1, lo = seq_before;
    end if;
    return jsonb_build_object('sealed', sealed, 'repaired', moved, 'stragglers', cardinality(freed),
                              'open_epochs', unsealed);
end $$;
