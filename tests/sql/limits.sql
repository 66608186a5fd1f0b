-- SPDX-License-Identifier: MIT
-- Limits, rates and pauses: what they accept, what they let through, what they say. Under concurrency: test_limits.c, test_groups.c.
select plan(64);

create function pg_temp.claimed(n integer default 100, variadic queues text[] default '{default}') returns integer language sql as
    $$ select count(*)::integer from ganger.claim('w', queues, max_jobs => n) $$;
create function pg_temp.keys(n integer default 100, variadic queues text[] default '{default}') returns text[] language sql as
    $$ select array_agg(group_key) from ganger.claim('w', queues, max_jobs => n) $$;
-- Ends what runs, all or some.
create function pg_temp.done(n integer default 1000) returns bigint language sql as
    $$ select count(*) filter (where ganger.complete(j.id, j.lease_id))
       from (select id, lease_id from ganger.job where status = 'processing' order by id limit n) j $$;

-- what is accepted
select throws_ok($$ select ganger.set_queue(null) $$, '22023', 'queue is missing');
select throws_ok($$ select ganger.set_queue('') $$, '22023', 'queue is empty');
select throws_ok($$ select ganger.set_queue('q', -1) $$, '22003', 'concurrency must be at least 0, not -1');
select throws_ok($$ select ganger.set_queue('q', group_concurrency => 0) $$, '22003', 'group_concurrency must be at least 1, not 0');
select throws_ok($$ select ganger.set_queue('q', rate => 1) $$, '22023', 'rate and rate_period belong together');
select throws_ok($$ select ganger.set_queue('q', rate_period => '1 s') $$, '22023', 'rate and rate_period belong together');
select throws_ok($$ select ganger.set_queue('q', rate => 0, rate_period => '1 s') $$, '22003', 'rate must be at least 1, not 0');
select throws_ok($$ select ganger.set_queue('q', rate => 1, rate_period => '0 s') $$, '22023', 'rate_period must be more than zero, not 00:00:00');
select throws_ok($$ select ganger.set_queue('q', retention => '-1 s') $$, '22023', 'retention must be zero or more, not -00:00:01');
select throws_ok($$ select ganger.set_job_type('t', max_crashes => 0) $$, '22003', 'max_crashes must be at least 1, not 0');
select throws_ok($$ select ganger.set_job_type('t', timeout => '0 s') $$, '22023', 'timeout must be more than zero, not 00:00:00');
select throws_ok($$ select ganger.set_group_limit(null, 1) $$, '22023', 'group_key is missing');
select throws_ok($$ select ganger.set_group_limit('g', -1) $$, '22003', 'concurrency must be at least 0, not -1');
select throws_ok($$ select ganger.pause_queue('') $$, '22023', 'queue is empty');
select throws_ok($$ select ganger.pause_job_type(null) $$, '22023', 'job_type is missing');

-- a queue's concurrency: over all its lanes, and never in the way of another queue
select ganger.set_queue('l', concurrency => 2);
select ganger.enqueue('t' || x % 2, queue => 'l', priority => x % 3) from generate_series(1, 10) x;
select ganger.enqueue('t', queue => 'other') from generate_series(1, 3);
select is(pg_temp.claimed(10, 'l', 'other'), 5, 'two of the limited queue, all of the other');
select is(pg_temp.claimed(10, 'l', 'other'), 0, 'no more');
select results_eq($$ select processing, concurrency from ganger.queues where name = 'l' $$, $$ values (2::bigint, 2) $$, 'the view says so');
select set_eq($$ select distinct pending_reason from ganger.jobs where queue = 'l' and status = 'pending' $$, array['limited'], 'and why the rest waits');
select ganger.set_queue('l', concurrency => 3);
select set_eq($$ select distinct pending_reason from ganger.jobs where queue = 'l' and status = 'pending' $$, array[null::text], 'which changes with the limit');
select is(pg_temp.claimed(10, 'l'), 1, 'a raised limit is in force for the next claim');
select ganger.set_queue('l', concurrency => 1);
select pg_temp.done(2);
select is(pg_temp.claimed(10, 'l'), 0, 'so is a lowered one');
select pg_temp.done();
select is(pg_temp.claimed(10, 'l'), 1, 'one by one then');
select ganger.set_queue('l', concurrency => 0);
select pg_temp.done();
select is(pg_temp.claimed(10, 'l'), 0, '0 stops it');
select ganger.set_queue('l');
select is(pg_temp.claimed(10, 'l'), 6, 'null takes it away');
select pg_temp.done();

-- a job type's concurrency, and both together
select ganger.set_job_type('a', concurrency => 2);
select ganger.set_queue('l', concurrency => 3);
select ganger.enqueue(case when x % 2 = 0 then 'a' else 'b' end, queue => 'l') from generate_series(1, 10) x;
select results_eq($$ select job_type, count(*)::integer from ganger.claim('w', '{l}', max_jobs => 10) group by 1 order by 1 $$,
    $$ values ('b', 3) $$, 'as many as the queue lets through');
select ganger.set_queue('l');
select results_eq($$ select job_type, count(*)::integer from ganger.claim('w', '{l}', max_jobs => 10) group by 1 order by 1 $$,
    $$ values ('a', 2), ('b', 2) $$, 'the type keeps its own limit');
select results_eq($$ select processing, concurrency from ganger.job_types where name = 'a' $$, $$ values (2::bigint, 2) $$, 'the view says so');
select ganger.set_job_type('a');
select pg_temp.done();
select is(pg_temp.claimed(10, 'l'), 3, 'null takes it away');
select pg_temp.done();

-- limits and old snapshots
select ganger.set_queue('l', concurrency => 1);
begin isolation level repeatable read;
savepoint s;
select throws_ok($$ select ganger.claim('w', '{l}') $$, '25001', 'jobs with limits can only be claimed at READ COMMITTED');
select lives_ok($$ select ganger.claim('w', '{other}') $$, 'other queues as ever');
select is(ganger._work_signals(), 0, 'no places are counted by an old snapshot');
commit;
select ganger.set_queue('l');

-- a queue's rate
select ganger.set_queue('r', rate => 3, rate_period => '1 h');
select ganger.enqueue('t', queue => 'r') from generate_series(1, 10);
select is(pg_temp.claimed(10, 'r'), 3, 'as many as the rate lets start');
select pg_temp.done();
select is(pg_temp.claimed(10, 'r'), 0, 'an end makes no room');
select ok(ganger._next_rate_free() between clock_timestamp() + interval '59 min' and clock_timestamp() + interval '61 min', 'the next start is known');
update ganger.rate_use set at = at - interval '1 h' where key = 'r';
select is(pg_temp.claimed(2, 'r'), 2, 'the period has passed');
select is(pg_temp.claimed(10, 'r'), 1, 'and one more');
select ganger.set_queue('r', concurrency => 0);
select pg_temp.done();

-- groups: the queue's limit for each, by priority, then age
select ganger.set_queue('default', group_concurrency => 1);
select ganger.enqueue('g', group_key => k, priority => p) from (values ('x', 0), ('x', 0), ('x', 5), ('y', 0), ('y', 0)) v (k, p);
select ganger.enqueue('plain');
select results_eq($$ select group_key, priority from ganger.claim('w', max_jobs => 10) order by 1 nulls last $$,
    $$ values ('x', 5), ('y', 0), (null, 0) $$, 'one of each group, the most urgent first, and what has none');
select results_eq($$ select group_key, limited, held, processing from ganger.groups order by 1 $$,
    $$ values ('x', 2::bigint, 1::bigint, 1::bigint), ('y', 1, 1, 1) $$, 'the view says so');
select is(pg_temp.claimed(), 0, 'no more of them');
select ganger.fail(id, lease_id, 'x') from ganger.job where group_key = 'x' and status = 'processing';
select is(pg_temp.keys(), '{x}', 'one that waits for its retry has left its place');
select ganger.snooze(id, lease_id, '0 s') from ganger.job where group_key = 'x' and status = 'processing';
select is(pg_temp.keys(), '{x}', 'one that is given back keeps it, and its turn');
select ganger.edit(id, '{"group_key": "y"}') from ganger.job where pending_reason = 'limited' and group_key = 'x';
select ganger.edit(id, '{"group_key": null}') from ganger.job where pending_reason = 'limited' and group_key = 'y' order by id limit 1;
select is(pg_temp.claimed(), 1, 'edited out of its group it goes on at once');
select ganger.cancel(id) from ganger.job where status = 'pending';
select pg_temp.done();

-- a group's own limit: over all queues; else each queue's own
select ganger.set_queue('q2');
select ganger.set_group_limit('o', 3);
select ganger.enqueue('g', group_key => v.k, queue => v.q) from (select * from unnest('{o,p}'::text[]) k, unnest('{default,q2}'::text[]) q,
    generate_series(1, 4) i order by k, q, i) v;
select results_eq($$ select group_key, queue, count(*)::integer from ganger.claim('w', '{default,q2}', max_jobs => 20) group by 1, 2 order by 1, 2 $$,
    $$ values ('o', 'default', 3), ('p', 'default', 1), ('p', 'q2', 4) $$, 'its own limit counts in all queues, that of a queue in it');
select ganger.set_group_limit('o', 5);
select results_eq($$ select group_key, queue from ganger.claim('w', '{default,q2}', max_jobs => 20) order by 1, 2 $$,
    $$ values ('o', 'default'), ('o', 'q2') $$, 'raised');
select ganger.set_group_limit('o', null);
select is(pg_temp.keys(20, 'default', 'q2'), '{o,o,o}', 'taken away: what the queues let through');
select pg_temp.done();
select is(pg_temp.keys(20, 'default', 'q2'), '{p}', 'the rest');
select pg_temp.done();
select pg_temp.claimed(20, 'default', 'q2'), pg_temp.done(), pg_temp.claimed(20), pg_temp.done();
select is_empty($$ select * from ganger.job where group_key is not null $$, 'all has been done');

-- lowered with places given already: in force for the next claim
select ganger.enqueue('g', group_key => 'z', queue => 'q2') from generate_series(1, 30);
select ganger.maintain();
select is((select held from ganger.groups where group_key = 'z'), 30::bigint, 'places without a limit');
select ganger.set_group_limit('z', 2);
select is(pg_temp.claimed(20, 'q2'), 2, 'those beyond the new one are taken back');
select is((select held from ganger.groups where group_key = 'z'), 2::bigint, 'held then');
select pg_temp.done();
select ganger.set_group_limit('z', null);

-- a group's rate counts starts
select ganger.set_group_limit('z', rate => 4, rate_period => '1 h');
select is(pg_temp.claimed(20, 'q2'), 4, 'four starts');
select ganger.snooze(id, lease_id, '0 s') from (select id, lease_id from ganger.job where group_key = 'z' and status = 'processing' limit 1) x;
select pg_temp.done();
select is(pg_temp.claimed(20, 'q2'), 0, 'no fifth in this hour, not even of one that was given back');
select ganger.maintain();
select is((select count(*) from ganger.job where group_key = 'z' and due_at is not null), 1::bigint, 'the next one waits for its time');
update ganger.rate_use set at = at - interval '1 h' where key = 'z';
update ganger.job set due_at = clock_timestamp() where group_key = 'z' and due_at is not null;
select ganger.maintain();
select is(pg_temp.claimed(20, 'q2'), 4, 'four more in the next');
select ganger.set_group_limit('z', null);
select pg_temp.done();
select is(pg_temp.claimed(100, 'q2'), 21, 'and the rest without a rate');
select pg_temp.done();

-- pauses
select is(array[ganger.pause_queue('p1'), ganger.pause_queue('p1'), ganger.resume_queue('p1'), ganger.resume_queue('p1')],
    '{t,f,t,f}', 'each says whether it changed anything');
select ganger.pause_queue('p1'), ganger.pause_job_type('pt'), ganger.set_group_limit('pg', 1);
select ganger.enqueue('t', queue => 'p1'), ganger.enqueue('pt'), ganger.enqueue('t', queue => 'p1', group_key => 'pg', priority => 9),
       ganger.enqueue('pt', group_key => 'pg', priority => 9), ganger.enqueue('t', group_key => 'pg');
select is(pg_temp.claimed(10, 'p1', 'default'), 1, 'what is in a pause takes no place of a group');
select pg_temp.done();
select is(pg_temp.claimed(10, 'p1', 'default'), 0, 'nothing else goes');
select ganger.resume_queue('p1'), ganger.resume_job_type('pt');
select is(pg_temp.claimed(10, 'p1', 'default'), 3, 'resumed: all, and one of the group');
select pg_temp.done();

-- fairness: many small groups beside a large one
select count(*) from ganger.enqueue_many((select jsonb_agg('{"job_type": "f", "queue": "f", "group_key": "large"}'::jsonb) from generate_series(1, 10000)));
select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 'f', 'queue', 'f', 'group_key', 'small ' || i % 100))
    from generate_series(1, 1000) i));
select ganger.set_queue('f', group_concurrency => 2);
do $$ begin
    for i in 1..60 loop
        perform ganger.complete(c.id, c.lease_id) from ganger.claim('w', '{f}', max_jobs => 100) c;
        perform ganger._advance();
    end loop;
end $$;
select is_empty($$ select * from ganger.job where group_key like 'small%' $$, 'the small ones are through');
select ok((select pending from ganger.groups where group_key = 'large') > 9000, 'long before the large one');
-- a rate is told, too
select ganger.set_queue('told', rate => 1, rate_period => '1 h');
select ganger.enqueue('t', queue => 'told') from generate_series(1, 3);
select is(pg_temp.claimed(10, 'told'), 1, 'one start in an hour');
select set_eq($$ select distinct pending_reason from ganger.jobs where queue = 'told' and status = 'pending' $$, array['limited'],
    'the rest is limited');

select * from finish();
