-- The tables. All are private: the API is functions and views (later files).

create schema if not exists ganger;
comment on schema ganger is 'ganger: background jobs';
revoke all on schema ganger from public;

-- One sequence numbers jobs (id), positions in lanes (seq), finishes (finish_id) and stored events, so
-- that one cursor can follow them all. Taken through ganger._take_seqs, never by nextval alone.
create sequence ganger.seq;
-- The current epoch (see 0002_lanes.sql); its last value is read without MVCC.
create sequence ganger.epoch_seq;
select nextval('ganger.epoch_seq'), nextval('ganger.seq');

create type ganger.job_status as enum ('pending', 'processing', 'waiting', 'completed', 'failed', 'cancelled');

-- Values an operator may change; each has its default where it is read (ganger._setting).
create table ganger.setting (
    name  text primary key,
    value text not null
);

-- Live jobs only. Nulls stand for defaults, so that a plain job is about 110 bytes.
create table ganger.job (
    id                   bigint primary key,
    lane_id              bigint not null,              -- ganger._lane_id(queue, priority, job_type, returned)
    seq                  bigint,                       -- place in the lane; not null = runnable, or running
    created_at           timestamptz not null,
    run_at               timestamptz,                  -- null = created_at
    due_at               timestamptz,                  -- pending (scheduled, retry) or waiting, and not before then
    started_at           timestamptz,                  -- start of the last attempt
    lease_id             uuid,                         -- not null = processing
    worker_id            bigint,                       -- ganger.worker.id; null for outside workers
    lease_until          timestamptz,                  -- outside workers only
    max_attempts         integer not null,
    attempts             integer not null default 0,
    batch_place          boolean,                      -- an item of a batch that has one of its places
    status               ganger.job_status not null default 'pending',
    priority             smallint not null,
    crashes              smallint not null default 0,
    progress             smallint,
    cancel_requested     boolean,
    has_steps            boolean,                      -- there may be rows in ganger.step
    retry_backoff        boolean,                      -- null = true
    queue                text not null,
    job_type             text not null,
    payload              jsonb not null,
    pending_reason       text,
    timeout              interval,
    kill_grace           interval,
    retry_delay          interval,                     -- null = 60 s
    retry_delay_max      interval,
    expires_at           timestamptz,
    tags                 text[],
    idempotency_key      text,
    unique_key           text,
    group_key            text,
    depends_on           bigint[],
    depends_on_tags      text[],
    dead_letter_job_type text,
    dead_letter_job_id   bigint,
    dead_letter_of       bigint,
    batch_id             text,
    schedule_id          bigint,                       -- ganger.schedule.id
    wait_token           text,                         -- waiting, until that ganger.token has ended
    owner                text,
    metadata             jsonb,
    progress_message     text,
    stage                text,
    output               jsonb,
    error                text,                         -- message of the last failed attempt
    failure_reason       text,
    worker_name          text,                         -- outside workers only
    log                  text,                         -- of the current attempt, tail kept
    last_failed_at       timestamptz,
    last_retried_at      timestamptz,
    last_cancelled_at    timestamptz
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.2,
        autovacuum_vacuum_cost_delay = 0);

-- A claim by gangerd is a HOT update: it changes status, lease_id, worker_id, started_at and attempts, so none of these may be a column or
-- in the condition of an index here (tests/sql/claim.sql), and there is room on the page for the new version of each of its rows.

-- The claim index: runnable jobs, and those that run: they keep their entry, which claims have passed.
create index job_claim on ganger.job (lane_id, seq) where seq is not null;
-- An index costs each enqueue, also where it has no entry of the job, and most by the parts of its condition. So indexes are shared by kinds
-- of jobs that exclude each other. Who looks for one kind says that what stands before it is null, and orders by that, too.
--
-- Who waits for a token; what outside workers hold; what goes on by the clock.
create index job_await on ganger.job (wait_token, lease_until, due_at)
    where wait_token is not null or lease_until is not null or due_at is not null;
-- Running jobs that are to be cancelled; jobs that wait until no other job with certain tags is left (the view ganger._barriers).
create index job_rare on ganger.job (cancel_requested, pending_reason, id) where cancel_requested or depends_on_tags is not null;
-- Of a group (0013_limits.sql) who has a place, and who waits for one: the views ganger._placed and ganger._limited. Byte by byte: to
-- compare many different keys in the order of a language costs a seventh of each look.
create index job_group on ganger.job (group_key text_pattern_ops, ((seq is null)::integer), pending_reason, queue, priority desc, id) where group_key is not null;
-- Of a batch (0018_batches.sql) who waits for a place (`is not distinct from`), and who does not; the jobs of a schedule.
create index job_batch on ganger.job (batch_id, (pending_reason is distinct from 'batch'), schedule_id, id)
    where batch_id is not null or schedule_id is not null;
-- An owner's jobs; those of nobody are not in it.
create index job_owner on ganger.job (owner, id) where owner is not null;
create index job_tags on ganger.job using gin (tags) where tags is not null;

-- What gangerd's workers hold: a row for each claim, with the lease of its batch. It goes with the batch when that ends completed as a
-- whole, else with the next tick (ganger._forget_claims): so it names too much, never too little, and ganger._processing says
-- what of it still runs. A row for many jobs, because an index on the jobs would cost each of them two index entries.
create table ganger.worker_claim (
    lease_id  uuid primary key,
    worker_id bigint not null,
    n         bigint not null default txid_current(),  -- see 0011_signals.sql, "Floors"
    job_ids   bigint[] not null
) with (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table ganger.worker_claim alter column job_ids set storage external; -- to compress it would cost a tenth of the claim
create index worker_claim_n on ganger.worker_claim (n);
create sequence ganger.claim_floor;
select setval('ganger.claim_floor', 1);
-- Copies of those that the floor has passed, as they last long.
create table ganger.long_claim (
    lease_id  uuid primary key,
    worker_id bigint not null,
    job_ids   bigint[] not null
);

-- Ended jobs, append-only, apart by status (their retention differs) and by week.
create table ganger.history (
    id                   bigint not null,
    finish_id            bigint not null,              -- when it ended, in the order of ganger.seq; of a worker's batch of many lanes by id
    created_at           timestamptz not null,
    run_at               timestamptz,
    started_at           timestamptz,
    finished_at          timestamptz not null,
    lease_id             uuid,                         -- of the finishing attempt: makes complete() repeatable
    worker_id            bigint,
    cpu_us               bigint,                       -- of the finishing attempt; null unknown
    max_rss              bigint,
    max_attempts         integer not null,
    attempts             integer not null,
    status               ganger.job_status not null,
    exit_code            integer,
    signal               integer,
    priority             smallint not null,
    crashes              smallint not null,
    progress             smallint,
    retry_backoff        boolean,
    queue                text not null,
    job_type             text not null,
    payload              jsonb not null,
    timeout              interval,
    kill_grace           interval,
    retry_delay          interval,
    retry_delay_max      interval,
    expires_at           timestamptz,
    tags                 text[],
    idempotency_key      text,
    unique_key           text,
    group_key            text,
    depends_on           bigint[],
    depends_on_tags      text[],
    dead_letter_job_type text,
    dead_letter_job_id   bigint,
    dead_letter_of       bigint,
    batch_id             text,
    schedule_id          bigint,
    owner                text,
    metadata             jsonb,
    progress_message     text,
    stage                text,
    output               jsonb,
    error                text,
    failure_reason       text,
    outcome              text,                         -- of the finishing attempt, where failure_reason or status say less
    worker_name          text,
    log                  text,
    last_failed_at       timestamptz,
    last_retried_at      timestamptz,
    last_cancelled_at    timestamptz
) partition by list (status);
create table ganger.history_completed partition of ganger.history for values in ('completed')
    partition by range (finished_at);
create table ganger.history_ended partition of ganger.history for values in ('failed', 'cancelled')
    partition by range (finished_at);
create index history_id on ganger.history (id);
create index history_owner on ganger.history (owner, id) where owner is not null;
-- What read_events follows: the ends of completed jobs, in their order.
create index history_finish on ganger.history_completed (finish_id);
create index history_ended_finish on ganger.history_ended (finish_id);
create table ganger.history_completed_default partition of ganger.history_completed default;
create table ganger.history_ended_default partition of ganger.history_ended default;

-- Partitions past their retention that are being taken apart (ganger._tidy_partitions). Nobody else touches their rows.
create table ganger.retiring (
    part      oid primary key,
    next_page bigint not null default 0                -- up to there nothing belongs to its rows any more
);
-- How far the history was looked through for the retention of a queue; queue '' = those without one of their own.
create table ganger.retention_mark (
    queue     text not null,
    part      text not null,                           -- history_completed, history_ended
    finish_id bigint not null,
    primary key (queue, part)
);
-- What is to be taken off the counts when the partition is gone.
create table ganger.retiring_stat (
    part     oid not null,
    job_type text not null,
    status   ganger.job_status not null,
    bucket   smallint,                                 -- as in ganger.stat_run; null: not a completed job
    jobs     bigint not null,
    run_us   bigint not null
);

-- Attempts that ended without ending the job. The running one is in job, the last one in history.
create table ganger.attempt (
    job_id      bigint not null,
    attempt     integer not null,
    lease_id    uuid,                                  -- makes fail() and snooze() repeatable
    outcome     text not null,
    error       text,
    exit_code   integer,
    signal      integer,
    cpu_us      bigint,
    max_rss     bigint,
    worker_id   bigint,
    worker_name text,
    started_at  timestamptz,
    finished_at timestamptz not null,
    log         text
);
create index attempt_job on ganger.attempt (job_id, (coalesce(started_at, finished_at)));

-- Events that no timestamp of the job can tell. added, processing and completed are derived.
create table ganger.event (
    id     bigint primary key,
    job_id bigint,                                     -- null: of a batch, data says which
    event  text not null,
    at     timestamptz not null default clock_timestamp(),
    data   jsonb
);
create index event_job on ganger.event (job_id, at);

-- What operators said about queues, job types and groups (0014_queues.sql).
create table ganger.queue (
    name              text primary key,
    paused            boolean not null default false,
    concurrency       integer,                         -- running at once, of all nodes; null = no limit
    group_concurrency integer,                         -- the same for each group, unless the group has a limit of its own
    rate              integer,                         -- starts in any rate_period
    rate_period       interval,
    retention         interval                         -- of its ended jobs; null = the general one
);
create table ganger.job_type (
    name        text primary key,
    paused      boolean not null default false,
    concurrency integer,
    timeout     interval,                              -- of jobs without their own
    max_crashes integer                                -- null = the setting max_crashes
);
create table ganger.group_limit (
    group_key   text primary key,
    concurrency integer,
    rate        integer,
    rate_period interval
);
-- Recent starts under a rate: of a queue (claimed), or a group (given a place).
create table ganger.rate_use (
    kind text not null,                                -- queue, group
    key  text not null,
    at   timestamptz not null default clock_timestamp(),
    jobs integer not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index rate_use_key on ganger.rate_use (kind, key, at);

-- Keys that must be unique: idempotency keys across live and ended jobs, unique keys across live ones (or until expires_at).
-- Producers bound to an owner have keys of their own: nobody meets another's job by guessing its key.
create table ganger.job_key (
    kind       text not null,                          -- idempotency, unique
    key        text not null,
    owner      text not null default '',               -- whose keys; '' = of all who are not bound
    job_id     bigint not null,
    expires_at timestamptz,                            -- unique keys with unique_for; null: until the holder ends
    primary key (key, kind, owner)
);
create index job_key_job on ganger.job_key (job_id);
-- Unique keys are few, idempotency keys as many as jobs: a look at the former is not to read the latter.
create index job_key_unique on ganger.job_key (job_id) where kind = 'unique';
create index job_key_expires on ganger.job_key (expires_at) where expires_at is not null;

-- What is known about an attempt that ended without the job's own word.
create type ganger.attempt_facts as (
    exit_code integer,
    signal    integer,
    cpu_us    bigint,
    max_rss   bigint,
    log       text,
    ran_us    bigint,
    ago_us    bigint
);

-- What met its job's row locked by somebody's open transaction: applied as soon as that is free, per lease in the order of id.
-- Nothing follows the result of a lease (0030_late_results.sql).
create table ganger.late_result (
    id         bigint generated always as identity primary key,
    job_id     bigint not null,
    lease_id   uuid not null,
    outcome    text not null,                          -- of a result, or what a running job said: see ganger._is_note
    body       text,                                   -- output, message, line of the log; progress: {percent, message, stage};
                                                       -- step: {name, result}; waiting: as in ganger._suspend
    delay      interval,
    until      timestamptz,                            -- heartbeat
    ended_at   timestamptz not null default clock_timestamp(),
    facts      ganger.attempt_facts
);
create index late_result_job on ganger.late_result (job_id);

-- Counts of ended jobs still retained: a delta row per finishing statement, type and second, folded by a duty.
create table ganger.stat_delta (
    job_type text not null,
    status   ganger.job_status not null,
    jobs     bigint not null,                          -- below zero: they are known no more
    run_us   bigint not null,
    ended_at timestamptz,                              -- the second they ended in; null: this is no end of a job; -infinity: they live again
    buckets  smallint[]                                -- of completed ones: each element stands for jobs / cardinality(buckets)
);
create sequence ganger.fold_mark;
select setval('ganger.fold_mark', 1);
create table ganger.stat (
    job_type text not null,
    status   ganger.job_status not null,
    jobs     bigint not null,
    run_us   bigint not null,
    primary key (job_type, status)
);
-- How long the retained completed jobs ran: bucket b holds those of 2^(b/4) to 2^((b+1)/4) microseconds.
create table ganger.stat_run (
    job_type text not null,
    bucket   smallint not null,
    jobs     bigint not null,
    primary key (job_type, bucket)
) with (fillfactor = 50);
-- Ends of jobs by time, retained or not: per second for two minutes, per minute for two days, per hour for 30 days.
create table ganger.stat_rate (
    span      integer not null,                        -- seconds: 1, 60, 3600
    began_at  timestamptz not null,
    job_type  text not null,
    completed bigint not null,
    failed    bigint not null,
    cancelled bigint not null default 0,
    primary key (span, began_at, job_type)
) with (fillfactor = 50);

-- Nobody reads it: to be set is a record in the WAL.
create sequence ganger.answer_mark;

-- Has the commit of this transaction wait until the disk and a synchronous standby have all that was before it, as if it had written something:
-- for an answer about another one's commit, which may be visible here and not yet there. PostgreSQL waits for a transaction that has a
-- number and has written to the WAL; a number alone is not enough, and nextval writes for one number in 32 only. This does both.
create function ganger._wait_at_commit() returns void language plpgsql volatile as $$
begin
    perform setval('ganger.answer_mark'::regclass, 1);
end $$;

-- How long an attempt ran, in microseconds; and the bucket of a completed one, null for others. Whoever counts a job and
-- whoever takes it off the counts use these, so that they agree.
create function ganger._run_us(started_at timestamptz, finished_at timestamptz) returns bigint
language sql immutable parallel safe as $$ select (date_part('epoch', finished_at - started_at) * 1e6)::bigint $$;
create function ganger._run_bucket(status ganger.job_status, run_us bigint) returns smallint
language sql immutable parallel safe as $$
    select case when status = 'completed' then floor(4 / ln(2::double precision) * ln(greatest(run_us, 1)::double precision)) end::smallint
$$;

-- One row per incarnation of a node: a restarted supervisor is a new node of the same name.
create table ganger.node (
    id            bigint generated always as identity primary key,
    name          text not null,
    incarnation   uuid not null default gen_random_uuid(),
    host          text not null,
    boot_id       text not null,
    pid           integer not null,
    process_start bigint not null,                     -- with pid: that very process (clock ticks since boot)
    state         text not null default 'alive',       -- alive, stopped (by itself), dead (buried by others)
    idle          boolean not null default false,      -- "notify me": a worker of this node has nothing to do
    heartbeat     bigint not null default 0,           -- judged by observers on their own clocks
    lease         interval not null,
    version       text not null,
    started_at    timestamptz not null default clock_timestamp(),
    seen_at       timestamptz not null default clock_timestamp(),
    ended_at      timestamptz,
    clock_offset  interval,                            -- of its wall clock, to the database's; null: not known yet
    cpu_count     integer,                             -- what its machine has and does, as of its last heartbeat
    load          real,
    usage_ids     bigint[],                            -- its processes: workers by id; -1 supervisor, -2 reaper, -3 api
    usage_cpu_us  bigint[],                            -- their processor time, parallel; and so on
    usage_share   bigint[],                            -- thousandths of a processor since the heartbeat before; -1 unknown
    usage_rss     bigint[]
) with (fillfactor = 50);
create index node_live on ganger.node (id) where state = 'alive';
create unique index node_live_name on ganger.node (name) where state = 'alive';

create table ganger.worker (
    id            bigint generated always as identity primary key,
    node_id       bigint not null references ganger.node,
    pool          text not null,
    pid           integer not null,
    process_start bigint not null,
    backend_pid   integer not null,
    backend_start timestamptz,                         -- null behind a pooler
    link          integer not null default 1,          -- grows with every reconnect: a claim through an older one is refused
    state         text not null default 'alive',       -- alive, dead
    is_cleared    boolean not null default false,      -- dead, and seen to hold nothing any more
    started_at    timestamptz not null default clock_timestamp(),
    ended_at      timestamptz
) with (fillfactor = 50);
create index worker_live on ganger.worker (node_id) where state = 'alive';

-- Workers that an operator wants ended (kill_worker): rows of their own, without a key of any kind, so that whoever is at the worker's row
-- waits for no open transaction with the wish. They go when the worker has ended (ganger._forget_unwanted). An index would only grow dead
-- entries: there are a few rows for a second or so.
create table ganger.unwanted_worker (
    worker_id bigint not null
);
create index worker_uncleared on ganger.worker (id) where state = 'dead' and not is_cleared;

-- Whom a role that is bound to one owner acts for, where that is not the owner of its own name; '*' = any. See ganger._is_free.
create table ganger.role_owner (
    role  regrole primary key,
    owner text not null
);

-- Who runs the cluster duties.
create table ganger.duty (
    name    text primary key,
    node_id bigint,
    until   timestamptz not null default '-infinity'
);
insert into ganger.duty (name) values ('cluster');
