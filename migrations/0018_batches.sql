-- Batches: many jobs (items) under one name, a few of them at a time.

create table ganger.batch (
    id          text primary key,
    job_type    text not null,
    concurrency integer not null,
    total       integer not null,
    paused      boolean not null default false,
    cancelled   boolean not null default false,
    created_at  timestamptz not null default clock_timestamp(),
    started_at  timestamptz,
    finished_at timestamptz,
    owner       text,
    on_finish   jsonb                                  -- one entry of enqueue_many, enqueued once when all items have ended
);
-- The items in their order. Item and job live and die apart: the job is in ganger.job or history.
create table ganger.batch_item (
    batch_id text not null,
    place    integer not null,
    job_id   bigint not null,
    primary key (batch_id, place)
);

-- May its items start? The items of a cancelled one have ended; what runs after that is what somebody has retried.
create function ganger._is_batch_running(id text) returns boolean
language sql stable set search_path = pg_catalog, ganger, pg_temp as $$
    select exists (select from ganger.batch b
                   where b.id = _is_batch_running.id and (b.started_at is not null or b.cancelled) and not b.paused)
$$;

-- Gives free places of these batches to their next items, and ends the batches whose items have all ended. One that another session is
-- at is left to a signal.
create function ganger._admit_batches(keys text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    locked text[] := ganger._lock_places('batch', keys, 'batch');
    ids    bigint[];
    done   text;
begin
    with room as materialized (
        select b.id, greatest(0, b.concurrency - (select count(*) from ganger.job j
                                                  where j.batch_id = b.id and j.pending_reason is distinct from 'batch')) as places
        from ganger.batch b where b.id = any (locked) and ganger._is_batch_running(b.id)
    )
    select coalesce(array_agg(n.id), '{}') into ids
    from room r
    cross join lateral (select j.id from ganger.job j where j.batch_id = r.id and j.pending_reason = 'batch'
                        order by j.id limit r.places for update skip locked) n;
    update ganger.job j set pending_reason = null where j.id = any (ids);
    perform ganger._open_gates(ids);
    for done in
        select b.id from ganger.batch b
        where b.id = any (locked) and b.finished_at is null and (b.started_at is not null or b.cancelled)
          and not exists (select from ganger.job j where j.batch_id = b.id)
    loop
        perform ganger._end_batch(done);
    end loop;
end $$;
