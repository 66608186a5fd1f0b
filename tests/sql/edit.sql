-- SPDX-License-Identifier: MIT
-- edit: every transition of what a pending job waits for, and what follows for others.
select plan(87);

create function pg_temp.stands(which bigint) returns text language sql as
$$ select concat_ws(' ', status, coalesce(pending_reason, case when seq is not null then 'runnable' else 'nowhere' end),
       case when due_at is not null then 'due' end) from ganger.job where id = which $$;
create function pg_temp.settle() returns void language plpgsql as $$
begin
    while ganger._work_signals() > 0 loop null; end loop;
end $$;
\set soon '\'{"run_at": "2090-01-01"}\''
\set now '\'{"run_at": null}\''

-- ---- runnable, scheduled
select ganger.enqueue('a') as a \gset
select ok(ganger.edit(:a, :soon), 'a runnable job gets a time');
select is(pg_temp.stands(:a), 'pending scheduled due', 'and is scheduled');
select results_eq(format('select run_at, next_attempt_at from ganger.get_job(%s)', :a), $$ values ('2090-01-01'::timestamptz, '2090-01-01'::timestamptz) $$, 'for it');
select ok(ganger.edit(:a, '{"run_at": "2091-01-01"}'), 'another time');
select is((select due_at from ganger.job where id = :a), '2091-01-01'::timestamptz, 'is taken');
select ok(ganger.edit(:a, '{"priority": 3}'), 'another change');
select is(pg_temp.stands(:a), 'pending scheduled due', 'leaves it scheduled');
select ok(ganger.edit(:a, :now), 'now');
select is(pg_temp.stands(:a), 'pending runnable', 'it is runnable');
select is((select id from ganger.claim('w')), :a::bigint, 'and claimed');
select ok(not ganger.edit(:a, '{"priority": 1}'), 'a running job is not edited');
select throws_ok(format('select ganger.edit(%s, ''{"priority": "x"}'')', :a), '22023', null, 'but bad input is told');
select is((select count(*) from ganger.event where job_id = :a and event = 'edited'), 4::bigint, 'an event for each change');
-- a runnable one changes its lane
select ganger.enqueue('a') as a \gset
select seq from ganger.job where id = :a \gset
select ganger.edit(:a, '{"payload": {"n": 1}, "max_attempts": 7}') \gset
select is((select seq from ganger.job where id = :a), :seq::bigint, 'what is no matter of the lane leaves its place');
select ok(ganger.edit(:a, jsonb_build_object(k, v)), k) from (values ('queue', '"q"'::jsonb), ('priority', '9'), ('job_type', '"b"')) x (k, v);
select is((select lane_id from ganger.job where id = :a), ganger._lane_id('q', 9, 'b', false), 'its lane follows');
select is((select id from ganger.claim('w', '{q}', '{b}')), :a::bigint, 'it is claimed there');
select is_empty($$ select * from ganger.claim('w', '{default,q}') $$, 'and once');

-- ---- retry, snoozed
select ganger.enqueue('r', retry_delay => '1 h') as r \gset
select ganger.fail(id, lease_id, 'x') from ganger.claim('w') \gset
select run_at from ganger.job where id = :r \gset
select ok(ganger.edit(:r, :soon), 'a job that waits for its retry');
select is(pg_temp.stands(:r), 'pending retry due', 'still does');
select results_eq(format('select next_attempt_at, run_at < now() from ganger.get_job(%s)', :r), $$ values ('2090-01-01'::timestamptz, true) $$, 'at the new time; its run_at stays');
select ok(ganger.edit(:r, '{"run_at": "2000-01-01"}'), 'a time that is over');
select is(pg_temp.stands(:r), 'pending runnable', 'is now');
select ganger.snooze(id, lease_id, '1 h') from ganger.claim('w') \gset
select ok(ganger.edit(:r, :now), 'a snoozed job');
select is(pg_temp.stands(:r), 'pending runnable', 'too');
select throws_like(format($$ select ganger.edit(%s, '{"max_attempts": 1}') $$, :r), '%1 attempts job % has had', 'an attempt that was had cannot be taken away');
select ganger.edit(:r, '{"max_attempts": null}') \gset
select is((select max_attempts from ganger.job where id = :r), 3, 'null: the default');
select ganger.cancel(:r) \gset

-- ---- blocked
select ganger.enqueue('p', run_at => now() + interval '1 h') as p \gset
select ganger.enqueue('d', depends_on => array[:p]) as d \gset
select ok(ganger.edit(:d, '{"queue": "q2", "payload": {"n": 2}}'), 'a blocked job');
select is(pg_temp.stands(:d), 'pending blocked', 'stays so');
select ok(ganger.edit(:d, :now), 'also when it is to run now');
select is(pg_temp.stands(:d), 'pending blocked', 'it cannot');
select ok(ganger.edit(:d, :soon), 'with a time');
select is(pg_temp.stands(:d), 'pending scheduled due', 'it waits for that first');
select ok(ganger.edit(:d, :now), 'and back');
select is(pg_temp.stands(:d), 'pending blocked', 'it waits for its prerequisite');
select ganger.edit(:d, :soon) \gset
select ganger.edit(:p, :now) \gset
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{p}') \gset
select is(pg_temp.stands(:d), 'pending scheduled due', 'the prerequisite completes before its time');
select ganger.edit(:d, :now) \gset
select is(pg_temp.stands(:d), 'pending runnable', 'then only the time kept it');
select ganger.complete(id, lease_id) from ganger.claim('w', '{q2}') \gset
select is_empty('select * from ganger.dependency', 'nothing is left of that');
-- a prerequisite fails while its dependent has a time
select ganger.enqueue('p') as p \gset
select ganger.enqueue('d', depends_on => array[:p]) as d \gset
select ganger.edit(:d, :soon) \gset
select ganger.cancel(:p) \gset
select is((select status from ganger.get_job(:d)), 'cancelled', 'a dependent with a time is cancelled with its prerequisite');

-- ---- barriers
select ganger.enqueue('t', tags => '{x,y}', run_at => now() + interval '1 h') as t \gset
select ganger.enqueue('drain', depends_on_tags => '{x}') as drain \gset
select is(pg_temp.stands(:drain), 'pending blocked', 'a barrier');
select ganger.edit(:t, '{"tags": ["y"]}') \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:drain), 'pending runnable', 'goes on when the tag is taken away');
select ganger.cancel(:t) \gset
select is((select id from ganger.claim('w', job_types => '{drain}')), :drain::bigint, 'and runs');
select ganger.enqueue('t', run_at => now() + interval '1 h') as t, ganger.enqueue('t', tags => '{z}', run_at => now() + interval '1 h') as t2 \gset
select ganger.enqueue('drain', depends_on_tags => '{z}') as drain \gset
select ganger.edit(:t, '{"tags": ["z"]}'), ganger.cancel(:t2) \gset
select is((select status from ganger.get_job(:drain)), 'cancelled', 'one it waited for was cancelled');
select ganger.cancel(:t) \gset

-- ---- limited, and the places of groups
select ganger.set_group_limit('g', 1) \gset
select ganger.enqueue('l', group_key => 'g') as l1, ganger.enqueue('l', group_key => 'g') as l2, ganger.enqueue('l', group_key => 'g') as l3 \gset
select pg_temp.settle() \gset
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s, %s]) x', :l1, :l2, :l3), $$ values ('pending runnable'), ('pending limited'), ('pending limited') $$, 'one place');
select ok(ganger.edit(:l2, '{"payload": {"n": 1}, "priority": 1, "run_at": null}'), 'a limited job');
select is(pg_temp.stands(:l2), 'pending limited', 'stays so');
select ok(ganger.edit(:l1, '{"priority": 2}'), 'the one with the place');
select pg_temp.settle() \gset
select is(pg_temp.stands(:l1), 'pending runnable', 'has it again');
select is((select count(*) from ganger.job where group_key = 'g' and seq is not null), 1::bigint, 'one alone');
select ok(ganger.edit(:l1, :soon), 'it gets a time');
select pg_temp.settle() \gset
select is(pg_temp.stands(:l1), 'pending scheduled due', 'and leaves its place');
select is(pg_temp.stands(:l2), 'pending runnable', 'to the next by priority');
select ok(ganger.edit(:l3, '{"group_key": null}'), 'a limited job leaves the group');
select is(pg_temp.stands(:l3), 'pending runnable', 'and is runnable at once');
select ok(ganger.edit(:l3, '{"group_key": "g"}'), 'and comes back');
select pg_temp.settle() \gset
select is(pg_temp.stands(:l3), 'pending limited', 'into the line');
select ok(ganger.edit(:l3, '{"group_key": "h"}'), 'another group');
select pg_temp.settle() \gset
select is(pg_temp.stands(:l3), 'pending runnable', 'has a place for it');
select ok(ganger.edit(:l2, '{"group_key": "h"}'), 'the holder changes the group');
select ganger.edit(:l1, :now) \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:l1), 'pending runnable', 'its place is free');
select ok(ganger.edit(:l3, '{"group_key": "g", "run_at": "2090-01-01"}'), 'a group and a time');
select ganger.cancel(:l1) \gset
select ganger.edit(:l3, :now) \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:l3), 'pending runnable', 'come one after the other');
select ganger.cancel_jobs('{"job_type": "l"}') \gset
-- a rate: the next one's time survives an edit
select ganger.set_group_limit('rate', null, 1, '1 h') \gset
select ganger.enqueue('l', group_key => 'rate'), ganger.enqueue('l', group_key => 'rate') as l2 \gset
select pg_temp.settle() \gset
select count(*) from ganger.claim('w', job_types => '{l}') \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:l2), 'pending limited due', 'the next one of a rate has a time');
select ganger.edit(:l2, '{"payload": 1}') \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:l2), 'pending limited due', 'after an edit, too');
select ganger.cancel_jobs('{"job_type": "l"}') \gset

-- ---- items of batches
select ganger.create_batch('b', 'i', '[1, 2, 3]', 1) \gset
select min(id) as i1, min(id) + 1 as i2 from ganger.job where batch_id = 'b' \gset
select ok(ganger.edit(:i1, '{"priority": 1}'), 'an item of a batch that has not started');
select is(pg_temp.stands(:i1), 'pending batch', 'waits');
select ok(ganger.edit(:i2, '{"run_at": null}'), 'run_at does not let it out');
select is(pg_temp.stands(:i2), 'pending batch', 'of its batch');
select ganger.start_batch('b') \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:i1), 'pending runnable', 'it has a place');
select ganger.edit(:i1, '{"priority": 5}') \gset
select is(pg_temp.stands(:i1), 'pending runnable', 'and keeps it');
select ganger.edit(:i1, :soon) \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:i1) || ', ' || pg_temp.stands(:i2), 'pending scheduled due, pending batch', 'also with a time');
select ganger.edit(:i1, :now) \gset
select is(pg_temp.stands(:i1), 'pending runnable', 'it runs');
select ganger.edit(:i2, :soon) \gset
select is(pg_temp.stands(:i2), 'pending scheduled due', 'an item without a place gets a time');
select ganger.edit(:i2, :now) \gset
select is(pg_temp.stands(:i2), 'pending batch', 'and comes back to wait');

-- ---- what a null clears, and what is refused
select ganger.enqueue('n', '{"n": 1}', 'q9', 4, timeout => '5 s', kill_grace => '1 s', retry_delay => '5 s', retry_backoff => false, retry_delay_max => '9 s', expires_at => '2090-01-01',
    tags => '{a}', dead_letter_job_type => 'd', owner => 'bob', metadata => '{"a": 1}') as n \gset
select ok(ganger.edit(:n, (select jsonb_object_agg(k, null) from unnest('{payload, queue, priority, run_at, max_attempts, timeout, kill_grace, retry_delay, retry_backoff,
    retry_delay_max, expires_at, tags, group_key, dead_letter_job_type, owner, metadata}'::text[]) k)), 'null for everything');
select results_eq(format('select payload, queue, priority, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, expires_at, tags, dead_letter_job_type, owner, metadata from ganger.get_job(%s)', :n),
    $$ values ('{}'::jsonb, 'default', 0, 3, null::interval, null::interval, interval '60 s', true, null::interval, null::timestamptz, null::text[], null::text, null::text, null::jsonb) $$, 'is as enqueue would have it');
select throws_ok(format('select ganger.edit(%s, %L)', :n, v), e, null, v) from (values
    ('{"id": 1}', '22023'), ('{"depends_on": [1]}', '22023'), ('{"idempotency_key": "x"}', '22023'), ('{"timeout": 5}', '22023'), ('{"timeout": "0 s"}', '22023'),
    ('{"priority": 99999}', '22003'), ('{"run_at": "infinity"}', '22023'), ('{"group_key": ""}', '22023'), ('"x"', '22023')) x (v, e);

select * from finish();
