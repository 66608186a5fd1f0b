-- What the checker goes by, as tables in the schema chaos. The logs are copied into journal, op and fault; the rest is what the
-- database says, read once.

set client_min_messages = warning;
create schema if not exists chaos;
create table if not exists journal_effect (job_id bigint, attempt int);
create table if not exists chaos.placed (op text);
create table if not exists chaos.tick (name text, first_at timestamptz, next_at timestamptz);

-- Lines of handlers; us: CLOCK_BOOTTIME. at is filled in from it: all processes of the test share one machine.
create table chaos.journal (what text, job_id bigint, attempt int, pid int, us bigint);
-- Lines of producers: see chaos_log.h.
create table chaos.op (what text, producer int, number int, us bigint, kind text, key text, count int, id bigint, code text);
create table chaos.fault (us bigint, victim text, pid int);

create table chaos.job as
select j.id, j.job_type, j.queue, j.status, j.attempts, j.max_attempts, j.crashes, j.run_at, j.timeout, j.kill_grace, j.unique_key,
       j.idempotency_key, j.group_key, j.batch_id, j.failure_reason, j.created_at, j.finished_at, j.payload ->> 'op' as op
from ganger.jobs j;
create index on chaos.job (id);
create index on chaos.job (op);

-- As the view attempts, with the lease.
create table chaos.attempt as
select a.job_id, a.attempt, a.lease_id, a.outcome, a.error, a.worker_id, w.pid, a.started_at, a.finished_at
from (select x.job_id, x.attempt, x.lease_id, x.outcome, x.error, x.worker_id, x.started_at, x.finished_at from ganger.attempt x
      union all
      select h.id, h.attempts, h.lease_id, coalesce(h.outcome, h.failure_reason, h.status::text), h.error, h.worker_id, h.started_at, h.finished_at
      from ganger.history h where h.lease_id is not null) a
left join ganger.worker w on w.id = a.worker_id;
create index on chaos.attempt (job_id, attempt);
