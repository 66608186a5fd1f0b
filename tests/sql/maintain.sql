-- SPDX-License-Identifier: MIT
-- The duties: promotion, outside leases, stuck jobs, partitions, retention, statistics.
select plan(83);

-- promote
select ganger.enqueue('t', run_at => now() + interval '1 h') as soon \gset
select ganger.enqueue('t', run_at => now() + interval '2 h') as later \gset
select results_eq($$ select (m ->> 'promoted')::int, (m ->> 'reclaimed')::int from ganger.maintain() m $$, $$ values (0, 0) $$, 'nothing is due');
select ok((select (ganger.maintain() ->> 'next_due')::timestamptz) = (select due_at from ganger.job where id = :soon), 'the next due instant');
update ganger.job set due_at = clock_timestamp() where id = :soon;
select is((ganger.maintain() ->> 'promoted')::int, 1, 'what is due is promoted');
select results_eq(format('select status, pending_reason, next_attempt_at from ganger.jobs where id = %s', :soon),
    $$ values ('pending', null::text, null::timestamptz) $$, 'and runnable');
select is((select array_agg(id) from ganger.claim('w', max_jobs => 10)), array[:soon]::bigint[], 'it is claimed, and it alone');
select ok((select lane_id = ganger._lane_id('default', 0, 't', false) from ganger.job where id = :soon), 'from its own lane');
update ganger.job set due_at = clock_timestamp() - interval '1 h' where id = :later;
select ganger.enqueue('t') as now \gset
select ganger.maintain() \gset
select is((select array_agg(id) from ganger.claim('w', max_jobs => 10)), array[:now, :later]::bigint[], 'its age counts from the promotion');
select ganger.enqueue('many', run_at => now() + interval '1 h') from generate_series(1, 2500) \g /dev/null
update ganger.job set due_at = clock_timestamp() where job_type = 'many';
select is((select promoted from ganger._promote(2000)), 2000, 'no more than asked for');
select is((select promoted from ganger._promote()), 500, 'the rest next time');
select ok((select next_due is null from ganger._promote()), 'then nothing waits');
select ganger.cancel(id) from ganger.job where job_type = 'many' and seq is not null \g /dev/null

-- outside leases
select ganger.enqueue('l', max_attempts => 2) as a \gset
select id, lease_id as lease from ganger.claim('w', job_types => '{l}', lease => '1 s') \gset
select is((ganger.maintain() ->> 'reclaimed')::int, 0, 'a lease that runs is left alone');
update ganger.job set lease_until = clock_timestamp() where id = :a;
select is((ganger.maintain() ->> 'reclaimed')::int, 1, 'one that is over is reclaimed');
select results_eq(format('select status, pending_reason, attempts, crashes, failure_reason, will_retry from ganger.jobs where id = %s', :a),
    $$ values ('pending', null::text, 1, 1, 'crashed', true) $$, 'charged as a crash, claimable again');
select ok(not ganger.complete(:a, :'lease'), 'the late worker is told so');
select results_eq(format('select event from ganger.job_events(%s)', :a),
    $$ values ('added'), ('processing'), ('reclaimed'), ('failed') $$, 'an event tells');
select id, lease_id as lease from ganger.claim('w', job_types => '{l}') \gset
update ganger.job set lease_until = clock_timestamp() where id = :a;
select ganger.maintain() \gset
select results_eq(format('select status, attempts, crashes, failure_reason, will_retry from ganger.jobs where id = %s', :a),
    $$ values ('failed', 2, 2, 'crashed', false) $$, 'no attempt is left: failed');
select is((select jsonb_path_query_array(error_history, '$[*].reason') from ganger.jobs where id = :a), '["crashed", "crashed"]'::jsonb, 'both are known');
select ganger.enqueue('l') as a \gset
select id, lease_id as lease from ganger.claim('w', job_types => '{l}') \gset
select ganger.cancel(:a) \gset
update ganger.job set lease_until = clock_timestamp() where id = :a;
select ganger.maintain() \gset
select is((select status from ganger.jobs where id = :a), 'cancelled', 'a cancelled one ends cancelled when its lease is over');

-- reclaim_stuck
select ganger.enqueue('s') as a \gset
select id, lease_id as lease from ganger.claim('w', job_types => '{s}', lease => '1 h') \gset
select is(ganger.reclaim_stuck('0 s'), 0::bigint, 'live work is never touched');
select is((select status from ganger.jobs where id = :a), 'processing', 'indeed');
update ganger.job set lease_until = clock_timestamp() where id = :a;
select is(ganger.reclaim_stuck(), 0::bigint, 'a lease that is over, but not for long');
select is(ganger.reclaim_stuck('0 s'), 1::bigint, 'a lease that is over');
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'p', 1, 1, false) as worker \gset
select id, lease_id from ganger._take_jobs(:worker, 1, null, null, '{default}', '{s}', 1, null, null) \gset
select is(ganger.reclaim_stuck('0 s'), 0::bigint, 'a live worker''s job');
select ganger._mark_worker_dead(:worker) \gset
select is(ganger.reclaim_stuck('1 h'), 0::bigint, 'a dead worker''s, but not for long');
select is(ganger.reclaim_stuck('0 s'), 0::bigint, 'a dead worker''s, which its node may still settle');
update ganger.worker set ended_at = clock_timestamp() - interval '59 s' where id = :worker;
select is(ganger.reclaim_stuck('0 s'), 0::bigint, 'for the length of its lease');
update ganger.worker set ended_at = clock_timestamp() - interval '61 s' where id = :worker;
select is(ganger.reclaim_stuck('0 s'), 1::bigint, 'not for ever');
select results_eq(format('select status, failure_reason, attempts from ganger.jobs where id = %s', :a), $$ values ('pending', 'crashed', 2) $$,
    'is charged and claimable again');
select is((select outcome from ganger.attempts where job_id = :a and attempt = 2), 'node_lost', 'as lost');
select ganger._register_node('n2', 'h', 'b', 1, 1, '60 s', '0') as node2 \gset
select ganger._register_worker(:node2, 'p', 1, 1, false) as worker2 \gset
select id, lease_id from ganger._take_jobs(:worker2, 1, null, null, '{default}', '{s}', 1, null, null) \gset
select ganger._mark_worker_dead(:worker2) \gset
select ganger._stop_node(:node2) \gset
select is(ganger.reclaim_stuck('0 s'), 1::bigint, 'at once when its node is gone');
delete from ganger.worker where id = :worker2;
delete from ganger.node where id = :node2;
select throws_ok(format('select ganger.reclaim_stuck(%s)', v), '22023', null, 'reclaim_stuck ' || v) from unnest(array['null', $$'-1 s'$$]) v;

-- partitions: this week and two more, of both kinds
select is((select count(*) from pg_inherits where inhparent in ('ganger.history_completed'::regclass, 'ganger.history_ended'::regclass)), 8::bigint,
    'three weeks and a default, twice');
select is(ganger._make_partitions(), 0, 'they are there');
select is(ganger._tidy_partitions()::text, '(nothing,f)', 'nothing is to be done');
select ganger.enqueue('p') as a \gset
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{p}') \gset
select ok((select tableoid::regclass::text ~ 'history_completed_\d{4}_\d\d' from ganger.history where id = :a), 'a job that ends goes to its week');
select ok((select c.reltuples is not null and pg_get_expr(c.relpartbound, c.oid) ~ 'FROM .* TO ' from ganger.history h
    join pg_class c on c.oid = h.tableoid where h.id = :a), 'which has bounds');
select ganger.enqueue('p') as f \gset
select ganger.fail(id, lease_id, 'x', false) from ganger.claim('w', job_types => '{p}') \gset
select ok((select tableoid::regclass::text ~ 'history_ended_\d{4}_\d\d' from ganger.history where id = :f), 'a failed one to another');

-- retention: partitions that lie wholly before it are dropped, with everything that belongs to them
create table ganger.history_completed2000_01 partition of ganger.history_completed for values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00');
create table ganger.history_ended2000_01 partition of ganger.history_ended for values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00');
select ganger.enqueue('old', idempotency_key => 'old key') as o \gset
select ganger.fail(id, lease_id, 'x') from ganger.claim('w', job_types => '{old}') \gset
update ganger.job set due_at = clock_timestamp() where id = :o;
select ganger._promote() \gset
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{old}') \gset
select ganger.enqueue('old') as g \gset
select ganger.cancel(:g) \gset
update ganger.history set finished_at = '2000-01-05 00:00+00', started_at = '2000-01-04 23:59:59+00' where job_type = 'old';
select is((select count(*) from ganger.history_completed2000_01), 1::bigint, 'an old completed job');
select is((select count(*) from ganger.history_ended2000_01), 1::bigint, 'and an old cancelled one');
select ganger._fold_stats() \gset
select results_eq('select step, more from ganger._tidy_partitions()', $$ values ('retired', true) $$, 'one of their weeks is marked');
select is((select part::regclass::text from ganger.retiring), 'ganger.history_completed2000_01', 'the older one, or the first');
select results_eq('select step, more from ganger._tidy_partitions()', $$ values ('stripped', true) $$, 'stripped');
select is_empty(format('select job_id from ganger.attempt where job_id = %1$s union all select job_id from ganger.event where job_id = %1$s
    union all select job_id from ganger.job_key where job_id = %1$s', :o), 'nothing belongs to its jobs any more');
select is((select status from ganger.jobs where id = :o), 'completed', 'they are still there');
select results_eq('select step, more from ganger._tidy_partitions()', $$ values ('dropped', true) $$, 'and dropped');
select results_eq('select step from ganger._tidy_partitions()', $$ values ('retired') $$, 'the next one');
select ok(not ganger.retry(:g), 'its jobs are not retried any more');
select is(ganger.cleanup('1 year'), 0::bigint, 'nor deleted one by one');
select is((select string_agg((ganger._tidy_partitions()).step, ' ') from generate_series(1, 3)), 'stripped dropped nothing', 'until it is gone too');
select is((select count(*) from ganger.retiring) + (select count(*) from ganger.retiring_stat), 0::bigint, 'no notes are left');
select is_empty(format('select id from ganger.jobs where id in (%s, %s)', :o, :g), 'the jobs are gone');
select is_empty(format('select job_id from ganger.attempt where job_id = %1$s union all select job_id from ganger.event where job_id = %1$s
    union all select job_id from ganger.job_key where job_id = %1$s', :o), 'with attempts, events and keys');
select is((ganger.stats('old') ->> 'total')::int, 0, 'and are no longer counted');
select isnt(ganger.enqueue('old', idempotency_key => 'old key'), :o::bigint, 'their keys are free');
select ok((select count(*) > 0 from ganger.history), 'this week stays, with its jobs');
-- one that an operator has dropped halfway
create table ganger.history_completed2000_01 partition of ganger.history_completed for values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00');
select is((ganger._tidy_partitions()).step, 'retired', 'one more old week');
drop table ganger.history_completed2000_01;
select is((ganger._tidy_partitions()).step, 'gone', 'which somebody has dropped, is forgotten');
-- a week that is not there yet
do $$ begin execute format('drop table ganger.%I', (select max(c.relname) from pg_class c where c.relname like 'history\_ended\_2%' and c.relkind = 'r')); end $$;
select is((ganger._tidy_partitions()).step, 'made', 'a week that is missing is made');

-- a live node's reaper does that, not maintain(): whoever called it may stay open. Without one rows go by age
create table ganger.history_completed2000_01 partition of ganger.history_completed for values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00');
select ganger.enqueue('old') as o \gset
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{old}', max_jobs => 10) \g /dev/null
update ganger.history set finished_at = '2000-01-05 00:00+00' where id = :o;
select is((ganger.maintain() ->> 'expired_rows')::int, 0, 'beside a live node maintain() leaves partitions alone');
select ganger._stop_node(:node) \gset
select is((ganger.maintain() ->> 'expired_rows')::int, 1, 'without one it deletes their old rows');
select is_empty(format('select from ganger.jobs where id = %s', :o), 'they are gone');
select is(to_regclass('ganger.history_completed2000_01')::text, 'ganger.history_completed2000_01', 'the partition is not');
select is(current_setting('lock_timeout'), '0', 'the caller''s lock_timeout is left alone');
drop table ganger.history_completed2000_01;

-- maintain() promotes everything, a tick no more than 10,000
select ganger.enqueue_many((select jsonb_agg('{"job_type": "much", "run_at": "2090-01-01"}'::jsonb) from generate_series(1, 12000))) \g /dev/null
update ganger.job set due_at = clock_timestamp() where job_type = 'much';
select is((ganger.maintain() ->> 'promoted')::int, 12000, 'all that is due');
delete from ganger.job where job_type = 'much';

-- rows in the default partitions go by age
select ganger.enqueue('d') as d \gset
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{d}') \gset
update ganger.history set finished_at = now() - interval '31 days', started_at = now() - interval '31 days' where id = :d;
select is((select tableoid::regclass::text from ganger.history where id = :d), 'ganger.history_completed_default', 'a row of no week');
select is((ganger._tidy() ->> 'expired_rows')::int, 1, 'goes by its age');
select ganger.enqueue('d') as d \gset
select ganger.cancel(:d) \gset
update ganger.history set finished_at = now() - interval '31 days' where id = :d;
select is((ganger._tidy() ->> 'expired_rows')::int, 0, 'failed and cancelled ones are kept longer');
select ganger._set_setting('retention_failed', '30 days') \gset
select is((ganger._tidy() ->> 'expired_rows')::int, 1, 'as the setting says');

-- nodes and workers nobody can name any more
update ganger.worker set state = 'dead', ended_at = now() - interval '200 days';
update ganger.node set state = 'stopped', ended_at = now() - interval '200 days';
select is((ganger._tidy() ->> 'nodes_forgotten')::int, 1, 'dead workers are forgotten');
select is((select count(*) from ganger.node), 0::bigint, 'and their nodes');

-- who does the duties
select ganger._register_node('a', 'h', 'b', 1, 1, '60 s', '0') as a \gset
select ganger._register_node('b', 'h', 'b', 1, 1, '60 s', '0') as b \gset
select ok(ganger._take_duty(:a), 'one node');
select ok(not ganger._take_duty(:b), 'and no other');
select ok(ganger._take_duty(:a), 'keeps the duty');
select ok((select leader from ganger.nodes where id = :a) and not (select leader from ganger.nodes where id = :b), 'as the view shows');
update ganger.duty set until = clock_timestamp();
select ok(ganger._take_duty(:b), 'until its lease is over');
select ok(not ganger._take_duty(:a), 'then it is the other''s');
-- the clock was set back by an hour after it had been taken
update ganger.duty set until = clock_timestamp() + interval '1 h';
select ok(ganger._take_duty(:a), 'a lease longer than any is nobody''s');
select ok((select until < clock_timestamp() + interval '11 s' from ganger.duty), 'and lasts as long as others from then on');
select ok(not ganger._take_duty(:b), 'for one node');

-- what maintain() answers
select ok(ganger.maintain() ?& '{promoted,scheduled,reclaimed,expired_jobs,expired_tokens}'::text[], 'all counts of the contract');
-- folding
select ganger._fold_stats() \gset
select is((select count(*) from ganger.stat_delta), 0::bigint, 'deltas are folded');
select is(ganger._fold_stats(), 0, 'once');

select * from finish();
