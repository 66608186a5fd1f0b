-- SPDX-License-Identifier: MIT
-- A big database, written straight into the tables: every kind of waiting and running job, and what belongs to ended ones.
--
-- psql variables: jobs, history (how many of each; at least 20,000). What was there is deleted, without a word to the planner: nothing is
-- analyzed or truncated here, so plans and statistics that were made before stay.

set synchronous_commit = off;
set client_min_messages = warning;
delete from ganger.history;
delete from ganger.job;
delete from ganger.lane;
delete from ganger.dependency;
delete from ganger.job_key;
delete from ganger.attempt;
delete from ganger.event;
delete from ganger.step;
delete from ganger.token;
delete from ganger.batch;
delete from ganger.batch_state;
delete from ganger.stat;
delete from ganger.schedule;
delete from ganger.worker_claim;
delete from ganger.worker;
delete from ganger.node;
delete from ganger.queue;
delete from ganger.group_limit;
insert into ganger.node (id, name, host, boot_id, pid, process_start, lease, version, idle)
overriding system value select i, 'n' || i, 'h', 'b', i, 1, '60 s', '0', true from generate_series(1, 4) i;
insert into ganger.worker (id, node_id, pool, pid, process_start, backend_pid)
overriding system value select i, 1 + i % 4, 'main', 1, 1, 1 from generate_series(1, 16) i;
select setval(pg_get_serial_sequence('ganger.worker', 'id'), 16), setval(pg_get_serial_sequence('ganger.node', 'id'), 4) \g /dev/null
insert into ganger.queue (name, group_concurrency) values ('q1', 5);
insert into ganger.group_limit (group_key, concurrency) select 'g' || i, 3 from generate_series(0, 99) i;

-- A job's kind is its number modulo 100. Ended jobs have the lower ids, as they came first.
insert into ganger.history (id, finish_id, created_at, started_at, finished_at, lease_id, worker_id, max_attempts, attempts, status,
    priority, crashes, queue, job_type, payload, tags, idempotency_key, batch_id, group_key, owner, last_failed_at, error,
    failure_reason)
select i, :history + :jobs + i, now() - interval '1 h', now() - interval '30 min', now() - interval '20 min', gen_random_uuid(), 1 + i % 16,
       3, 1, (case when i % 100 < 90 then 'completed' when i % 100 < 98 then 'failed' else 'cancelled' end)::ganger.job_status,
       0, 0, 'q' || i % 2, 't' || i % 20, jsonb_build_object('n', i), case when i % 100 = 1 then array['tag' || i % 1000] end,
       case when i % 100 between 2 and 11 then 'hk' || i end, case when i % 100 = 12 then 'b' || i % 1000 end,
       case when i % 100 = 13 then 'g' || i % 10000 end, case when i % 100 = 14 then 'o' || i % 100 end,
       case when i % 100 between 90 and 97 then now() end, case when i % 100 between 90 and 97 then 'x' end,
       case when i % 100 between 90 and 97 then 'error' end
from generate_series(1, :history) i;

insert into ganger.job (id, lane_id, seq, created_at, due_at, pending_reason, status, lease_id, worker_id, lease_until, worker_name,
    started_at, attempts, max_attempts, priority, queue, job_type, payload, tags, expires_at, idempotency_key, unique_key, group_key,
    depends_on, depends_on_tags, batch_id, batch_place, schedule_id, wait_token, owner)
select :history + i, l.lane,
       case when r.k < 58 or r.k in (85, 86, 87, 88, 89, 94, 96, 97, 98, 99) then :history + i end,
       now() - interval '1 h', case when r.k between 58 and 79 or r.k in (91, 95) then now() + interval '1 day' + i * interval '1 ms' end,
       case when r.runs or r.k in (90, 91) then null when r.k between 58 and 79 then 'scheduled' when r.k between 80 and 84 then 'limited'
            when r.k = 92 then 'blocked' when r.k = 93 then 'batch' when r.k = 95 then 'retry' end,
       (case when r.runs then 'processing' when r.k in (90, 91) then 'waiting' else 'pending' end)::ganger.job_status,
       case when r.runs and r.k < 40 then md5((1 + i / 100 % 16) || ' ' || i / 160000)::uuid when r.runs then gen_random_uuid() end,
       case when r.runs and r.k < 40 then 1 + i / 100 % 16 end,
       case when r.runs and r.k >= 40 then now() + interval '1 day' end, case when r.runs and r.k >= 40 then 'outside' end,
       case when r.runs or r.k in (90, 91, 95) then now() end, case when r.runs or r.k in (90, 91, 95) then 1 else 0 end,
       3, 0, 'q' || i % 2, 't' || i % 20, jsonb_build_object('n', i), case when r.k in (87, 88) then array['tag' || i % 1000] end,
       case when r.k = 89 then now() + interval '1 day' end, case when r.k = 99 then 'k' || i end, case when r.k = 98 then 'u' || i end,
       case when r.k between 80 and 86 then 'g' || i / 100 % 10000 end, case when r.k = 92 then array[(:history + i - 1)::bigint] end,
       case when r.k = 92 and i % 1000000 = 92 then array['never'] end, case when r.k in (93, 94) then 'b' || i % 1000 end,
       case when r.k = 94 then true end, case when r.k = 97 then 1 + i % 50 end, case when r.k = 90 then 'w' || i end,
       case when r.k = 96 then 'o' || i / 100 % 100 end
from generate_series(1, :jobs) i
cross join lateral (select i % 100 as k, i % 100 < 58 and i / 100 % 100 = 0 as runs offset 0) r
cross join lateral (select ganger._lane_id('q' || i % 2, 0, 't' || i % 20, false) as lane offset 0) l;

insert into ganger.lane (lane_id, frontier, priority, returned, queue, job_type)
select j.lane_id, min(j.seq), 0, false, min(j.queue), min(j.job_type) from ganger.job j where j.seq is not null and j.status = 'pending'
group by j.lane_id;
insert into ganger.worker_claim (lease_id, worker_id, job_ids)
select j.lease_id, j.worker_id, array_agg(j.id) from ganger.job j where j.status = 'processing' and j.worker_id is not null group by j.lease_id, j.worker_id;
insert into ganger.dependency select j.depends_on[1], j.id from ganger.job j where j.depends_on is not null;
insert into ganger.job_key (kind, key, job_id)
select 'idempotency', 'hk' || i, i from generate_series(1, :history) i where i % 100 between 2 and 11
union all select 'idempotency', 'k' || i, :history + i from generate_series(1, :jobs) i where i % 100 = 99
union all select 'unique', 'u' || i, :history + i from generate_series(1, :jobs) i where i % 100 = 98;
insert into ganger.attempt (job_id, attempt, outcome, error, started_at, finished_at)
select i, 1, 'error', 'x', now(), now() from generate_series(1, :history) i where i % 100 between 85 and 97;
insert into ganger.event (id, job_id, event, data)
select 2 * :history + :jobs + i, i, 'failed', '{"message": "x"}' from generate_series(1, :history) i where i % 100 between 85 and 99;
insert into ganger.step (job_id, name, result)
select :history + i, 's', '1' from generate_series(1, :jobs) i where i % 100 in (90, 91);
insert into ganger.token (token, timeout_at)
select 'w' || i, now() + interval '1 day' from generate_series(1, :jobs) i where i % 100 = 90;
insert into ganger.batch (id, job_type, concurrency, total, started_at)
select 'b' || i, 't0', 5, :jobs / 1000, now() from generate_series(0, 999) i;
insert into ganger.batch_state (batch_id) select 'b' || i from generate_series(0, 999) i;
insert into ganger.stat (job_type, status, jobs, run_us) select 't' || i, 'completed', 1000, 1000 from generate_series(0, 19) i;
insert into ganger.schedule (name, cron, timezone, job_type, payload, overlap, catch_up, options, next_at)
select 's' || i, '0 3 * * *', 'UTC', 't0', '{}', 'skip', 'none', '{}', now() + interval '1 day' from generate_series(1, 50) i;
select setval('ganger.seq', 4 * (:history + :jobs)) \g /dev/null
update ganger.epoch_state set lo = 4 * (:history + :jobs) - 1;
