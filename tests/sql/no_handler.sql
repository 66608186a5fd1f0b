-- SPDX-License-Identifier: MIT
-- no_handler: jobs whose type nobody handles end after a time, while a node serves their queue.
select plan(36);

-- Time passes: what the duty has noted becomes older, the nodes' rows too.
create function pg_temp.pass(span interval) returns void language sql as $$
    update ganger.unhandled set since = since - span;
    update ganger.seq_mark set at = at - span;
    update ganger.node_service set since = since - span;
    update ganger.outside_claim set at = at - span;
$$;
create function pg_temp.tick() returns integer language sql as $$ select (ganger.maintain() ->> 'unhandled')::integer $$;
create function pg_temp.poll(node bigint, queues text[], types text[]) returns boolean language sql as
    $$ select alive from ganger._poll(node, queues, types) $$;

select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger.enqueue('strange') as strange \gset
select ganger.enqueue('known') as known \gset
select ganger.enqueue('strange', queue => 'elsewhere') as elsewhere \gset

-- Nobody serves anything.
select is(pg_temp.tick(), 0, 'no node has polled');
select pg_temp.pass('1 h') \gset
select is(pg_temp.tick(), 0, 'so nothing counts');
select is_empty('select from ganger.unhandled', 'nothing is noted');

-- A node serves the queue, and not the type.
select ok(pg_temp.poll(:node, '{default}', '{known,other}'), 'a node polls');
select xmin as row_version from ganger.node_service \gset
select ok(pg_temp.poll(:node, '{default}', '{known,other}'), 'and again');
select is((select xmin::text from ganger.node_service), :'row_version', 'what it serves is written once');
select is(pg_temp.tick(), 0, 'the count begins');
select results_eq('select queue, job_type from ganger.unhandled', $$ values ('default', 'strange') $$,
    'for the type nobody handles, in the queue that is served');
select pg_temp.pass('4 min 59 s') \gset
select is(pg_temp.tick(), 0, 'not before no_handler_after');
select ganger.enqueue('strange') as young \gset
select pg_temp.pass('1 s') \gset
select is(pg_temp.tick(), 1, 'then it fails');
select results_eq(format('select status, failure_reason, attempts, will_retry from ganger.jobs where id = %s', :strange),
    $$ values ('failed', 'no_handler', 0, false) $$, 'as no_handler, without a charge');
select is((select error from ganger.jobs where id = :strange), 'no live node has had a handler for job type "strange" for 00:05:00',
    'the message says what, and how long');
select results_eq(format('select event, data ->> ''reason'' from ganger.job_events(%s) where event <> ''added''', :strange),
    $$ values ('failed', 'no_handler') $$, 'an event tells');
select results_eq(format('select status from ganger.jobs where id in (%s, %s, %s) order by id', :known, :elsewhere, :young),
    $$ values ('pending'), ('pending'), ('pending') $$, 'other types, other queues and younger jobs are left alone');
select pg_temp.pass('15 s') \gset
select pg_temp.tick() \gset
select pg_temp.pass('4 min 50 s') \gset
select is(pg_temp.tick(), 0, 'it has not waited for so long, though its type has');
select pg_temp.pass('10 s') \gset
select is(pg_temp.tick(), 1, 'the younger one, in its time');
select is((select status from ganger.jobs where id = :young), 'failed', 'it too');

-- A node that comes back begins the count anew.
select ganger.enqueue('strange') as a \gset
select pg_temp.tick() \gset
select pg_temp.pass('4 min') \gset
select pg_temp.poll(:node, '{default}', '{known,strange}') \gset
select pg_temp.tick() \gset
select is_empty('select from ganger.unhandled', 'handled again');
select pg_temp.poll(:node, '{default}', '{known}') \gset
select pg_temp.tick() \gset
select pg_temp.pass('4 min') \gset
select is(pg_temp.tick(), 0, 'the time before does not count');

-- Time without any node for the queue does not count, even when no duty ran meanwhile.
select ganger._stop_node(:node) \gset
select pg_temp.pass('1 day') \gset
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select pg_temp.poll(:node, '{default}', '{known}') \gset
select is(pg_temp.tick(), 0, 'nor does time without a node');
select results_eq('select since > clock_timestamp() - interval ''1 min'' from ganger.unhandled', $$ values (true) $$, 'it begins now');

-- An outside worker has asked for it.
select pg_temp.pass('4 min') \gset
select is((select count(*) from ganger.claim('w', queues => '{none}', job_types => '{strange}')), 0::bigint, 'an outside worker asks');
select is((select count(*) from ganger.claim('w', queues => '{none}', job_types => '{strange,x}')), 0::bigint, 'and again, for more');
select results_eq('select job_type from ganger.outside_claim order by 1', $$ values ('strange'), ('x') $$, 'each is noted once');
select pg_temp.tick() \gset
select is_empty('select from ganger.unhandled', 'nothing is unhandled');
select pg_temp.pass('23 h 59 min') \gset
select is(pg_temp.tick(), 0, 'for a day');
select pg_temp.pass('2 min') \gset
select pg_temp.tick() \gset
select results_eq('select job_type from ganger.unhandled', $$ values ('strange') $$, 'then it counts');
select is((select count(*) from ganger.claim('w', queues => '{none}')), 0::bigint, 'an outside worker asks for anything');
select pg_temp.tick() \gset
select is_empty('select from ganger.unhandled', 'nothing is unhandled');
select pg_temp.pass('26 h') \gset
select pg_temp.tick() \gset
select is_empty('select from ganger.outside_claim', 'what is old is forgotten');

-- What is paused waits, and the setting is heeded.
select pg_temp.pass('1 h') \gset
select ganger.pause_queue('default') \gset
select is(pg_temp.tick(), 0, 'what is paused waits');
select ganger.resume_queue('default') \gset
select ganger.pause_job_type('strange') \gset
select pg_temp.tick() \gset
select is_empty('select from ganger.unhandled', 'nor does a paused type count');
select ganger.resume_job_type('strange') \gset
select ganger.set_queue('default', 0) \gset
select pg_temp.tick() \gset
select is_empty('select from ganger.unhandled', 'nor a queue that is stopped');
select ganger.set_queue('default') \gset
select ganger._set_setting('no_handler_after', '10 seconds') \gset
select pg_temp.tick() \gset
select pg_temp.pass('10 s') \gset
select is(pg_temp.tick(), 1, 'after no_handler_after');

-- Many: a budget, and no more of the table read than that.
select ganger.enqueue('many') from generate_series(1, 3000) \g /dev/null
select pg_temp.pass('1 s') \gset
select pg_temp.tick() \gset
select pg_temp.pass('11 s') \gset
select is(ganger._fail_unhandled(2500), 2500, 'no more than asked for');
select is(pg_temp.tick(), 500, 'the rest next time');

select * from finish();
