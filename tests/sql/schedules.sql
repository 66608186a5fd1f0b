-- SPDX-License-Identifier: MIT
-- Schedules: what they take, when they fire, overlap, catching up, pausing, editing, failing.
select plan(164);
set timezone = 'UTC';

-- Makes a schedule's next tick one that is so old.
create function pg_temp.due(name text, ago interval default '0 s') returns void language sql as $$
    update ganger.schedule s set next_at = clock_timestamp() - ago, tick_at = null where s.name = due.name
$$;
create function pg_temp.run() returns integer language sql as 'select scheduled from ganger._run_schedules()';
-- A due tick of this one, and how many jobs came of it.
create function pg_temp.fire(name text, ago interval default '0 s') returns integer language plpgsql as $$
begin
    perform pg_temp.due(name, ago);
    return pg_temp.run();
end $$;
create function pg_temp.hint_of(call text) returns text language plpgsql as $$
declare
    hint text;
begin
    execute call;
    return 'no error';
exception when others then
    get stacked diagnostics hint = pg_exception_hint;
    return hint;
end $$;
create function pg_temp.refused(arguments text, message text, what text, code text default '22023') returns text language sql as $$
    select throws_ok('select ganger.create_schedule(' || arguments || ')', code, message, what)
$$;

-- create
select ganger.create_schedule('plain', '@yearly', 'p') as plain \gset
select results_eq($$ select name, cron, job_type, payload, timezone, overlap, catch_up, options, paused, last_run_at, last_job_id, last_error
                     from ganger.schedules $$,
    $$ values ('plain', '@yearly', 'p', '{}'::jsonb, 'UTC', 'skip', 'none', '{}'::jsonb, false, null::timestamptz, null::bigint, null::text) $$,
    'a schedule with defaults');
select is((select next_run_at from ganger.schedules), date_trunc('year', now()) + interval '1 year', 'its next tick');
select ok((select id = :plain and created_at between now() - interval '1 min' and now() and updated_at = created_at from ganger.schedules),
    'its id, and when it was made');
select ganger.create_schedule('full', '0 9 1 1 *', 'f', '{"a": 1}', 'Asia/Tokyo', 'queue_one', 'last',
    '{"queue": "q", "priority": 7, "max_attempts": 2, "timeout": "30 s", "retry_backoff": false, "tags": ["x", "y"], "owner": "o",
      "metadata": {"m": 1}, "retry_delay": null}') as "full" \gset
select is((select extract(hour from next_run_at)::int from ganger.schedules where name = 'full'), 0, 'its zone counts');
select results_eq($$ select timezone, overlap, catch_up, options ->> 'owner' from ganger.schedules where name = 'full' $$,
    $$ values ('Asia/Tokyo', 'queue_one', 'last', 'o') $$, 'all is kept');
select lives_ok($$ select ganger.create_schedule('nulls', '@daily', 'n', null, null, null, null, null) $$, 'a null is the default');
select results_eq($$ select payload, timezone, overlap, catch_up, options from ganger.schedules where name = 'nulls' $$,
    $$ values ('{}'::jsonb, 'UTC', 'skip', 'none', '{}'::jsonb) $$, 'of each');
select is(ganger.delete_schedule('nulls'), true, 'deleted');
select pg_temp.refused($$ 'plain', '@daily', 'x' $$, 'there is a schedule "plain" already', 'a name twice', '23505');
select is((select cron from ganger.schedules where name = 'plain'), '@yearly', 'the first stays as it was');
select pg_temp.refused($$ null, '@daily', 'x' $$, 'name is missing', 'no name');
select pg_temp.refused($$ '', '@daily', 'x' $$, 'name is empty', 'an empty name');
select pg_temp.refused($$ repeat('n', 256), '@daily', 'x' $$, 'name is 256 bytes long; at most 255 are allowed', 'a long name');
select pg_temp.refused($$ 'x', '0 0 30 2 *', 'x' $$, 'cron: "0 0 30 2 *" never fires', 'one that never fires');
select pg_temp.refused($$ 'x', '0 25 * * *', 'x' $$, 'cron: hour "25" is not between 0 and 23', 'a bad expression');
select pg_temp.refused($$ 'x', null, 'x' $$, 'cron is missing', 'no expression');
select pg_temp.refused($$ 'x', '@daily', null $$, 'job_type is missing', 'no job type');
select pg_temp.refused($$ 'x', '@daily', '' $$, 'job_type is empty', 'an empty job type');
select pg_temp.refused($$ 'x', '@daily', 'x', to_jsonb(repeat('p', 2000000)) $$,
    'payload is 2000002 bytes long; at most 1048576 are allowed', 'a large payload');
select pg_temp.refused($$ 'x', '@daily', 'x', timezone => 'Mars/Olympus' $$, 'timezone "Mars/Olympus" is not known', 'a zone of another world');
select pg_temp.refused($$ 'x', '@daily', 'x', overlap => 'maybe' $$, 'overlap: there is no way "maybe"', 'an unknown overlap');
select pg_temp.refused($$ 'x', '@daily', 'x', catch_up => 'most' $$, 'catch_up: there is no way "most"', 'an unknown catch_up');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '[]' $$, 'options is a JSON array, not an object', 'options of another kind');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"prio": 1}' $$, 'options: unknown key "prio"', 'an unknown option');
select pg_temp.refused(format($$ 'x', '@daily', 'x', options => '{"%s": null}' $$, k), format('options: "%s" cannot be given', k), k || ' as an option')
from unnest('{job_type,payload,run_at,idempotency_key}'::text[]) k;
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"priority": 99999}' $$,
    'options: priority must be between -32768 and 32767, not 99999', 'an option out of range', '22003');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"priority": "high"}' $$,
    'options: priority: invalid input syntax for type integer: "high"', 'an option of another type');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"timeout": "30"}' $$, 'options: timeout has no unit: "30"', 'a duration without a unit');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"queue": 5}' $$, 'options: queue is a JSON number, not a string', 'a queue that is a number');
select pg_temp.refused($$ 'x', '@daily', 'x', options => '{"depends_on": [-1]}' $$,
    'options: depends_on has a negative number: there is no such job', 'a dependency on no job');
select matches(pg_temp.hint_of($$ select ganger.create_schedule('x', '@daily', 'x', options => '{"prio": 1}') $$), 'Keys are queue, priority, ', 'the hint names the keys');
select matches(pg_temp.hint_of($$ select ganger.create_schedule('x', '@daily', 'x', overlap => 'maybe') $$), 'allow, skip, queue_one, cancel_running', 'the ways');
select is((select count(*) from ganger.schedules), 2::bigint, 'nothing is half made');

-- unknown names
select is(ganger.edit_schedule('nobody', '{"cron": "@daily"}'), false, 'edit: no such schedule');
select is(ganger.pause_schedule('nobody'), false, 'pause: no such schedule');
select is(ganger.resume_schedule('nobody'), false, 'resume: no such schedule');
select is(ganger.delete_schedule('nobody'), false, 'delete: no such schedule');
select is(ganger.delete_schedule(null), false, 'nor null');
select throws_ok($$ select ganger.run_schedule('nobody') $$, '42704', 'there is no schedule "nobody"', 'run: no such schedule');

-- a tick
select is(pg_temp.run(), 0, 'nothing is due');
select is((select next_at from ganger._run_schedules()), (select min(next_run_at) from ganger.schedules), 'when the next one is');
select is(pg_temp.fire('full'), 1, 'a tick is a job');
select results_eq($$ select job_type, payload, queue, priority, max_attempts, timeout, retry_delay, retry_backoff, tags, owner, metadata, status
                     from ganger.jobs $$,
    $$ values ('f', '{"a": 1}'::jsonb, 'q', 7, 2, interval '30 s', interval '60 s', false, '{x,y}'::text[], 'o', '{"m": 1}'::jsonb, 'pending') $$,
    'with the options');
select results_eq($$ select last_job_id, last_run_at between now() - interval '1 min' and clock_timestamp(), last_error from ganger.schedules where name = 'full' $$,
    $$ select id, true, null::text from ganger.jobs $$, 'written down');
select ok((select next_run_at > now() from ganger.schedules where name = 'full'), 'the next tick');
select is(pg_temp.run(), 0, 'the same tick again is none');
select is((select count(*) from ganger.claim('w', queues => '{q}')), 1::bigint, 'the job is runnable');
select pg_temp.due('plain') \g /dev/null
select m ->> 'scheduled' as scheduled, m ->> 'next_due' as next from ganger.maintain() m \gset
select is(:scheduled, 1, 'maintain runs them');
select is(:'next'::timestamptz, (select min(next_run_at) from ganger.schedules), 'and tells the next');
select is((select metadata from ganger.jobs where job_type = 'p'), null, 'a job carries nothing it was not given');
select results_eq($$ select promoted, scheduled from ganger._promote() $$, $$ values (0, 0) $$, 'the promotion, too');
select pg_temp.due('full') \g /dev/null
select promoted, scheduled, next_due as next from ganger._promote() \gset
select results_eq(format('values (%s, %s, %L::timestamptz)', :promoted, :scheduled, :'next'),
    $$ select 0, 1, min(next_run_at) from ganger.schedules $$, 'which counts them apart, and tells the next');
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
update ganger.schedule set next_at = clock_timestamp() + interval '700 ms' where name = 'plain';
select ok((select due_in_ms between 1 and 700 from ganger._poll(:node, '{default}', '{p}')), 'a node''s poll tells when');
update ganger.schedule set next_at = clock_timestamp() - interval '10 ms' where name = 'plain';
select is((select due_in_ms from ganger._poll(:node, '{default}', '{p}')), 0::bigint, 'or that it is now');
select ganger.enqueue('d', run_at => now() + interval '30 s') as d \gset
update ganger.schedule set next_at = clock_timestamp() + interval '50 s' where name = 'plain';
select ok((select due_in_ms between 20000 and 30000 from ganger._poll(:node, '{default}', '{p}')), 'a job that is due before it');
select ganger.cancel(:d), ganger._stop_node(:node) \g /dev/null
select ganger.delete_schedule(name) from ganger.schedules \g /dev/null
select is((select count(*) from ganger.jobs where status <> 'cancelled'), 3::bigint, 'jobs outlive their schedule');
select is((select count(*) from ganger.schedule_run), 0::bigint, 'nothing else does');

-- overlap
select ganger.create_schedule('skip', '@yearly', 'skip', options => '{"queue": "skip", "retry_delay": "1 h"}') \g /dev/null
select is(pg_temp.fire('skip'), 1, 'skip: the first');
select last_run_at as last, last_job_id as job from ganger.schedules where name = 'skip' \gset
select is(pg_temp.fire('skip'), 0, 'none while it is pending');
select results_eq($$ select last_run_at, last_job_id, next_run_at > now() from ganger.schedules where name = 'skip' $$,
    format('values (%L::timestamptz, %s::bigint, true)', :'last', :'job'), 'a skip is no run, and is over');
select id, lease_id as lease from ganger.claim('w', queues => '{skip}') \gset
select is(pg_temp.fire('skip'), 0, 'none while it is running');
select ganger.fail(:id, :'lease', 'x') \g /dev/null
select is((select pending_reason from ganger.jobs where id = :id), 'retry', '(it waits for a retry)');
select is(pg_temp.fire('skip'), 0, 'none while it waits for a retry');
update ganger.job set status = 'waiting', pending_reason = null where id = :id;
select is(pg_temp.fire('skip'), 0, 'none while it is waiting');
update ganger.job set status = 'pending', pending_reason = 'blocked', due_at = null where id = :id;
select is(pg_temp.fire('skip'), 0, 'none while it is blocked');
select ganger.cancel(:id) \g /dev/null
select is(pg_temp.fire('skip'), 1, 'one when it is over');
select id, lease_id as lease from ganger.claim('w', queues => '{skip}') \gset
select ganger.complete(:id, :'lease') \g /dev/null
select is(pg_temp.fire('skip'), 1, 'or completed');
select ganger.enqueue('skip') \g /dev/null
select ganger.cancel((select last_job_id from ganger.schedules where name = 'skip')) \g /dev/null
select is(pg_temp.fire('skip'), 1, 'other jobs of that type are no concern');
select last_job_id as id from ganger.schedules where name = 'skip' \gset
select ganger.cancel(:id), ganger.retry(:id) \g /dev/null
select is(pg_temp.fire('skip'), 0, 'one that was brought back is its job again');
select ganger.delete_schedule('skip') \g /dev/null

select ganger.create_schedule('allow', '@yearly', 'allow', overlap => 'allow') \g /dev/null
select is(pg_temp.fire('allow') + pg_temp.fire('allow') + pg_temp.fire('allow'), 3, 'allow: each tick, whatever runs');
select ganger.delete_schedule('allow') \g /dev/null

select ganger.create_schedule('queue', '@yearly', 'queue', overlap => 'queue_one', options => '{"queue": "queue", "retry_delay": "1 h"}') \g /dev/null
select is(pg_temp.fire('queue'), 1, 'queue_one: the first');
select is(pg_temp.fire('queue'), 0, 'none while it has not started');
select id, lease_id as lease from ganger.claim('w', queues => '{queue}') \gset
select is(pg_temp.fire('queue'), 1, 'one behind a running one');
select is(pg_temp.fire('queue'), 0, 'but not two');
select ganger.fail(:id, :'lease', 'x') \g /dev/null
select is(pg_temp.fire('queue'), 0, 'nor when that waits for a retry');
select ganger.cancel(last_job_id) from ganger.schedules where name = 'queue' \g /dev/null
select is(pg_temp.fire('queue'), 1, 'one behind one that waits for a retry: it has started');
select ganger.delete_schedule('queue') \g /dev/null

select ganger.create_schedule('cancel', '@yearly', 'cancel', overlap => 'cancel_running', options => '{"queue": "cancel"}') \g /dev/null
select pg_temp.fire('cancel') \g /dev/null
select last_job_id as first from ganger.schedules where name = 'cancel' \gset
select is(pg_temp.fire('cancel'), 1, 'cancel_running: a new one');
select is((select status from ganger.jobs where id = :first), 'cancelled', 'in place of one that was pending');
select id, lease_id as lease from ganger.claim('w', queues => '{cancel}') \gset
select is(pg_temp.fire('cancel'), 1, 'a new one while one is running');
select results_eq(format('select status from ganger.jobs where id = %s', :id), $$ values ('processing') $$, 'which is still running');
select is(ganger.complete(:id, :'lease'), false, 'but told to stop');
select is((select status from ganger.jobs where id = :id), 'cancelled', 'and ends cancelled');
select ganger.run_schedule('cancel') \g /dev/null
select ganger.run_schedule('cancel') \g /dev/null
select is((select count(*) from ganger.job where queue = 'cancel'), 3::bigint, '(three live ones)');
select is(pg_temp.fire('cancel'), 1, 'all of them');
select is((select array_agg(id) from ganger.job where queue = 'cancel'), (select array[last_job_id] from ganger.schedules where name = 'cancel'), 'the new one is left');
select ganger.delete_schedule('cancel') \g /dev/null

-- catching up
select ganger.create_schedule('none', '0 0 1 1 *', 'none', overlap => 'allow') \g /dev/null
select is(pg_temp.fire('none', '55 s'), 1, 'none: a tick that is a little late');
select is(pg_temp.fire('none', '61 s'), 0, 'one more than 60 s late is dropped');
select ok((select next_run_at > now() from ganger.schedules where name = 'none'), 'the next one stands');
select ganger.edit_schedule('none', '{"cron": "*/10 * * * * *"}') \g /dev/null
select is(pg_temp.fire('none', '50 s'), 1, 'of several the last');
select is(pg_temp.fire('none', '20 days'), 1, 'also after a long time');
select ganger.delete_schedule('none') \g /dev/null

select ganger.create_schedule('last', '*/5 * * * *', 'last', overlap => 'allow', catch_up => 'last') \g /dev/null
select is(pg_temp.fire('last', '3 days'), 1, 'last: one for all');
select ok((select next_run_at between now() and now() + interval '6 min' from ganger.schedules where name = 'last'), 'then on');
select ganger.edit_schedule('last', '{"cron": "0 0 1 1 *"}') \g /dev/null
select is(pg_temp.fire('last', '100 days'), 1, 'however late');
select ganger.delete_schedule('last') \g /dev/null

select ganger.create_schedule('all', '0 0 1 1 *', 'all', overlap => 'allow', catch_up => 'all') \g /dev/null
update ganger.schedule set cron = '@every 1h', next_at = date_trunc('hour', now()) - interval '239 h' where name = 'all';
select results_eq('select scheduled, next_at <= clock_timestamp() from ganger._run_schedules()', $$ values (100, true) $$, 'all: a hundred at a time, the rest at once');
select is((select next_run_at from ganger.schedules where name = 'all'), date_trunc('hour', now()) - interval '139 h', 'how far it has come');
select is(pg_temp.run(), 100, 'the next hundred');
select ok(pg_temp.run() in (40, 41), 'the rest');
select is((select count(*) from ganger.job where job_type = 'all'), (select 239 + 1 + extract(epoch from next_run_at - date_trunc('hour', now()))::bigint / 3600 - 1
    from ganger.schedules where name = 'all'), 'one for each');
select is(pg_temp.run(), 0, 'and no more');
select ganger.edit_schedule('all', '{"overlap": "skip", "job_type": "all skip"}') \g /dev/null
select ganger.cancel(id) from ganger.job where job_type = 'all' \g /dev/null
select is(pg_temp.fire('all', '5 h'), 1, 'a tick that is caught up with is skipped like any other');
select ganger.delete_schedule('all') \g /dev/null

-- pause
select ganger.create_schedule('pause', '*/10 * * * * *', 'pause', overlap => 'allow', catch_up => 'all') \g /dev/null
select is(ganger.pause_schedule('pause'), true, 'paused');
select results_eq($$ select paused, next_run_at from ganger.schedules where name = 'pause' $$, $$ values (true, null::timestamptz) $$, 'it has no next tick');
select is(pg_temp.run(), 0, 'and makes no job');
select is(ganger.pause_schedule('pause'), true, 'again is no error');
select ganger.run_schedule('pause') as id \gset
select is((select last_job_id from ganger.schedules where name = 'pause'), :id::bigint, 'it can be run by hand');
select is(ganger.edit_schedule('pause', '{"cron": "@every 7s"}'), true, 'and edited');
select is((select next_run_at from ganger.schedules where name = 'pause'), null, 'it stays paused');
select is(ganger.resume_schedule('pause'), true, 'resumed');
select ok((select next_run_at between now() and now() + interval '8 s' and not paused from ganger.schedules where name = 'pause'),
    'from now on, with what it was changed to');
update ganger.schedule set next_at = now() - interval '1 h' where name = 'pause';
select is(ganger.resume_schedule('pause'), true, 'again is no error');
select ok((select next_run_at < now() - interval '50 min' from ganger.schedules where name = 'pause'), 'and takes no tick away');
select ganger.delete_schedule('pause') \g /dev/null

-- edit
select ganger.create_schedule('edit', '0 9 1 1 *', 'edit', '{"a": 1}', 'UTC', options => '{"queue": "a", "priority": 1}') \g /dev/null
update ganger.schedule set updated_at = '2020-01-01' where name = 'edit';
select is(ganger.edit_schedule('edit', '{"cron": "0 9 1 1 *", "payload": {"a": 1}, "overlap": null}'), true, 'an edit that changes nothing');
select is((select updated_at from ganger.schedules where name = 'edit'), '2020-01-01'::timestamptz, 'changes nothing');
select ganger.edit_schedule('edit', '{"timezone": "Asia/Tokyo"}') \g /dev/null
select results_eq($$ select extract(hour from next_run_at)::int, updated_at > '2020-01-01' from ganger.schedules where name = 'edit' $$, $$ values (0, true) $$, 'another zone: another next tick');
select ganger.edit_schedule('edit', '{"cron": "30 10 1 1 *"}') \g /dev/null
select is((select to_char(next_run_at, 'HH24:MI') from ganger.schedules where name = 'edit'), '01:30', 'another expression: too');
update ganger.schedule set next_at = '2020-01-01' where name = 'edit';
select ganger.edit_schedule('edit', '{"payload": {"b": 2}, "job_type": "edited", "options": {"tags": ["t"]}, "overlap": "allow", "catch_up": "last"}') \g /dev/null
select results_eq($$ select next_run_at, job_type, payload, options, overlap, catch_up from ganger.schedules where name = 'edit' $$,
    $$ values ('2020-01-01'::timestamptz, 'edited', '{"b": 2}'::jsonb, '{"tags": ["t"]}'::jsonb, 'allow', 'last') $$, 'the rest leaves the tick alone; options are not merged');
select is(pg_temp.run(), 1, 'and counts at once');
select results_eq($$ select payload, queue, tags from ganger.jobs where job_type = 'edited' $$, $$ values ('{"b": 2}'::jsonb, 'default', '{t}'::text[]) $$, 'indeed');
select ganger.edit_schedule('edit', '{"timezone": null, "overlap": null, "catch_up": null, "payload": null, "options": null}') \g /dev/null
select results_eq($$ select timezone, overlap, catch_up, payload, options from ganger.schedules where name = 'edit' $$,
    $$ values ('UTC', 'skip', 'none', '{}'::jsonb, '{}'::jsonb) $$, 'a null is the default');
select throws_ok(format($$ select ganger.edit_schedule('edit', %L) $$, c), '22023', m, 'edit: ' || m) from (values
    ('[1]', 'changes must be a JSON object'), (null, 'changes must be a JSON object'), ('{"name": "x"}', 'changes: "name" cannot be edited'),
    ('{"paused": true}', 'changes: "paused" cannot be edited'), ('{"cron": 5}', 'changes: cron is a JSON number, not a string'),
    ('{"cron": null}', 'cron is missing'), ('{"job_type": null}', 'job_type is missing'), ('{"timezone": "x/y"}', 'timezone "x/y" is not known'),
    ('{"overlap": "x"}', 'overlap: there is no way "x"'), ('{"options": "x"}', 'options is a JSON string, not an object'),
    ('{"payload": 1, "options": {"run_at": "2030-01-01"}}', 'options: "run_at" cannot be given')) v (c, m);
select is((select payload from ganger.schedules where name = 'edit'), '{}'::jsonb, 'all or nothing');

-- run
select next_run_at as next from ganger.schedules where name = 'edit' \gset
select ganger.run_schedule('edit') as a \gset
select ganger.run_schedule('edit') as b \gset
select ok(:a <> :b, 'run makes a job each time, whatever overlap says');
select results_eq($$ select last_job_id, next_run_at from ganger.schedules where name = 'edit' $$,
    format('values (%s::bigint, %L::timestamptz)', :b, :'next'), 'and leaves the next tick alone');
select is(pg_temp.fire('edit'), 0, 'its jobs count for the overlap');
select ganger.delete_schedule('edit') \g /dev/null
select is((select count(*) from ganger.job where id in (:a, :b)), 2::bigint, 'they stay');
select lives_ok($$ select ganger.create_schedule('edit', '@yearly', 'edit') $$, 'the name is free again');
select is(pg_temp.fire('edit'), 1, 'and the jobs of the one before are not its own');
select ganger.delete_schedule('edit') \g /dev/null

-- unique keys, groups, dependencies
select ganger.enqueue('other', unique_key => 'k') as other \gset
select ganger.create_schedule('key', '@yearly', 'key', overlap => 'cancel_running', options => '{"unique_key": "k"}') \g /dev/null
select is(pg_temp.fire('key'), 1, 'a tick that finds its unique key taken');
select is((select last_job_id from ganger.schedules where name = 'key'), :other::bigint, 'is a run: that job stands for it');
select pg_temp.fire('key') \g /dev/null
select is((select status from ganger.jobs where id = :other), 'pending', 'but is not the schedule''s to cancel');
select ganger.edit_schedule('key', '{"options": {"unique_key": "k", "on_conflict": "error"}}') \g /dev/null
select is(pg_temp.fire('key'), 0, 'on_conflict error: no job');
select matches((select last_error from ganger.schedules where name = 'key'), 'unique_key "k" is taken', 'and it says why');
select ganger.edit_schedule('key', format('{"options": {"group_key": "g", "depends_on": [%s]}, "overlap": "skip"}', :other)::jsonb) \g /dev/null
select is(pg_temp.fire('key'), 1, 'a job that is blocked');
select is((select pending_reason from ganger.jobs where job_type = 'key'), 'blocked', 'indeed');
select is(pg_temp.fire('key'), 0, 'is not over');
select ganger.delete_schedule('key') \g /dev/null

-- what goes wrong with one
select ganger.create_schedule('bad', '@yearly', 'bad', overlap => 'allow'), ganger.create_schedule('good', '@yearly', 'good', overlap => 'allow'),
       ganger.create_schedule('gone', '@yearly', 'gone', overlap => 'allow') \g /dev/null
update ganger.schedule set options = '{"priority": 99999}' where name = 'bad';
update ganger.schedule set timezone = 'Nowhere/Gone' where name = 'gone';
select pg_temp.due('bad', '2 s'), pg_temp.due('gone', '1 s'), pg_temp.due('good') \g /dev/null
select is(pg_temp.run(), 1, 'the good one fires');
select matches((select last_error from ganger.schedules where name = 'bad'), 'priority must be between', 'the bad one says why not');
select results_eq($$ select next_run_at, last_run_at, last_job_id from ganger.schedules where name = 'bad' $$,
    $$ select date_trunc('year', now()) + interval '1 year', null::timestamptz, null::bigint $$, 'it has a next tick, and no run');
select results_eq($$ select last_error, next_run_at from ganger.schedules where name = 'gone' $$,
    $$ values ('time zone "Nowhere/Gone" not recognized', null::timestamptz) $$, 'without a zone there is no next tick');
select ok((select next_at between now() and now() + interval '6 min' from ganger.schedule where name = 'gone'), 'but it is looked at again');
select is(pg_temp.run(), 0, 'not at once');
update ganger.schedule set next_at = clock_timestamp() where name = 'gone';
select is(pg_temp.run(), 0, 'in vain');
select ok((select last_error is not null from ganger.schedules where name = 'gone'), 'it still says why');
update ganger.schedule set next_at = clock_timestamp(), timezone = 'Europe/Berlin' where name = 'gone';
select is(pg_temp.run(), 0, 'a zone that is back makes no job');
select results_eq($$ select last_error, next_run_at from ganger.schedules where name = 'gone' $$,
    $$ select null::text, date_trunc('year', now(), 'Europe/Berlin') + interval '1 year' $$, 'but a next tick');
update ganger.schedule set timezone = 'Nowhere/Gone', next_at = clock_timestamp(), tick_at = null where name = 'gone';
select pg_temp.run() \g /dev/null
select ganger.edit_schedule('gone', '{"timezone": "UTC"}') \g /dev/null
select results_eq($$ select last_error, next_run_at > now() from ganger.schedules where name = 'gone' $$, $$ values (null::text, true) $$, 'an edit mends it, too');
update ganger.schedule set options = '{}' where name = 'bad';
select is(pg_temp.fire('bad'), 1, 'mended, it fires');
select is((select last_error from ganger.schedules where name = 'bad'), null, 'and says nothing any more');

-- very many at once
select ganger.delete_schedule(name) from ganger.schedules \g /dev/null
select ganger.create_schedule('many' || i, '@yearly', 'many', overlap => 'allow') from generate_series(1, 600) i \g /dev/null
select pg_temp.due('many' || i) from generate_series(1, 600) i \g /dev/null
select results_eq('select scheduled between 1 and 500, next_at <= clock_timestamp() from ganger._run_schedules()', $$ values (true, true) $$,
    'a pass has its bounds, and says that there is more');
create function pg_temp.run_all() returns timestamptz language plpgsql as $$
declare
    pass record;
begin
    loop
        select * into pass from ganger._run_schedules();
        exit when pass.next_at > clock_timestamp();
    end loop;
    return pass.next_at;
end $$;
select pg_temp.run_all() as next \gset
select is(:'next'::timestamptz, (select min(next_run_at) from ganger.schedules), 'the rest follows');
select is((select count(*) from ganger.job where job_type = 'many'), 600::bigint, 'a job for each');

select * from finish();
