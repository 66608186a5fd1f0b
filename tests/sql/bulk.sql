-- SPDX-License-Identifier: MIT
-- cancel_jobs, retry_jobs, edit_jobs, redrive: what they change and count, what they refuse.
select plan(75);

create function pg_temp.told(job bigint, event text) returns setof jsonb language sql as
$$ select data from ganger.event e where e.job_id = job and e.event = told.event order by id $$;

-- ---- refused, by all of them
select throws_ok(format(call, 'null'), '22023', null, 'a null filter: ' || call)
from unnest(array['select ganger.cancel_jobs(%s)', 'select ganger.retry_jobs(%s)', $$select ganger.edit_jobs(%s, '{"priority": 1}')$$]) call;
select throws_ok(format(call, $$'{"statsu": "pending"}'$$), '22023', 'filter: unknown key "statsu"', 'an unknown key: ' || call)
from unnest(array['select ganger.cancel_jobs(%s)', 'select ganger.retry_jobs(%s)', $$select ganger.edit_jobs(%s, '{"priority": 1}')$$]) call;
select is(ganger.cancel_jobs('{}') + ganger.retry_jobs('{}') + ganger.edit_jobs('{}', '{"priority": 1}'), 0::bigint, 'nothing there');

-- ---- cancel_jobs: every state
select ganger.enqueue('m') as plain, ganger.enqueue('m', run_at => now() + interval '1 h') as later \gset
select ganger.enqueue('m', depends_on => array[:plain]) as blocked, ganger.enqueue('m', group_key => 'g') as limited \gset
select ganger.enqueue('other', depends_on => array[:later]) as dependent, ganger.enqueue('other') as other \gset
select ganger.create_batch('b', 'm', '[1, 2]') \gset
select ganger.enqueue('m', queue => 'run') as running, ganger.enqueue('m', queue => 'run') as waiting, ganger.enqueue('m', queue => 'run', retry_backoff => false) as failing \gset
create temp table c as select * from ganger.claim('w', '{run}', max_jobs => 3);
select ganger.wait_for(id, lease_id, '1 h') from c where id = :waiting \gset
select ganger.fail(id, lease_id, 'x') from c where id = :failing \gset
select is(ganger.count_jobs('{"job_type": "m"}'), 9::bigint, 'one of each kind');
select is(ganger.cancel_jobs('{"job_type": "m"}'), 9::bigint, 'all are cancelled, the running one is asked');
select results_eq('select status, count(*) from ganger.jobs group by 1 order by 1',
    $$ values ('cancelled', 9::bigint), ('pending', 1), ('processing', 1) $$, 'with the dependent of one; another is left alone');
select is((select status from ganger.get_job(:dependent)), 'cancelled', 'which is of another type');
select results_eq(format('select * from pg_temp.told(%s, ''cancelled'')', :dependent), format($$ values ('{"root_job_id": %s}'::jsonb) $$, :later),
    'and knows by whom');
select results_eq(format('select * from pg_temp.told(%s, ''cancelled'')', :blocked), $$ values (null::jsonb) $$, 'one that was meant itself has no root');
select is((select cancel_requested from ganger.job where id = :running), true, 'the running one is to stop');
select is(ganger.cancel_jobs('{"job_type": "m"}'), 1::bigint, 'it is asked again; nothing else is left');
select ok(not ganger.complete(id, lease_id), 'complete() is told') from c where id = :running;
select is((select status from ganger.get_job(:running)), 'cancelled', 'it has ended cancelled');
select is(ganger.cancel_jobs('{"status": "completed"}'), 0::bigint, 'what has ended is not cancelled');
select is_empty('select * from ganger.dependency', 'nobody waits for anybody');
select is((ganger.get_batch('b') ->> 'status'), 'pending', 'its batch was not started');
select ganger.start_batch('b') \gset
select ganger.maintain() \g /dev/null
select results_eq($$ select ganger.get_batch('b') ->> 'status', ganger.get_batch('b') ->> 'total' $$, $$ values ('completed_with_errors', '2') $$, 'and ends at once');
select is(ganger.cancel_jobs('{}'), 1::bigint, 'an empty filter is all jobs');
select is((select count(*) from ganger.job), 0::bigint, 'none is left');

-- two tied by tags end together without a root
select ganger.enqueue('t', tags => '{tag}') as tagged \gset
select ganger.enqueue('t', depends_on_tags => '{tag}') as barrier, ganger.enqueue('u', depends_on_tags => '{tag}') as barrier2 \gset
select is(ganger.cancel_jobs('{"job_type": "t"}'), 2::bigint, 'a barrier with what it waits for');
select results_eq(format('select * from pg_temp.told(%s, ''cancelled'')', :barrier2), format($$ values ('{"root_job_id": %s}'::jsonb) $$, :tagged), 'another one follows');

-- ---- retry_jobs
select is(ganger.retry_jobs('{"job_type": "m", "status": "pending"}'), 0::bigint, 'a live job is not retried');
select is(ganger.retry_jobs('{"job_type": ["m", "other"]}'), 11::bigint, 'those that were cancelled');
select results_eq($$ select status, pending_reason, count(*) from ganger.jobs where job_type in ('m', 'other') group by 1, 2 order by 1, 2 $$,
    $$ values ('pending', 'batch', 2::bigint), ('pending', 'blocked', 2), ('pending', 'limited', 1), ('pending', null, 6) $$,
    'wait again for what they waited for, but the time');
select is((select count(*) from ganger.dependency), 2::bigint, 'dependents know their prerequisites again');
select results_eq(format('select * from pg_temp.told(%s, ''retried'')', :failing), $$ values ('{"attempts": 1, "max_attempts": 3}'::jsonb) $$, 'each has its event');
select is(ganger.retry_jobs('{}'), 3::bigint, 'the rest');
select is(ganger.retry_jobs('{}'), 0::bigint, 'none twice');
select results_eq($$ select s.c from (select pending_reason as c from ganger.job where id = $$ || :barrier || ') s', $$ values ('blocked') $$, 'a barrier waits again');
select ganger.maintain() \g /dev/null
select is((ganger.get_batch('b') ->> 'status'), 'completed_with_errors', 'the batch stays ended');
select is(ganger.cancel_jobs('{"batch": "b"}'), 2::bigint, 'and its items can be cancelled');
-- the same unique key in two that are retried together
select ganger.cancel_jobs('{}') \gset
select ganger.enqueue('k', unique_key => 'K') as k1 \gset
select ganger.cancel(:k1) \gset
select ganger.enqueue('k', unique_key => 'K') as k2 \gset
select ganger.cancel(:k2) \gset
select is(ganger.retry_jobs('{"job_type": "k"}'), 2::bigint, 'two with one unique key run again');
select is(ganger.enqueue('k', unique_key => 'K'), :k1::bigint, 'the first one has it');
select ganger.cancel_jobs('{}') \gset
-- an exhausted one, with its crashes and its expiry
select ganger.enqueue('x', max_attempts => 1, expires_at => now() + interval '1 h') as x \gset
select ganger.fail(id, lease_id, 'x') from ganger.claim('w') \gset
update ganger.history set crashes = 3, expires_at = now() - interval '1 s' where id = :x;
select is(ganger.retry_jobs('{"job_type": "x", "status": "failed"}'), 1::bigint, 'an exhausted one');
select results_eq(format('select attempts, max_attempts, crashes, expires_at, error, will_retry from ganger.get_job(%s)', :x),
    $$ values (1, 2, 0, null::timestamptz, 'x', true) $$, 'has one more attempt, no crashes, and no expiry');
select is((select count(*) from ganger.attempts where job_id = :x), 1::bigint, 'its attempt is kept');
select results_eq($$ select sum(jobs)::bigint from (select jobs from ganger.stat_delta where job_type = 'x' and status = 'failed' union all select jobs from ganger.stat where job_type = 'x' and status = 'failed') s $$,
    $$ values (0::bigint) $$, 'and the counts know');
select ganger.cancel_jobs('{}') \gset

-- ---- edit_jobs
select ganger.enqueue('e', payload => '{"n": 1}') as e1, ganger.enqueue('e', payload => '{"n": 2}', priority => 5) as e2, ganger.enqueue('e', run_at => now() + interval '1 h') as e3 \gset
select ganger.enqueue('f') as f \gset
select throws_ok(format('select ganger.edit_jobs(''{"job_type": "e"}'', %L)', v), '22023', null, 'changes ' || v)
from unnest(array['[]', '{"id": 1}', '{"timeout": 5}', '{"job_type": null}', '{"tags": [""]}']) v;
select throws_ok($$ select ganger.edit_jobs('{"job_type": "e"}', null) $$, '22023', null, 'no changes');
select throws_ok($$ select ganger.edit_jobs('{"job_type": "nobody"}', '{"priority": 40000}') $$, '22003', null, 'also when no job matches');
select is(ganger.edit_jobs('{"job_type": "e"}', '{"priority": 5, "tags": ["a"]}'), 3::bigint, 'three are changed');
select results_eq($$ select priority, tags from ganger.jobs where job_type = 'e' $$, $$ select 5, '{a}'::text[] from generate_series(1, 3) $$, 'as was said');
select results_eq(format('select * from pg_temp.told(%s, ''edited'')', :e2), $$ values ('{"tags": ["a"]}'::jsonb) $$, 'the event tells what has changed');
select results_eq(format('select * from pg_temp.told(%s, ''edited'')', :e1), $$ values ('{"tags": ["a"], "priority": 5}'::jsonb) $$, 'of each');
select is((select priority from ganger.get_job(:f)), 0, 'another is left alone');
select is(ganger.edit_jobs('{"job_type": "e"}', '{"priority": 5}'), 3::bigint, 'nothing to change');
select is((select count(*) from ganger.event where event = 'edited'), 3::bigint, 'is not told');
select is(ganger.edit_jobs('{"job_type": "e"}', '{}'), 3::bigint, 'no key: nothing is changed');
select ganger.fail(id, lease_id, 'x') from ganger.claim('w', job_types => '{e}', max_jobs => 1) \gset
select is(ganger.edit_jobs('{"job_type": "e"}', '{"max_attempts": 2}'), 3::bigint, 'one has had an attempt');
select throws_like($$ select ganger.edit_jobs('{"job_type": "e"}', '{"max_attempts": 1, "priority": 9}') $$, '%more than the 1 attempts job%has had', 'so it cannot be limited to one');
select is((select count(*) from ganger.jobs where priority = 9), 0::bigint, 'and none is changed');
select id as run from ganger.claim('w', job_types => '{e}', max_jobs => 1) \gset
select is(ganger.edit_jobs('{"job_type": "e"}', '{"run_at": null}'), 2::bigint, 'a running one is not edited');
select is((select count(*) from ganger.job where job_type = 'e' and seq is not null and status = 'pending'), 2::bigint, 'the scheduled one and the retry run now');
select is((select count(*) from ganger.claim('w', job_types => '{e}', max_jobs => 9)), 2::bigint, 'and are claimed');

-- ---- redrive
select ganger.enqueue('pay', '{"n": 1}', 'q', 7, max_attempts => 2, timeout => '30 s', kill_grace => '0 s', retry_delay => '0 s', retry_backoff => false, retry_delay_max => '1 h', tags => '{a,b}',
    group_key => 'g', dead_letter_job_type => 'dead', owner => 'bob', metadata => '{"a": null}', unique_key => 'u', idempotency_key => 'i') as pay \gset
select ganger.maintain() \g /dev/null
select ganger.fail(id, lease_id, 'no', false) from ganger.claim('w', '{q}') \gset
select dead_letter_job_id as letter from ganger.get_job(:pay) \gset
select throws_ok('select ganger.redrive(987654321)', '42704', 'there is no job 987654321', 'an unknown job');
select throws_ok('select ganger.redrive(null)', '42704', null, 'null');
select throws_ok(format('select ganger.redrive(%s)', :pay), '22023', null, 'a job that is no dead letter');
select ganger.redrive(:letter) as again \gset
select results_eq(format('select job_type, payload, queue, priority, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, group_key, dead_letter_job_type, owner, metadata, unique_key, idempotency_key, attempts, status from ganger.get_job(%s)', :again),
    $$ select 'pay', '{"n": 1}'::jsonb, 'q', 7, 2, interval '30 s', interval '0', interval '0', false, interval '1 h', '{a,b}'::text[], 'g', 'dead', 'bob', '{"a": null}'::jsonb, null::text, null::text, 0, 'pending' $$,
    'a new job like the original');
select is((select status from ganger.get_job(:letter)), 'pending', 'the letter stays');
select results_eq(format('select job_id from ganger.event where event = ''redriven'' order by id'), format('values (%s::bigint), (%s)', :letter, :again), 'both have the event');
select results_eq(format('select * from pg_temp.told(%s, ''redriven'')', :again), format($$ values ('{"job_id": %s, "dead_letter_job_id": %s, "original_job_id": %s}'::jsonb) $$, :again, :letter, :pay), 'which names all three');
select ganger.edit(:letter, jsonb_build_object('payload', jsonb_set((select payload from ganger.get_job(:letter)), '{original_payload}', '{"n": 2}'))) \gset
select ganger.complete(id, lease_id) from ganger.claim('w', '{q}', '{dead}') \gset
select ganger.redrive(:letter) as again \gset
select is((select payload from ganger.get_job(:again)), '{"n": 2}'::jsonb, 'an ended letter, its payload mended');
delete from ganger.history where id = :pay;
select ganger.redrive(:letter) as again \gset
select results_eq(format('select job_type, queue, owner, priority, max_attempts, tags, metadata from ganger.get_job(%s)', :again),
    $$ values ('pay', 'q', 'bob', 0, 3, null::text[], null::jsonb) $$, 'the original is gone: defaults, queue and owner of the letter');
-- dead-lettered twice: the link follows the last one
select ganger.enqueue('twice', max_attempts => 1, dead_letter_job_type => 'dead', queue => 'z') as twice \gset
select ganger.fail(id, lease_id, 'no') from ganger.claim('w', '{z}') \gset
select dead_letter_job_id as first from ganger.get_job(:twice) \gset
select ganger.retry(:twice) \gset
select ganger.fail(id, lease_id, 'no') from ganger.claim('w', '{z}', '{twice}') \gset
select ok((select dead_letter_job_id > :first from ganger.get_job(:twice)), 'a second failure has a second letter');
select results_eq(format('select count(*) from ganger.jobs where dead_letter_of = %s', :twice), $$ values (2::bigint) $$, 'both are of that job');
select ganger.redrive(:first) as again \gset
select is((select job_type from ganger.get_job(:again)), 'twice', 'the first one can be redriven, too');

-- ---- thousands: what ends is told of in one pass (half a second; one pass for each took 17)
select count(ganger.enqueue('many')) from generate_series(1, 8000) \g /dev/null
set statement_timeout = '12 s';
select is(ganger.cancel_jobs('{"job_type": "many"}'), 8000::bigint, 'thousands end at once');
reset statement_timeout;

select * from finish();
