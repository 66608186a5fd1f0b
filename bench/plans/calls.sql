-- SPDX-License-Identifier: MIT
-- The statements whose plans are looked at, for a database made by load.sql; temporary tables and functions of this session.
--
-- calls: `prepare` puts the jobs it is about into l; then `call` is measured, and both are rolled back. most: how many index entries and
-- rows of ganger's tables it may read, however many there are; null: as many as there are (`why`).

create temp table l (id bigint, lease_id uuid, n serial);
create temp table calls (n serial, name text not null, prepare text, call text not null, most integer default 4000, why text);
-- Words for `prepare`. held(n): n running jobs of gangerd's workers; outside(n): of an outside one; due(n): n jobs whose time has come.
create function pg_temp.held(n integer) returns void language sql set enable_seqscan = off as $$
    insert into l select j.id, j.lease_id from ganger._processing j where j.worker_id is not null limit n $$;
create function pg_temp.outside(n integer) returns void language sql set enable_seqscan = off as $$
    insert into l select j.id, j.lease_id from ganger._processing j where j.worker_id is null limit n $$;
create function pg_temp.kind(k integer, n integer) returns void language sql set enable_seqscan = off as $$
    insert into l select j.id from generate_series(1, n) i
    join lateral (select x.id from ganger.job x where x.id = (select min(id) - 1 from ganger.job) + 5000 + i * 100 + k offset 0) j on true $$;
create function pg_temp.ended(k integer, n integer) returns void language sql set enable_seqscan = off as $$
    insert into l select h.id, h.lease_id from generate_series(1, n) i join lateral (select x.id, x.lease_id from ganger.history x where x.id = i * 100 + k offset 0) h on true $$;
create function pg_temp.due(n integer) returns void language sql set enable_seqscan = off as $$
    update ganger.job set due_at = now() - interval '1 s' where id = any (array(select j.id from ganger.job j where j.due_at is not null order by j.due_at limit n)) $$;

insert into calls (name, prepare, call) values
    ('claim, 100', null, $$ select * from ganger._take_jobs(1, 1, null, null, '{q0,q1}', array(select 't' || i from generate_series(0, 19) i), 100, null, null) $$),
    ('claim, nothing there', null, $$ select * from ganger._take_jobs(1, 1, null, null, '{none}', '{none}', 100, null, null) $$),
    ('claim(), outside', null, $$ select * from ganger.claim('w', '{q0,q1}') $$),
    ('claim(), of a type', null, $$ select * from ganger.claim('w', '{q0,q1}', '{t3}', 10) $$),
    ('claim, limited', $$ insert into ganger.queue (name, concurrency) values ('q0', 100000) $$, $$ select * from ganger._take_jobs(1, 1, null, null, '{q0,q1}', array(select 't' || i from generate_series(0, 19) i), 100, null, null) $$),
    ('claim, lanes known to be empty', null, $$ select * from ganger._take_jobs(1, 1, null, null, '{q0,q1}', array(select 't' || i from generate_series(0, 19) i), 100, null, null, jsonb_build_object('seq', pg_sequence_last_value('ganger.seq'), 'rank', -65537, 'made', pg_sequence_last_value('ganger.made_runnable'), 'made_xid', '3', 'calm', true)) $$),
    ('claim, lanes looked into at once', null, $$ select * from ganger._take_jobs(1, 1, null, null, '{q0,q1}', array(select 't' || i from generate_series(0, 19) i), 100, null, null, jsonb_build_object('seq', pg_sequence_last_value('ganger.seq'), 'rank', -65537, 'made', pg_sequence_last_value('ganger.made_runnable'), 'made_xid', '3', 'calm', false)) $$),
    ('_has_work', null, $$ select ganger._has_work('{q0}', '{t0}') $$),
    ('_finish_completed, 100', 'select pg_temp.held(100)', $$ select ganger._finish_completed(array_agg(id), array_agg(lease_id), array_fill(null::text, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(null::text, array[100])) from l $$),
    ('_finish_completed, stale', 'select pg_temp.held(100); update l set lease_id = gen_random_uuid()', $$ select ganger._finish_completed(array_agg(id), array_agg(lease_id), array_fill(null::text, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(1::bigint, array[100]), array_fill(null::text, array[100])) from l $$),
    ('_end_attempt, retried', 'select pg_temp.held(1)', $$ select ganger._end_attempt(id, lease_id, 'error', 'x', true, null, null) from l $$),
    ('_end_attempt, failed', 'select pg_temp.held(1)', $$ select ganger._end_attempt(id, lease_id, 'error', 'x', false, null, null) from l $$),
    ('_settle_result, completed', 'select pg_temp.held(1)', $$ select ganger._settle_result(id, lease_id, 'completed', 'null', null, null, null, null, null, null, null, null) from l $$),
    ('_release, 100', 'select pg_temp.held(100)', $$ select ganger._release(array_agg(id), array_agg(lease_id), 'x') from l $$),
    ('_settle_worker', 'select pg_temp.held(5)', $$ select ganger._settle_worker(1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null, null, null, null, null, null, null, null, null, null, false, 'x') from l limit 1 $$),
    ('_reattach_worker', null, $$ select ganger._reattach_worker(1, '{}', '{}', true) $$),
    ('_complete_with_effects', 'select pg_temp.held(1)', $$ select ganger._complete_with_effects(id, lease_id, null) from l $$),
    ('complete()', 'select pg_temp.outside(1)', $$ select ganger.complete(id, lease_id) from l $$),
    ('complete(), again', 'select pg_temp.ended(1, 1)', $$ select ganger.complete(id, lease_id) from l $$),
    ('fail()', 'select pg_temp.outside(1)', $$ select ganger.fail(id, lease_id, 'x') from l $$),
    ('heartbeat()', 'select pg_temp.outside(1)', $$ select ganger.heartbeat(id, lease_id) from l $$),
    ('set_progress()', 'select pg_temp.held(1)', $$ select ganger.set_progress(id, lease_id, 50) from l $$),
    ('enqueue()', null, $$ select ganger.enqueue('t0', queue => 'q0') $$),
    ('enqueue(), keys', null, $$ select ganger.enqueue('t0', queue => 'q0', idempotency_key => 'new', unique_key => 'new') $$),
    ('enqueue(), known key', null, $$ select ganger.enqueue('t0', queue => 'q0', idempotency_key => 'k199') $$),
    ('enqueue(), group', null, $$ select ganger.enqueue('t0', queue => 'q0', group_key => 'g1') $$),
    ('enqueue(), depends_on', 'select pg_temp.kind(1, 1)', $$ select ganger.enqueue('t0', queue => 'q0', depends_on => array[id]) from l $$),
    ('enqueue(), depends_on_tags', null, $$ select ganger.enqueue('t0', queue => 'q0', depends_on_tags => '{tag987}') $$),
    ('enqueue_many(), 100', null, $$ select ganger.enqueue_many((select jsonb_agg('{"job_type": "t0", "queue": "q0"}'::jsonb) from generate_series(1, 100))) $$),
    ('enqueue_many(), keys', null, $$ select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 't0', 'idempotency_key', 'n' || i, 'unique_key', 'n' || i)) from generate_series(1, 100) i)) $$),
    ('_make_runnable, 100', 'select pg_temp.kind(60, 100)', $$ select ganger._make_runnable(array_agg(id), false) from l $$),
    ('_open_gates, groups', 'select pg_temp.kind(81, 100)', $$ select ganger._open_gates(array_agg(id)) from l $$),
    ('_advance', null, $$ select ganger._advance() $$),
    ('_repair_epoch', null, $$ select ganger._repair_epoch((select lo from ganger.epoch_state), (select lo + 100 from ganger.epoch_state), 1000) $$),
    ('_promote, nothing due', null, $$ select * from ganger._promote() $$),
    ('_promote, 100 due', 'select pg_temp.due(100)', $$ select * from ganger._promote() $$),
    ('_work_signals, 100 groups', $$ insert into ganger.signal (kind, key, made_in) select 'group', 'g' || i, '1' from generate_series(1, 100) i $$, $$ select ganger._work_signals() $$),
    ('_work_signals, 100 blocked', $$ select pg_temp.kind(92, 100); insert into ganger.signal (kind, job_id, made_in) select 'blocked', id, '1' from l $$, $$ select ganger._work_signals() $$),
    ('_work_signals, 10 batches', $$ insert into ganger.signal (kind, key, made_in) select 'batch', 'b' || i * 100 - 7, '1' from generate_series(1, 10) i $$, $$ select ganger._work_signals() $$),
    ('_regroup', $$ update ganger.group_limit set concurrency = 1 where group_key = 'g1' $$, $$ select ganger._regroup('{g1}') $$),
    ('_expire_jobs, none', null, $$ select ganger._expire_jobs() $$),
    ('_expire_jobs, 100', $$ select pg_temp.kind(89, 100); update ganger.job set expires_at = now() - interval '1 s' where id = any (array(select id from l)) $$, $$ select ganger._expire_jobs() $$),
    ('_fail_unhandled', $$ insert into ganger.node_service (node_id, queues, job_types, since) values (1, '{q0,q1}', '{t1}', now() - interval '1 h'); insert into ganger.unhandled values ('q0', 't0', now() - interval '1 h'); insert into ganger.seq_mark values (now() - interval '1 h', 9e9) $$, $$ select ganger._fail_unhandled(100) $$),
    ('_fold_stats, 1000', $$ insert into ganger.stat_delta select 't' || i % 20, 'completed', 1, 1, now(), '{1}' from generate_series(1, 1000) i $$, $$ select ganger._fold_stats() $$),
    ('_reclaim_dead_workers', $$ update ganger.worker set state = 'dead', ended_at = now() - interval '1 h' where id = 1 $$, $$ select ganger._reclaim_dead_workers() $$),
    ('_reclaim_expired_leases', null, $$ select ganger._reclaim_expired_leases() $$),
    ('_apply_late_results', $$ select pg_temp.held(10); insert into ganger.late_result (job_id, lease_id, outcome) select id, lease_id, 'completed' from l $$, $$ select ganger._apply_late_results() $$),
    ('_recheck_barriers', null, $$ select ganger._recheck_barriers() $$),
    ('_poll', null, $$ select * from ganger._poll(1, '{q0,q1}', '{t0,t1}') $$),
    ('_tick', null, $$ select ganger._tick() $$),
    ('_tidy', null, $$ select ganger._tidy() $$),
    ('_tidy_partitions', null, $$ select * from ganger._tidy_partitions() $$),
    ('read_events(), from the start', null, $$ select * from ganger.read_events(0, 100) $$),
    ('read_events(), near the end', null, $$ select * from ganger.read_events((select last_value / 2 - 1000 from ganger.seq), 100) $$),
    ('read_events(), at the end', null, $$ select * from ganger.read_events((select last_value - 10 from ganger.seq), 100) $$),
    ('_feed, from the start', null, $$ select * from ganger._feed(0, 100) $$),
    ('_feed, near the end', null, $$ select * from ganger._feed((select last_value / 2 - 1000 from ganger.seq), 100) $$),
    ('_feed, at the end', null, $$ select * from ganger._feed((select last_value - 10 from ganger.seq), 100) $$),
    ('_which_ended, 100', null, $$ select ganger._which_ended(array(select i * 97::bigint from generate_series(1, 100) i)) $$),
    ('kill_worker()', null, $$ select ganger.kill_worker(1) $$),
    ('last_event_id()', null, $$ select ganger.last_event_id() $$),
    ('get_job(), live', 'select pg_temp.kind(1, 1)', $$ select g.* from l, ganger.get_job(l.id) g $$),
    ('get_job(), ended', 'select pg_temp.ended(95, 1)', $$ select g.* from l, ganger.get_job(l.id) g $$),
    ('get_job(), unknown', null, $$ select * from ganger.get_job(-1) $$),
    ('job_events()', 'select pg_temp.ended(95, 1)', $$ select g.* from l, ganger.job_events(l.id) g $$),
    ('explain_job()', 'select pg_temp.kind(81, 1)', $$ select ganger.explain_job(l.id) from l $$),
    ('explain_job(), runnable', 'select pg_temp.kind(1, 1)', $$ select ganger.explain_job(l.id) from l $$),
    ('jobs where id =', 'select pg_temp.kind(1, 1)', $$ select * from ganger.jobs where id = (select id from l) $$),
    ('attempts where job_id =', 'select pg_temp.ended(95, 1)', $$ select * from ganger.attempts where job_id = (select id from l) $$),
    ('list_jobs()', null, $$ select * from ganger.list_jobs('{}', 10) $$),
    ('list_jobs(), a type', null, $$ select * from ganger.list_jobs('{"job_type": "t3"}', 10) $$),
    ('list_jobs(), pending', null, $$ select * from ganger.list_jobs('{"status": "pending"}', 10) $$),
    ('list_jobs(), processing', null, $$ select * from ganger.list_jobs('{"status": "processing"}', 10) $$),
    ('list_jobs(), failed', null, $$ select * from ganger.list_jobs('{"status": "failed"}', 10) $$),
    ('list_jobs(), group', null, $$ select * from ganger.list_jobs('{"group_key": "g9"}', 10) $$),
    ('list_jobs(), batch', null, $$ select * from ganger.list_jobs('{"batch": "b93"}', 10) $$),
    ('list_jobs(), owner', null, $$ select * from ganger.list_jobs('{"owner": "o7"}', 10) $$),
    ('list_jobs(), tags', null, $$ select * from ganger.list_jobs('{"tags": ["tag987"]}', 10) $$),
    ('list_jobs(), idempotency key', null, $$ select * from ganger.list_jobs('{"idempotency_key": "k199"}', 10) $$),
    ('cancel()', 'select pg_temp.kind(1, 1)', $$ select ganger.cancel(id) from l $$),
    ('edit()', 'select pg_temp.kind(60, 1)', $$ select ganger.edit(id, '{"priority": 3}') from l $$),
    ('retry()', 'select pg_temp.ended(95, 1)', $$ select ganger.retry(id) from l $$),
    ('step_get()', 'select pg_temp.held(1)', $$ select ganger.step_get(id, lease_id, 's') from l $$),
    ('complete_token()', null, $$ select ganger.complete_token('w190') $$),
    ('queues', null, 'select * from ganger.queues'),
    ('groups', null, 'select * from ganger.groups limit 10'),
    ('batches', null, $$ select * from ganger.batches where id = 'b93' $$),
    ('workers', null, 'select * from ganger.workers'),
    ('nodes', null, 'select * from ganger.nodes');
-- one job, and what is around it
update calls set most = 500
where name in ('complete()', 'fail()', 'cancel()', 'edit()', 'retry()', 'complete_token()', 'enqueue()', 'enqueue(), keys', '_end_attempt, retried',
               '_end_attempt, failed', '_settle_result, completed', '_expire_jobs, none', 'heartbeat()', 'set_progress()');
update calls set most = 1000 where name = '_promote, nothing due';
update calls set most = 1500 where name = '_work_signals, 100 blocked';
-- a hundred jobs, or all that a worker holds, each by itself
update calls set most = 12000
where name in ('_release, 100', '_settle_worker', '_reattach_worker', '_reclaim_dead_workers', '_promote, 100 due', '_finish_completed, stale');
-- a thousand jobs of each lane; as far as the first ten are; all that run
update calls set most = 25000 where name = 'explain_job(), runnable';
update calls set most = 12000 where name in ('list_jobs(), a type', 'list_jobs(), processing', 'nodes');
update calls set most = null, why = 'a count of all jobs' where name in ('queues', 'groups');
update calls set most = null, why = 'no index on that of ended jobs' where name in ('list_jobs(), group', 'list_jobs(), tags');
update calls set most = null, why = 'the statistics choose between two indexes' where name = 'list_jobs(), batch';
