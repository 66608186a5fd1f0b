-- SPDX-License-Identifier: MIT
-- Batches: create, start, pause, resume, cancel, get, clear, stats; places, retries, on_finish, events.
select plan(152);

create function pg_temp.batch(id text) returns setof ganger.batches language sql as $$ select * from ganger.batches b where b.id = $1 $$;
create function pg_temp.claimed(queue text, n int default 100) returns bigint[] language sql as
    $$ select array(select c.id from ganger.claim('w', array[queue], max_jobs => n) c order by 1) $$;
create function pg_temp.do(what text, ids bigint[]) returns bigint language plpgsql as $$
declare n bigint; begin
    execute format('select count(*) from (select case when %s then 1 end as done from ganger.job j where j.id = any ($1) and j.lease_id is not null order by j.id) x where done = 1', what)
        into n using ids;
    return n;
end $$;
create function pg_temp.complete(ids bigint[]) returns bigint language sql as $$ select pg_temp.do('ganger.complete(j.id, j.lease_id, to_jsonb(j.id))', ids) $$;
create function pg_temp.discard(ids bigint[]) returns bigint language sql as $$ select pg_temp.do('ganger.discard(j.id, j.lease_id, ''bad'')', ids) $$;
create function pg_temp.told(id text) returns setof text language sql as
    $$ select substr(e.event, 7) from ganger.event e where e.job_id is null and e.data ->> 'batch_id' = $1 order by e.id $$;

-- create
select is(ganger.create_batch('b', 'x', '[1, null, "s", [1], {"a": 2}]', options => '{"queue": "b"}'), 'b', 'create tells the id');
select results_eq($$ select payload from ganger.jobs where batch_id = 'b' order by id $$,
    $$ values ('1'::jsonb), ('null'), ('"s"'), ('[1]'), ('{"a": 2}') $$, 'each value is the payload of a job');
select results_eq($$ select distinct job_type, queue, status, pending_reason, max_attempts, retry_delay, retry_backoff from ganger.jobs where batch_id = 'b' $$,
    $$ values ('x', 'b', 'pending', 'batch', 4, interval '1 s', true) $$, 'that waits for its batch');
select ganger.maintain() \g /dev/null
select is(pg_temp.claimed('b'), '{}', 'nothing runs before the start');
select is(ganger.get_batch('b') - 'items', '{"id": "b", "status": "pending", "total": 5, "completed": 0, "failed": 0, "paused": false,
    "cancelled": false, "items_cancelled": 0, "started_at": null, "finished_at": null}'::jsonb, 'get');
select is(ganger.get_batch('b') -> 'items' -> 1, (select jsonb_build_object('id', id, 'status', 'pending', 'attempts', 0, 'result', null,
    'error', null) from ganger.jobs where batch_id = 'b' order by id offset 1 limit 1), 'an item');
select is(ganger.get_batch('nobody'), null, 'an unknown batch');
select is(ganger.get_batch(null), null, 'null');
select matches(ganger.create_batch(null, 'x', '[]'), '^[0-9a-f-]{36}$', 'an id is made up');
select throws_ok($$ select ganger.create_batch('b', 'x', '[]') $$, '23505', 'there is a batch "b" already', 'an id that is taken');
create function pg_temp.refused(call text, state text, message text) returns setof text language sql as
    $$ select throws_ok('select ganger.create_batch(' || call || ')', state::char(5), message, call) $$;
select pg_temp.refused(v[1], v[2], v[3]) from (values
    (array[$$ '', 'x', '[]' $$, '22023', 'id is empty']),
    (array[$$ repeat('i', 256), 'x', '[]' $$, '22023', 'id is 256 bytes long; at most 255 are allowed']),
    (array[$$ 'n', null, '[]' $$, '22023', 'job_type is missing']), (array[$$ 'n', '', '[1]' $$, '22023', 'job_type is empty']),
    (array[$$ 'n', 'x', '{}' $$, '22023', 'items must be a JSON array']), (array[$$ 'n', 'x', null $$, '22023', 'items must be a JSON array']),
    (array[$$ 'n', 'x', '[]', 0 $$, '22003', 'concurrency must be at least 1, not 0']),
    (array[$$ 'n', 'x', '[]', max_attempts => 0 $$, '22003', 'max_attempts must be between 1 and 1000, not 0']),
    (array[$$ 'n', 'x', '[]', retry_delay => '-1 s' $$, '22023', 'retry_delay must be zero or more, not -00:00:01']),
    (array[$$ 'n', 'x', '[]', options => '[]' $$, '22023', 'options is a JSON array, not an object']),
    (array[$$ 'n', 'x', '[]', options => '{"run_at": null}' $$, '22023', 'options: "run_at" cannot be said of the items of a batch']),
    (array[$$ 'n', 'x', '[]', options => '{"nonsense": 1}' $$, '22023', 'options: "nonsense" cannot be said of the items of a batch']),
    (array[$$ 'n', 'x', '[]', options => '{"depends_on": [1]}' $$, '22023', 'options: "depends_on" cannot be said of the items of a batch']),
    (array[$$ 'n', 'x', '[]', options => '{"unique_key": "u"}' $$, '22023', 'options: "unique_key" cannot be said of the items of a batch']),
    (array[$$ 'n', 'x', '[]', options => '{"idempotency_key": "u"}' $$, '22023', 'options: "idempotency_key" cannot be said of the items of a batch']),
    (array[$$ 'n', 'x', '[]', options => '{"priority": 99999}' $$, '22003', 'options: priority must be between -32768 and 32767, not 99999']),
    (array[$$ 'n', 'x', '[]', options => '{"timeout": "5"}' $$, '22023', 'options: timeout has no unit: "5"']),
    (array[$$ 'n', 'x', '[]', on_finish => '"x"' $$, '22023', 'on_finish is a JSON string, not an object']),
    (array[$$ 'n', 'x', '[]', on_finish => '{"queue": "q"}' $$, '22023', 'on_finish: job_type is missing']),
    (array[$$ 'n', 'x', '[]', on_finish => '{"job_type": "f", "prio": 1}' $$, '22023', 'on_finish: unknown key "prio"']),
    (array[$$ 'n', 'x', '[]', on_finish => '{"job_type": "f", "metadata": [1]}' $$, '22023', 'on_finish: metadata is not an object']),
    (array[$$ 'n', 'x', '[]', on_finish => '{"job_type": "f", "depends_on": [-1]}' $$, '22023', 'on_finish: depends_on: there is no earlier entry here']),
    (array[$$ 'n', 'x', '[]', on_finish => '{"job_type": "f", "depends_on": [987654]}' $$, '42704', 'on_finish: depends_on: there is no job 987654']),
    (array[$$ 'n', 'x', jsonb_build_array(1, repeat('p', 1048576)) $$, '22023', 'items[1] is 1048578 bytes long; at most 1048576 are allowed'])) x (v);
select is_empty($$ select from pg_temp.batch('n') $$, 'nothing is half applied');

-- start, places, end
select ok(not ganger.start_batch('nobody') and not ganger.start_batch(null), 'an unknown one is not started');
select ok(ganger.start_batch('b'), 'start');
select ok(not ganger.start_batch('b'), 'not twice');
select results_eq($$ select status, started_at is not null from pg_temp.batch('b') $$, $$ values ('running', true) $$, 'it runs');
select pg_temp.claimed('b') as ids \gset
select is(:'ids', (select array_agg(id order by id) from (select id from ganger.jobs where batch_id = 'b' order by id limit 3) x), 'its first three items');
select is(pg_temp.claimed('b'), '{}', 'no more at a time');
select is(pg_temp.complete((:'ids'::bigint[])[1:1]), 1::bigint, 'one completes');
select is(cardinality(pg_temp.claimed('b')), 1, 'one more starts');
select is(jsonb_path_query_array(ganger.get_batch('b'), '$.items[*].status'), '["completed", "processing", "processing", "processing", "pending"]', 'status of the items');
select pg_temp.claimed('b') \g /dev/null
select ok(pg_temp.complete(array(select id from ganger.jobs where batch_id = 'b')) = 3 and cardinality(pg_temp.claimed('b')) = 1, 'the last one');
select is(pg_temp.complete(array(select id from ganger.jobs where batch_id = 'b')), 1::bigint, 'completes');
select results_eq($$ select b.status, total, completed, failed, b.finished_at = max(j.finished_at) from pg_temp.batch('b') b, ganger.jobs j where batch_id = 'b'
    group by 1, 2, 3, 4, b.finished_at $$, $$ values ('completed', 5, 5, 0, true) $$, 'then the batch has, too');
select is(ganger.get_batch('b') -> 'items' -> 4, (select jsonb_build_object('id', max(id), 'status', 'completed', 'attempts', 1, 'result', max(id),
    'error', null) from ganger.jobs where batch_id = 'b'), 'an item with its result');
select ok(ganger.get_batch('b') ->> 'finished_at' ~ '^\d{4}-\d\d-\d\dT[0-9:.]+\+00:00$', 'times are UTC');
select ganger.maintain() \g /dev/null
select results_eq($$ select pg_temp.told('b') $$, $$ values ('started'), ('progress'), ('progress'), ('finished') $$, 'one event for each pass, not for each item');
select is((select data from ganger.event where event = 'batch_finished'), '{"batch_id": "b", "status": "completed", "total": 5, "completed": 5, "failed": 0}', 'what the last one tells');
select ok(not ganger.pause_batch('b') and not ganger.resume_batch('b') and not ganger.cancel_batch('b') and not ganger.start_batch('b'), 'it is over');

-- retries after exactly 2, 4 and 8 s
select ganger.create_batch('r', 'x', '[1, 2]', 1, options => '{"queue": "r"}'), ganger.start_batch('r') \g /dev/null
create function pg_temp.fail_once() returns boolean language plpgsql as $$
declare j record; before timestamptz; delay interval;
begin
    select * into j from ganger.claim('w', '{r}');
    before := clock_timestamp();
    perform ganger.fail(j.id, j.lease_id, 'no luck');
    delay := interval '1 s' * power(2, j.attempt);
    return (select next_attempt_at between before + delay and clock_timestamp() + delay and pending_reason = 'retry' from ganger.jobs where id = j.id);
end $$;
select ok(pg_temp.fail_once(), '2 s');
select is(pg_temp.claimed('r'), '{}', 'meanwhile it keeps its place');
select is(ganger.get_batch('r') #>> '{items,0,error}', 'no luck', 'its error is told');
update ganger.job set due_at = now() where batch_id = 'r' and due_at is not null;
select ganger.maintain() \g /dev/null
select ok(pg_temp.fail_once(), '4 s');
update ganger.job set due_at = now() where batch_id = 'r' and due_at is not null;
select ganger.maintain() \g /dev/null
select ok(pg_temp.fail_once(), '8 s');
update ganger.job set due_at = now() where batch_id = 'r' and due_at is not null;
select ganger.maintain() \g /dev/null
select id as r1, lease_id as lease from ganger.claim('w', '{r}') \gset
select ganger.fail(:r1, :'lease', 'gave up') \gset
select results_eq($$ select i -> 'status', i -> 'attempts', i -> 'error' from jsonb_array_elements(ganger.get_batch('r') -> 'items') i limit 1 $$,
    $$ values ('"failed"'::jsonb, '4'::jsonb, '"gave up"'::jsonb) $$, 'no fourth retry');
select ganger.enqueue('x', queue => 'jitter', retry_delay => '1 day') as j \gset
select ok((select count(distinct date_trunc('second', ganger._retry_at(j))) > 1 from ganger.job j, generate_series(1, 20) where id = :j),
    'other jobs keep their jitter');
select pg_temp.complete(pg_temp.claimed('r')) \g /dev/null
select results_eq($$ select status, completed, failed from pg_temp.batch('r') $$, $$ values ('completed_with_errors', 1, 1) $$, 'with an error');
-- what is put off keeps its place, too; an edit gets round no limit
select ganger.create_batch('e', 'x', '[1, 2, 3]', 1, options => '{"queue": "e"}'), ganger.start_batch('e') \g /dev/null
select id as e1, lease_id as lease from ganger.claim('w', '{e}') \gset
select ganger.snooze(:e1, :'lease', '1 h') \gset
select is(pg_temp.claimed('e'), '{}', 'a snoozed item keeps its place');
update ganger.job set due_at = now() where id = :e1;
select ganger.maintain() \g /dev/null
select lease_id as lease from ganger.claim('w', '{e}') \gset
select ganger.wait_for(:e1, :'lease', '1 h') \gset
select is(ganger.get_batch('e') #>> '{items,0,status}', 'waiting', 'one that waits');
select is(pg_temp.claimed('e'), '{}', 'keeps it, too');
select ganger.edit(id, jsonb_build_object('run_at', now() + interval '100 ms')) from ganger.jobs where batch_id = 'e' and id > :e1 \g /dev/null
update ganger.job set due_at = now() where batch_id = 'e';
select ganger.maintain() \g /dev/null
select is(pg_temp.claimed('e'), array[:e1::bigint], 'items that were put off by edit() wait for a place as the others');
select results_eq($$ select distinct pending_reason from ganger.jobs where batch_id = 'e' and status = 'pending' $$, $$ values ('batch') $$, 'and say so');

-- on_finish
select ganger.create_batch('f', 'x', '[1]', options => '{"queue": "f", "owner": "bob"}',
    on_finish => '{"job_type": "after", "queue": "after", "payload": [7], "metadata": {"m": 1}}'), ganger.start_batch('f') \g /dev/null
select pg_temp.discard(pg_temp.claimed('f')) \g /dev/null
select is(ganger.count_jobs('{"job_type": "after"}'), 0::bigint, 'a finish leaves it to the next short transaction');
select ganger.maintain(), ganger.maintain() \g /dev/null
select results_eq($$ select payload, owner, metadata, batch_id from ganger.jobs where job_type = 'after' $$,
    $$ values ('[7]'::jsonb, 'bob', '{"m": 1, "batch_id": "f", "batch_status": "completed_with_errors"}'::jsonb, null::text) $$, 'on_finish, once');
select is((select on_finish_job_id from pg_temp.batch('f')), (select id from ganger.jobs where job_type = 'after'), 'the batch knows it');
select is((select (data -> 'on_finish_job_id')::bigint from ganger.event where data ->> 'batch_id' = 'f' and event = 'batch_finished'),
    (select id from ganger.jobs where job_type = 'after'), 'and the event');
select is((select owner from pg_temp.batch('f')), 'bob', 'the owner of its items is its owner');
select ok(ganger.retry((select id from ganger.jobs where batch_id = 'f')), 'an item of a finished batch is retried');
select is((select status from pg_temp.batch('f')), 'completed_with_errors', 'which stays as it is');
select ok(not ganger.clear_batch('f'), 'but is not cleared meanwhile');
select is(pg_temp.complete(pg_temp.claimed('f')), 1::bigint, 'the item runs again');
select results_eq($$ select status, completed, failed from pg_temp.batch('f') $$, $$ values ('completed', 1, 0) $$, 'and counts now');
select ganger.maintain() \g /dev/null
select is(ganger.count_jobs('{"job_type": "after"}'), 1::bigint, 'on_finish is not enqueued again');
select is((select count(*) from pg_temp.told('f') t where t = 'finished'), 1::bigint, 'nor told');
select ganger.enqueue('pre') as pre \gset
select ganger.create_batch('fe', 'x', '[]', on_finish => format('{"job_type": "never", "depends_on": [%s]}', :pre)::jsonb) \g /dev/null
select ganger.cancel(:pre), ganger.start_batch('fe') \g /dev/null
select ganger.maintain() \g /dev/null
select is((select data ->> 'on_finish_error' from ganger.event where data ->> 'batch_id' = 'fe' and event = 'batch_finished'),
    format('depends_on: job %s has ended cancelled, so this one would never run', :pre), 'one that is refused by then is told');
select ok((select status = 'completed' and on_finish_job_id is null from pg_temp.batch('fe')), 'and the batch has finished');
-- empty
select ganger.create_batch('0', 'x', '[]', on_finish => '{"job_type": "after0"}') \g /dev/null
select results_eq($$ select status, total from pg_temp.batch('0') $$, $$ values ('pending', 0) $$, 'an empty batch waits for its start');
select ganger.start_batch('0') \g /dev/null
select ok((select status = 'completed' and finished_at = started_at from pg_temp.batch('0')), 'and has finished then');
select is(ganger.get_batch('0') -> 'items', '[]', 'without items');
select ganger.maintain() \g /dev/null
select is(ganger.count_jobs('{"job_type": "after0"}'), 1::bigint, 'its on_finish, too');

-- pause, resume
select ganger.create_batch('p', 'x', '[1, 2, 3, 4, 5, 6]', 3, options => '{"queue": "p"}') \g /dev/null
select ok(not ganger.pause_batch('p') and not ganger.resume_batch('p'), 'a batch that has not started is not paused');
select ganger.start_batch('p') \g /dev/null
select pg_temp.claimed('p', 1) as p1 \gset
select ok(ganger.pause_batch('p'), 'pause');
select ok(not ganger.pause_batch('p'), 'not twice');
select results_eq($$ select status, paused from pg_temp.batch('p') $$, $$ values ('paused', true) $$, 'it is paused');
select is(pg_temp.claimed('p'), '{}', 'items that had a place do not start');
select is(pg_temp.complete(:'p1'), 1::bigint, 'what runs goes on');
select is(pg_temp.claimed('p'), '{}', 'and makes room for nothing');
select ganger.maintain() \g /dev/null
select is(pg_temp.claimed('p'), '{}', 'later neither');
select ok(ganger.resume_batch('p'), 'resume');
select ok(not ganger.resume_batch('p'), 'not twice');
select pg_temp.claimed('p') as ids \gset
select is(:'ids'::bigint[], array(select id from ganger.jobs where batch_id = 'p' and status <> 'completed' order by id limit 3), 'three go on, in order');
select id as p3, lease_id as lease3 from ganger.job where id = (:'ids'::bigint[])[3] \gset
select id as p2, lease_id as lease2 from ganger.job where id = (:'ids'::bigint[])[2] \gset
select ganger.fail(:p2, :'lease2', 'x') \g /dev/null
select ganger.pause_batch('p') \g /dev/null
select ganger._release(array[:p3]::bigint[], array[:'lease3']::uuid[], 'drain') \g /dev/null
update ganger.job set due_at = now() where id = :p2;
select ganger.maintain() \g /dev/null
select is(pg_temp.claimed('p'), '{}', 'in a pause nothing starts again, given back or retried');
select results_eq($$ select distinct pending_reason from ganger.jobs where batch_id = 'p' and status = 'pending' $$, $$ values ('batch') $$, 'all wait for the batch');
select pg_temp.complete(:'ids') \g /dev/null
select ganger.resume_batch('p') \g /dev/null
select pg_temp.claimed('p') as again \gset
select ok(:'again' = array[:p2, :p3, :p3 + 1]::bigint[] and pg_temp.claimed('p') = '{}', 'the oldest go on first, no more than before');
select pg_temp.complete(:'again') \g /dev/null
select pg_temp.claimed('p') as again \gset
select ganger.pause_batch('p') \g /dev/null
select pg_temp.complete(:'again') \g /dev/null
select results_eq($$ select status, completed, paused from pg_temp.batch('p') $$, $$ values ('completed', 6, false) $$, 'a batch whose last items end in a pause has finished');
select ganger.maintain() \g /dev/null
select ok(not ganger.resume_batch('p'), 'there is nothing to resume');
select results_eq($$ select t from pg_temp.told('p') t where t <> 'progress' $$,
    $$ values ('started'), ('paused'), ('resumed'), ('paused'), ('resumed'), ('paused'), ('finished') $$, 'all of it is told');
-- with groups
select ganger.set_group_limit('g', 1) \g /dev/null
select ganger.create_batch('g', 'x', '[1, 2, 3, 4]', 3, options => '{"queue": "g", "group_key": "g"}'), ganger.start_batch('g') \g /dev/null
select ganger.maintain(), ganger.maintain() \g /dev/null
select pg_temp.claimed('g') as ids \gset
select is(cardinality(:'ids'::bigint[]), 1, 'the limit of the group holds as well');
select results_eq($$ select pending_reason, count(*) from ganger.jobs where batch_id = 'g' group by 1 order by 1 $$,
    $$ values ('batch', 1::bigint), ('limited', 2), (null, 1) $$, 'those with a place in the batch wait for one in the group');
select ganger.pause_batch('g') \g /dev/null
select pg_temp.complete(:'ids') \g /dev/null
select ganger.maintain(), ganger.maintain() \g /dev/null
select is(pg_temp.claimed('g'), '{}', 'in a pause the group starts none of them');
select ganger.enqueue('x', queue => 'g', group_key => 'g') as other \gset
select ganger.maintain() \g /dev/null
select is(pg_temp.claimed('g'), array[:other::bigint], 'and is free for others');
select pg_temp.complete(array[:other]) \g /dev/null
select ganger.resume_batch('g') \g /dev/null
select ganger.maintain(), ganger.maintain() \g /dev/null
select is(cardinality(pg_temp.claimed('g')), 1, 'then it goes on');

-- cancel
select ok(not ganger.cancel_batch('nobody') and not ganger.cancel_batch(null), 'an unknown one');
select ganger.create_batch('c', 'x', '[1, 2, 3, 4]', 2, on_finish => '{"job_type": "afterc"}', options => '{"queue": "c"}'), ganger.start_batch('c') \g /dev/null
select pg_temp.complete(pg_temp.claimed('c', 1)) \g /dev/null
select id as run, lease_id as lease from ganger.claim('w', '{c}') \gset
select ok(ganger.cancel_batch('c'), 'cancel');
select ok(not ganger.cancel_batch('c'), 'not twice');
select ok(not ganger.pause_batch('c') and not ganger.resume_batch('c') and not ganger.start_batch('c'), 'it does not go on');
select results_eq($$ select status, cancelled, finished_at from pg_temp.batch('c') $$, $$ values ('cancelled', true, null::timestamptz) $$, 'it has not finished while an item runs');
select is(jsonb_path_query_array(ganger.get_batch('c'), '$.items[*].status'), '["completed", "processing", "cancelled", "cancelled"]', 'pending items are cancelled at once');
select is((ganger.get_batch('c') -> 'items_cancelled')::integer, 2, 'and counted');
select is(pg_temp.claimed('c'), '{}', 'they never start');
select ok(not ganger.clear_batch('c'), 'nor is it cleared');
select ok(not ganger.complete(:run, :'lease'), 'the running one is stopped');
select ganger.maintain() \g /dev/null
select results_eq($$ select status, completed, failed, finished_at is not null from pg_temp.batch('c') $$, $$ values ('cancelled', 1, 0, true) $$, 'then it has finished');
select is((select metadata ->> 'batch_status' from ganger.jobs where job_type = 'afterc'), 'cancelled', 'on_finish comes after a cancel, too, and knows it');
select ok(ganger.retry(:run) and pg_temp.claimed('c') = array[:run::bigint], 'what somebody retries then runs');
select ganger.maintain() \g /dev/null
select is((select cancel_requested from ganger.job where id = :run), null, 'and is not cancelled by the old call');
select ganger.create_batch('c0', 'x', '[1, 2]', options => '{"queue": "c"}') \g /dev/null
select ok(ganger.cancel_batch('c0') and not ganger.start_batch('c0'), 'one that has not started');
select ok((select status = 'cancelled' and started_at is null and finished_at is not null from pg_temp.batch('c0')), 'has finished at once');
select ganger.create_batch('cp', 'x', '[1, 2, 3]', 1, options => '{"queue": "cp"}'), ganger.start_batch('cp') \g /dev/null
select pg_temp.claimed('cp') as ids \gset
select ganger.pause_batch('cp') \g /dev/null
select ok(ganger.cancel_batch('cp'), 'a paused one');
select ok((select status = 'cancelled' and not paused from pg_temp.batch('cp')), 'is cancelled');
-- an item by itself
select ganger.create_batch('ci', 'x', '[1, 2, 3]', 1, options => '{"queue": "ci"}'), ganger.start_batch('ci') \g /dev/null
select ganger.maintain() \g /dev/null
select ok(ganger.cancel((select min(id) from ganger.jobs where batch_id = 'ci')), 'an item cancelled by itself');
select pg_temp.complete(pg_temp.claimed('ci')), pg_temp.complete(pg_temp.claimed('ci')) \g /dev/null
select results_eq($$ select status, completed, failed, items_cancelled from pg_temp.batch('ci') $$, $$ values ('completed_with_errors', 2, 0, 1) $$, 'gives its place, and is an error of the batch');
select is(ganger.get_batch('ci') #>> '{items,0,status}', 'cancelled', 'its status');
select ok(not ganger.cancel_batch('ci'), 'a batch that is over is not cancelled, though nobody has written that down yet');

-- clear, stats
select ok(not ganger.clear_batch('nobody') and not ganger.clear_batch(null), 'an unknown one');
select ganger.create_batch('k', 'x', '[1]', on_finish => '{"job_type": "afterk"}', options => '{"queue": "k"}') \g /dev/null
select ok(not ganger.clear_batch('k'), 'one that has not started');
select ganger.start_batch('k') \g /dev/null
select id as k1, lease_id as lease from ganger.claim('w', '{k}') \gset
select ok(not ganger.clear_batch('k'), 'one that runs');
select ganger.complete(:k1, :'lease') \g /dev/null
select ok(ganger.clear_batch('k'), 'one that has finished');
select is(ganger.get_batch('k'), null, 'is gone');
select is_empty(format('select from ganger.get_job(%s)', :k1), 'and so are its items');
select is_empty($$ select from pg_temp.told('k') $$, 'and events');
select is(ganger.count_jobs('{"job_type": "afterk"}'), 1::bigint, 'on_finish was not forgotten');
select is(ganger.create_batch('k', 'x', '[1]'), 'k', 'the id can be used again');
select is((select array_agg(x.n order by x.kind) from (select substr(key, 1) as kind, value::int as n from jsonb_each(ganger.batch_stats())) x),
    (select array[count(*) filter (where status in ('completed', 'completed_with_errors')), count(*) filter (where status = 'pending'),
                  count(*) filter (where status in ('running', 'paused')), count(*)]::int[] from ganger.batches), 'stats');
select results_eq($$ select key from jsonb_object_keys(ganger.batch_stats()) key order by 1 $$, $$ values ('completed'), ('pending'), ('running'), ('total') $$, 'their names');

-- the feed
create function pg_temp.seal() returns void language plpgsql as $$ begin perform ganger._advance(); end $$;
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select results_eq($$ select event, job_id, data -> 'total' from ganger.read_events(null, 10000) where data ->> 'batch_id' = 'b' $$,
    $$ values ('batch_started', null::bigint, '5'::jsonb), ('batch_progress', null, '5'), ('batch_progress', null, '5'), ('batch_finished', null, '5') $$,
    'read_events tells of batches, too');

-- retention
select ganger.create_batch('t', 'x', '[1, 2]', options => '{"queue": "t"}'), ganger.start_batch('t') \g /dev/null
select pg_temp.claimed('t') as ids \gset
select pg_temp.complete((:'ids'::bigint[])[1:1]) \g /dev/null
select ganger.maintain() \g /dev/null
update ganger.history set finished_at = now() - interval '1 year' where id = any (:'ids');
select ganger.cleanup('300 days') \g /dev/null
select results_eq($$ select status, total, completed from pg_temp.batch('t') $$, $$ values ('running', 2, 1) $$, 'items that retention has deleted stay counted');
select pg_temp.complete(:'ids') \g /dev/null
select ganger.maintain() \g /dev/null
select results_eq($$ select b.status, completed, jsonb_array_length(ganger.get_batch('t') -> 'items') from pg_temp.batch('t') b $$,
    $$ values ('completed', 2, 1) $$, 'to the end');
select ganger.maintain() \g /dev/null
select isnt(ganger.get_batch('t'), null, 'a batch stays while it has jobs');
select ganger.cleanup('0 s') \g /dev/null
select is((ganger.maintain() ->> 'batches_forgotten')::int > 0, true, 'then it is forgotten');
select is_empty($$ select from pg_temp.batch('t') union all select from ganger.batch_state where batch_id = 't' union all select from pg_temp.told('t') $$, 'with all that belongs to it');
select isnt(ganger.get_batch('0'), null, 'one without items is kept as long as a completed job');
update ganger.batch_state set finished_at = now() - interval '31 days' where batch_id = '0';
select ganger.maintain() \g /dev/null
select is(ganger.get_batch('0'), null, 'and no longer');
select isnt(ganger.get_batch('k'), null, 'one that has not finished is never forgotten');

-- a large one, with more places than are given at a time
select ganger.create_batch('large', 'x', (select jsonb_agg(n) from generate_series(1, 5000) n), 2500, options => '{"queue": "large"}') \g /dev/null
select ganger.start_batch('large') \g /dev/null
create temp table got (round int, id bigint, payload jsonb, lease_id uuid);
create function pg_temp.take(rounds int) returns void language plpgsql as $$ begin
    for i in 1..rounds loop
        insert into got select i, c.id, c.payload, c.lease_id from ganger.claim('w', '{large}', max_jobs => 1000) c;
    end loop;
end $$;
select pg_temp.take(4) \g /dev/null
select results_eq($$ select round, count(*) from got group by 1 order by 1 $$, $$ values (1, 1000::bigint), (2, 1000), (3, 500) $$, 'all places are given');
select ok((select bool_and(payload = to_jsonb(id - low + 1)) from got, (select min(id) as low from got) x), 'in order');
select is(jsonb_array_length(ganger.get_batch('large') -> 'items'), 5000, 'all its items');
create function pg_temp.finish_all() returns void language plpgsql as $$ begin
    while exists (select from got) loop
        perform ganger._finish_completed(array_agg(id), array_agg(lease_id), array_agg(null::text), null, null, null, null, null) from got;
        delete from got;
        perform pg_temp.take(3);
    end loop;
end $$;
select pg_temp.finish_all() \g /dev/null
select results_eq($$ select status, completed from pg_temp.batch('large') $$, $$ values ('completed', 5000) $$, 'it has finished');
select ok(ganger.clear_batch('large'), 'and is cleared');
select * from finish();
