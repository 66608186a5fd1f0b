-- SPDX-License-Identifier: MIT
-- Nodes, workers and what becomes of the jobs of dead ones; the views about them.
select plan(100);

create temp table t (name text primary key, id bigint, lease_id uuid);
create function pg_temp.node() returns bigint language sql as $$ select max(id) from ganger.node where state = 'alive' $$;
-- A new worker that holds n jobs, noted in t as 1..n.
create function pg_temp.worker(n integer, max_attempts integer default 3) returns bigint language plpgsql as $$
declare
    worker bigint := ganger._register_worker(pg_temp.node(), 'p', 77, 1, false);
begin
    delete from t;
    perform ganger.enqueue('t', max_attempts => max_attempts) from generate_series(1, n);
    insert into t select row_number() over (), c.id, c.lease_id
    from ganger._take_jobs(worker, 1, null, null, '{default}', '{t}', n, null, null) c;
    return worker;
end $$;
create function pg_temp.state(name text) returns text language sql as $$
    select concat_ws(' ', j.status, j.pending_reason, j.attempts, j.crashes, j.failure_reason) from ganger.jobs j join t using (id) where t.name = state.name $$;
-- Ends everything that is left.
create function pg_temp.clear() returns void language sql as $$ select ganger.cancel(id) from ganger.job where seq is not null or due_at is not null $$;

-- nodes and workers
select ganger._register_node('n1', 'host', 'boot', 5, 6, '60 s', '1.0') as node \gset
select results_eq('select name, state, host, pid, version, lease, workers, processing, leader from ganger.nodes',
    $$ values ('n1', 'alive', 'host', 5, '1.0', '60 s'::interval, 0::bigint, 0::bigint, false) $$, 'a node');
select ok(ganger._heartbeat_node(:node), 'its heartbeat');
select is((select heartbeat from ganger.node), 1::bigint, 'counts up');
select ok(not ganger._heartbeat_node(987), 'an unknown node''s does not');
select pg_temp.worker(3) as worker \gset
select results_eq(format('select node, pool, pid, state, job_id, held from ganger.workers where id = %s', :worker),
    $$ select 'n1', 'p', 77, 'busy', id, 3::bigint from t where name = '1' $$, 'a busy worker');
select results_eq('select workers, processing from ganger.nodes', $$ values (1::bigint, 3::bigint) $$, 'seen from its node');
select ok((select bool_and(worker = :worker::text and node = 'n1') from ganger.jobs join t using (id)), 'and from its jobs');
select results_eq($$ select node, worker, pid from ganger.attempts join t on job_id = id where name = '1' $$,
    format($$ values ('n1', %L, 77) $$, :worker), 'and from their attempts');

-- what processes use
select ok((select cpu_count is null and processes is null from ganger.nodes), 'a node that says nothing of its processes');
select ok((select w.job_type = 't' and job_started_at > created_at and cpu_time is null and rss is null and not is_ending
           from ganger.workers w join ganger.jobs j on j.id = w.job_id where w.id = :worker), 'a worker shows its job');
select ok(ganger._heartbeat_node(:node, null, 4, 1.5, array[-1, -2, :worker], array[1500000, 20000, 2250000], array[-1, 7, 1250],
                                 array[1000, 2000, 3000]), 'one that does');
select results_eq('select cpu_count, load, processes from ganger.nodes', $$ values (4, 1.5::real,
    '{"supervisor": {"rss": 1000, "cpu_share": null, "cpu_seconds": 1.50},
      "reaper": {"rss": 2000, "cpu_share": 0.007, "cpu_seconds": 0.02}}'::jsonb) $$, 'what the machine and its processes use');
select results_eq(format('select cpu_time, cpu_share, rss from ganger.workers where id = %s', :worker),
    $$ values ('2.25 s'::interval, 1.25::double precision, 3000::bigint) $$, 'and a worker');
select ok(ganger._heartbeat_node(:node), 'it says nothing again');

-- a worker that somebody wants gone
select is((select unwanted from ganger._poll(:node, '{default}', '{t}')), null, 'nobody wants a worker gone');
select ok(ganger.kill_worker(:worker), 'one is to be ended');
select ok(ganger.kill_worker(:worker), 'and once more');
select is((select count(*) from ganger.unwanted_worker), 1::bigint, 'which is the same wish');
select ok((select is_ending from ganger.workers where id = :worker), 'as the view shows');
select is((select unwanted from ganger._poll(:node, '{default}', '{t}')), array[:worker]::bigint[], 'its node hears of it');
select ok(not ganger.kill_worker(987654), 'one that is not there is not');
select throws_ok('select ganger.kill_worker(null)', '22023', null, 'one must be named');

-- a clean batch
select is(ganger._finish_completed(array_agg(id), array_agg(lease_id), array_agg(case when name = '2' then '{"r": 2}' end), array_agg(1500000::bigint),
    array_agg(0::bigint), array_agg(7000::bigint), array_agg(4096::bigint), array_agg('log ' || name)), '{}', 'a finished batch is accepted') from t;
select results_eq($$ select status, output, finished_at - started_at from ganger.jobs join t using (id) order by name $$,
    $$ values ('completed', null::jsonb, '1.5 s'::interval), ('completed', '{"r": 2}', '1.5 s'), ('completed', null, '1.5 s') $$, 'with results and times');
select results_eq($$ select outcome, cpu_time, max_rss, log from ganger.attempts join t on job_id = id where name = '1' $$,
    $$ values ('completed', '0.007 s'::interval, 4096::bigint, 'log 1') $$, 'and what it cost');
select is(ganger._finish_completed(array_agg(id), array_agg(lease_id), array_agg(null::text), array_agg(1::bigint), array_agg(0::bigint),
    array_agg(null::bigint), array_agg(null::bigint), array_agg(null::text)), '{}', 'repeated: accepted before') from t;
select is(ganger._finish_completed(array_agg(id), array_agg(gen_random_uuid()), array_agg(null::text), array_agg(1::bigint), array_agg(0::bigint),
    array_agg(null::bigint), array_agg(null::bigint), array_agg(null::text)), array_agg(id), 'stale ones are named') from t;
select is((select state from ganger.workers where id = :worker), 'idle', 'the worker is idle');

-- release: what never started goes back uncounted, to the front
select pg_temp.worker(3) as worker \gset
select ganger.enqueue('t') as fresh \gset
select is(ganger._release(array_agg(id), array_agg(lease_id), 'the batch takes too long'), 2, 'two of three go back') from t where name <> '1';
select is(pg_temp.state('2'), 'pending 0 0', 'uncounted');
select is(pg_temp.state('1'), 'processing 1 0', 'the third goes on');
select results_eq($$ select outcome, error from ganger.attempts join t on job_id = id where name = '2' $$,
    $$ values ('released', 'the batch takes too long') $$, 'an attempt tells why');
select results_eq($$ select e.event, e.data ->> 'reason' from t, ganger.job_events(t.id) e where t.name = '2' and e.event = 'released' $$,
    $$ values ('released', 'the batch takes too long') $$, 'and an event');
select is(ganger._release(array_agg(id), array_agg(lease_id), 'again'), 0, 'not twice') from t where name <> '1';
select is((select array_agg(c.id order by c.id) from ganger.claim('w', max_jobs => 2) c), (select array_agg(id order by id) from t where name <> '1'),
    'they stand before what waits');
select pg_temp.clear() \g /dev/null

-- settle: done, running, never started
select pg_temp.worker(5) as worker \gset
create temp table lease as select * from t;
select lives_ok(format('select ganger._mark_worker_dead(%s)', :worker), 'the worker dies');
select results_eq(format('select state, ended_at is not null from ganger.workers where id = %s', :worker), $$ values ('dead', true) $$, 'as the view shows');
select results_eq(format($f$ select finished, charged, released from ganger._settle_worker(%s,
        array(select id from t where name in ('1', '2', '3') order by name), array(select lease_id from t where name in ('1', '2', '3') order by name),
        '{completed,error,snoozed}', array['{"r": 1}', 'boom', null], '{null,null,3600000}', '{1000,1000,1000}', '{500,500,500}',
        '{null,3000,null}', '{null,4096,null}', '{null,"what it said",null}',
        (select id from t where name = '4'), (select lease_id from t where name = '4'), 'crashed', 'killed by signal 9', null, 9, 70000, 123456, 'last words',
        2000000, false, 'never started') $f$, :worker), $$ values (3, 1, 1) $$, 'three done, one charged, one given back');
select is(pg_temp.state('1'), 'completed 1 0', 'its result is kept');
select is((select output from ganger.jobs join t using (id) where name = '1'), '{"r": 1}', 'with the output');
select is(pg_temp.state('2'), 'pending retry 1 0 error', 'its failure too');
select results_eq($$ select cpu_time, max_rss, log from ganger.attempts join t on job_id = id where name = '2' $$,
    $$ values ('0.003 s'::interval, 4096::bigint, 'what it said') $$, 'with what is known of it');
select is(pg_temp.state('3'), 'pending scheduled 0 0', 'and its snooze');
select is(pg_temp.state('4'), 'pending 1 1 crashed', 'the running one is charged, and claimable at once');
select is(pg_temp.state('5'), 'pending 0 0', 'the one that never started is not');
select results_eq($$ select outcome, error, signal, exit_code, cpu_time, max_rss, log, finished_at - started_at from ganger.attempts join t on job_id = id where name = '4' $$,
    $$ values ('crashed', 'killed by signal 9', 9, null::int, '0.07 s'::interval, 123456::bigint, 'last words', '2 s'::interval) $$, 'the cause of death');
select results_eq($$ select j.error_history #>> '{0,reason}', j.error_history #>> '{0,message}' from ganger.jobs j join t using (id) where name = '4' $$,
    $$ values ('crashed', 'killed by signal 9') $$, 'in the history of errors too');
select results_eq(format($f$ select finished, charged, released from ganger._settle_worker(%s, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        (select id from t where name = '4'), (select lease_id from t where name = '4'), 'crashed', 'x', null, 9, null, null, null, null, true, 'x') $f$, :worker),
    $$ values (0, 0, 0) $$, 'settled once');
select is(pg_temp.state('4'), 'pending 1 1 crashed', 'nothing is charged twice');
select pg_temp.clear() \g /dev/null

-- other causes
create function pg_temp.die(outcome text, max_attempts integer default 3) returns text language plpgsql as $$
declare
    worker bigint := pg_temp.worker(1, max_attempts);
begin
    perform ganger._mark_worker_dead(worker);
    perform ganger._settle_worker(worker, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', (select id from t), (select lease_id from t), outcome, 'message', 3, null,
        null, null, null, null, false, 'x');
    return pg_temp.state('1');
end $$;
select is(pg_temp.die('timeout'), 'pending retry 1 0 timeout', 'a timeout waits for its retry');
select is(pg_temp.die('timeout', 1), 'failed 1 0 timeout', 'the last one fails');
select is(pg_temp.die('crashed', 1), 'failed 1 1 crashed', 'the last crash fails');
select results_eq($$ select outcome, exit_code from ganger.attempts join t on job_id = id $$, $$ values ('crashed', 3) $$, 'with its exit code');
select is(pg_temp.die('released'), 'pending 0 0', 'a kill meant for another run is not charged');
select pg_temp.clear() \g /dev/null
select is(pg_temp.die('cancelled'), 'pending 0 0', 'a stop for a cancel nobody asked for is not charged either');
select pg_temp.clear() \g /dev/null
select pg_temp.worker(1) as worker \gset
select ganger.cancel(id) from t \gset
select ganger._mark_worker_dead(:worker) \gset
select ganger._settle_worker(:worker, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', id, lease_id, 'cancelled', 'm', null, 15, null, null, null, null, false, 'x') from t \gset
select is(pg_temp.state('1'), 'cancelled 1 0', 'one that was asked for ends it');
select results_eq($$ select outcome, signal from ganger.attempts join t on job_id = id $$, $$ values ('cancelled', 15) $$, 'with the signal');

-- the evidence is gone: everything is charged
select pg_temp.worker(2) as worker \gset
select ganger._mark_worker_dead(:worker) \gset
select results_eq(format($f$ select finished, charged, released from ganger._settle_worker(%s, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        null, null, null, null, null, null, null, null, null, null, true, 'its machine is gone') $f$, :worker), $$ values (0, 2, 0) $$, 'both are charged');
select is(pg_temp.state('1') || ', ' || pg_temp.state('2'), 'pending 1 0 crashed, pending 1 0 crashed', 'and claimable again');
select results_eq($$ select distinct outcome, error from ganger.attempts join t on job_id = id $$, $$ values ('node_lost', 'its machine is gone') $$, 'as lost with the node');
select results_eq($$ select count(*) from t, ganger.job_events(t.id) e where e.event = 'reclaimed' $$, $$ values (2::bigint) $$, 'events tell');
select is((select string_agg(e.event, ' ' order by n) from t, ganger.job_events(t.id) with ordinality e (id, event, at, data, job_id, n)
    where t.name = '1'), 'added processing reclaimed failed', 'first that it was taken back');
select pg_temp.clear() \g /dev/null
select pg_temp.worker(1, 1) as worker \gset
select ganger._mark_worker_dead(:worker) \gset
select ganger._settle_worker(:worker, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null, null, null, null, null, null, null, null, null, null, true, 'lost') \gset
select is(pg_temp.state('1'), 'failed 1 0 crashed', 'the last attempt fails as a crash');
select is((select outcome from ganger.attempts join t on job_id = id), 'node_lost', 'which was lost with its node');
select is((select error_history #>> '{0,reason}' from ganger.jobs join t using (id)), 'crashed', 'as the history of errors says');
select ok(ganger.retry(id), 'retried') from t;
select is((select outcome from ganger.attempts join t on job_id = id), 'node_lost', 'the attempt stays what it was');
select pg_temp.clear() \g /dev/null

-- a new connection
select pg_temp.worker(3) as worker \gset
select is(ganger._reattach_worker(:worker, array_agg(id), array_agg(case when name = '1' then lease_id else gen_random_uuid() end), false), 2,
    'a worker on a new link') from t where name <> '3';
select is(pg_temp.state('1') || ', ' || pg_temp.state('2'), 'processing 1 0, pending 0 0', 'what it knows by another lease only, as after a failover, goes back');
select is(pg_temp.state('3'), 'pending 0 0', 'and what it does not know of');
select throws_ok(format($$ select ganger._take_jobs(%s, 1, null, null, '{default}', '{t}', 1, null, null) $$, :worker), 'GG001', null,
    'a claim through the old link is refused');
select lives_ok(format($$ select ganger._take_jobs(%s, 2, null, null, '{default}', '{t}', 1, null, null) $$, :worker), 'through the new one it is not');
select ganger.kill_worker(:worker) \gset
select ganger._forget_unwanted() \gset
select ok(:worker in (select worker_id from ganger.unwanted_worker), 'a wish stays while its worker lives');
select ganger._mark_worker_dead(:worker) \gset
select is(ganger._reattach_worker(:worker, '{}', '{}', false), null, 'a dead worker does not come back');
select ok((select not is_ending from ganger.workers where id = :worker), 'nor is it ending');
select ok((select :worker <> all (coalesce(unwanted, '{}')) from ganger._poll(:node, '{default}', '{t}')), 'nor asked for');
select ganger._tick() \gset
select ok(:worker not in (select worker_id from ganger.unwanted_worker), 'the wish for its end has gone');

-- workers their node does not know
select pg_temp.worker(0) as worker \gset
select throws_ok($$ select ganger._register_node('n1', 'other', 'boot', 9, 9, '60 s', '1.0') $$, '23505', null, 'a live node''s name is its own');
select ok(:worker in (select id from ganger._live_workers(:node)), 'a live worker''s process is known');
select is(ganger._end_unknown_workers(:node, '{}'), 0, 'one that has just registered is left alone');
update ganger.worker set started_at = clock_timestamp() - interval '11 s' where state = 'alive';
select is(ganger._end_unknown_workers(:node, array(select id from ganger._live_workers(:node))), 0, 'and those the node knows');
select ok(ganger._end_unknown_workers(:node, array(select id from ganger._live_workers(:node) where id <> :worker)) = 1, 'any other has died on the way');
select is((select state from ganger.workers where id = :worker), 'dead', 'as the view shows');
select ok(not ganger.kill_worker(:worker), 'a dead one cannot be ended');
select ok((select :worker <> all (coalesce(unwanted, '{}')) from ganger._poll(:node, '{default}', '{t}')), 'and is not asked for');

-- burying a node
select heartbeat as beat from ganger.node \gset
select is_empty(format('select * from ganger._bury_node(%s, %s)', :node, :beat - 1), 'a node whose heartbeat has moved is not buried');
select ok(ganger._heartbeat_node(:node), 'it lives');
select pg_temp.worker(1) as worker \gset
select results_eq(format('select b from ganger._bury_node(%s, %s) b where b is null or b = %s', :node, :beat + 1, :worker),
    format('values (%s::bigint), (null)', :worker), 'one whose heartbeat has not is, with its workers');
select is_empty(format('select * from ganger._bury_node(%s, %s)', :node, :beat + 1), 'once');
select ok(not ganger._heartbeat_node(:node), 'its heartbeat is refused');
select is(ganger._register_worker(:node, 'p', 1, 1, false), null, 'it gets no workers');
select results_eq(format('select state, ended_at is not null from ganger.nodes where id = %s', :node), $$ values ('dead', true) $$, 'as the view shows');
select is((select count(*) from ganger.workers where state <> 'dead'), 0::bigint, 'its workers are dead');

-- a worker of a node that is gone: its jobs come back
select pg_temp.clear() \g /dev/null
select ganger._register_node('n2', 'host', 'boot', 5, 6, '60 s', '1.0') as node \gset
select pg_temp.worker(1) as worker \gset
select ganger.enqueue('t') \gset
update ganger.node set state = 'stopped', ended_at = clock_timestamp() - interval '10 s' where id = :node;
select is((select state from ganger.worker where id = :worker), 'alive', 'a worker its node knows nothing of');
select is(ganger._reclaim_dead_workers('1 min'), '{}', 'its job is left for a while');
select is(cardinality(ganger._reclaim_dead_workers()), 1, 'and then reclaimed');
select is(pg_temp.state('1'), 'pending 1 0 crashed', 'charged');
select is((select state from ganger.worker where id = :worker), 'dead', 'the worker is dead');

-- and one that its node leaves behind claims nothing
select pg_temp.clear() \g /dev/null
select ganger._register_node('n3', 'host', 'boot', 5, 6, '60 s', '1.0') as node \gset
select ganger._register_worker(:node, 'p', 77, 1, false) as worker \gset
select ganger.enqueue('t') \gset
select ganger._stop_node(:node) \g /dev/null
select is((select state from ganger.worker where id = :worker), 'dead', 'a worker of a node that has stopped');
select throws_ok(format($$ select ganger._take_jobs(%s, 1, null, null, '{default}', '{t}', 1, null, null) $$, :worker), 'GG001', null,
    'claims nothing');

select * from finish();
