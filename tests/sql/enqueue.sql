-- SPDX-License-Identifier: MIT
-- enqueue: every parameter, its default, its bounds; what is refused, and with which SQLSTATE.
select plan(114);

-- defaults
select lives_ok($$ create temp table one as select ganger.enqueue('t') as id $$, 'a type is enough');
select results_eq(
    $$ select job_type, queue, status, pending_reason, priority, payload, attempts, max_attempts, crashes from ganger.jobs $$,
    $$ values ('t', 'default', 'pending', null::text, 0, '{}'::jsonb, 0, 3, 0) $$, 'defaults, first part');
select results_eq(
    $$ select timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, idempotency_key, owner, metadata
       from ganger.jobs $$,
    $$ values (null::interval, null::interval, '60 s'::interval, true, null::interval, null::text[], null::text, null::text,
               null::jsonb) $$, 'defaults, second part');
select ok((select run_at = created_at and created_at between now() - interval '1 min' and now() and started_at is null
                  and finished_at is null and next_attempt_at is null from ganger.jobs), 'run_at is the time of creation');
select is((select id from ganger.jobs), (select id from one), 'the id is returned');
select ok((select seq = id and due_at is null from ganger.job), 'it is runnable at once');

-- every parameter
create temp table full_job as
select ganger.enqueue(job_type => 'mail', payload => '{"to": "a"}', queue => 'out', priority => -5, max_attempts => 7,
    timeout => '30 s', kill_grace => '0 s', retry_delay => '5 s', retry_backoff => false, retry_delay_max => '1 h',
    tags => '{a,b}', idempotency_key => 'k1', owner => 'bob', metadata => '{"m": 1}') as id;
select results_eq(
    $$ select job_type, queue, priority, payload, max_attempts, timeout, kill_grace from ganger.jobs where queue = 'out' $$,
    $$ values ('mail', 'out', -5, '{"to": "a"}'::jsonb, 7, '30 s'::interval, '0 s'::interval) $$, 'what was given, first part');
select results_eq(
    $$ select retry_delay, retry_backoff, retry_delay_max, tags, idempotency_key, owner, metadata
       from ganger.jobs where queue = 'out' $$,
    $$ values ('5 s'::interval, false, '1 h'::interval, '{a,b}'::text[], 'k1', 'bob', '{"m": 1}'::jsonb) $$,
    'what was given, second part');

-- nulls mean defaults
select lives_ok($$ select ganger.enqueue('nulls', null, null, null, null, null, null, null, null, null, null, null, null, null,
    null, null, null, null, null, null, null, null, null) $$, 'a null argument means its default');
select results_eq(
    $$ select queue, priority, payload, max_attempts, retry_delay, retry_backoff, pending_reason from ganger.jobs
       where job_type = 'nulls' $$,
    $$ values ('default', 0, '{}'::jsonb, 3, '60 s'::interval, true, null::text) $$, 'and gets it');

-- payload: any JSON value
select lives_ok(format($$ select ganger.enqueue('json', %L) $$, v), 'payload ' || v)
from unnest(array['null', '1', '"text"', '[1, 2]', 'true', '{"a": {"b": []}}']) v;
select results_eq($$ select payload::text from ganger.jobs where job_type = 'json' order by id $$,
    $$ values ('null'), ('1'), ('"text"'), ('[1, 2]'), ('true'), ('{"a": {"b": []}}') $$, 'is kept as it is');

-- run_at
create temp table later as select ganger.enqueue('later', run_at => now() + interval '1 h') as id;
select results_eq($$ select status, pending_reason, next_attempt_at = run_at from ganger.jobs where job_type = 'later' $$,
    $$ values ('pending', 'scheduled', true) $$, 'a future run_at is scheduled');
select ok((select seq is null and due_at > now() from ganger.job where job_type = 'later'), 'and not in the claim index');
select lives_ok($$ select ganger.enqueue('past', run_at => now() - interval '1 h') $$, 'run_at may be past');
select ok((select seq is not null from ganger.job where job_type = 'past'), 'a past run_at is runnable');
select ok((select run_at < created_at from ganger.jobs where job_type = 'past'), 'and keeps its run_at');
select throws_ok(format($$ select ganger.enqueue('t', run_at => %L) $$, v), '22023', null, 'run_at ' || v)
from unnest(array['infinity', '-infinity']) v;

-- bounds that hold
select lives_ok(format('select ganger.enqueue(%s)', v), v) from unnest(array[
    $$'t', priority => -32768$$, $$'t', priority => 32767$$, $$'t', max_attempts => 1$$, $$'t', max_attempts => 1000$$,
    $$repeat('x', 255)$$, $$'t', queue => repeat('q', 255)$$, $$'t', owner => repeat('o', 255)$$,
    $$'t', idempotency_key => repeat('i', 255)$$, $$'t', tags => array[repeat('t', 255)]$$, $$'t', tags => '{}'$$,
    $$'t', kill_grace => '0 s'$$, $$'t', retry_delay => '0 s'$$, $$'t', retry_delay_max => '0 s'$$,
    $$'t', timeout => '1 us'$$, $$'t', timeout => '100 years'$$,
    $$'t', to_jsonb(repeat('x', 1000000))$$]) v;
select is((select count(*) from ganger.jobs where priority in (-32768, 32767)), 2::bigint, 'extreme priorities are kept');

-- bounds that refuse
select throws_ok(format('select ganger.enqueue(%s)', v[1]), v[2], null, v[1]) from (values
    (array[$$null$$, '22023']), (array[$$''$$, '22023']), (array[$$repeat('x', 256)$$, '22023']),
    (array[$$repeat('ä', 128)$$, '22023']),
    (array[$$'t', queue => ''$$, '22023']), (array[$$'t', queue => repeat('x', 256)$$, '22023']),
    (array[$$'t', owner => ''$$, '22023']), (array[$$'t', owner => repeat('x', 256)$$, '22023']),
    (array[$$'t', idempotency_key => ''$$, '22023']), (array[$$'t', idempotency_key => repeat('x', 256)$$, '22023']),
    (array[$$'t', priority => -32769$$, '22003']), (array[$$'t', priority => 32768$$, '22003']),
    (array[$$'t', max_attempts => 0$$, '22003']), (array[$$'t', max_attempts => 1001$$, '22003']),
    (array[$$'t', timeout => '0 s'$$, '22023']), (array[$$'t', timeout => '-1 s'$$, '22023']),
    (array[$$'t', timeout => '101 years'$$, '22003']), (array[$$'t', kill_grace => '-1 s'$$, '22023']),
    (array[$$'t', retry_delay => '-1 s'$$, '22023']), (array[$$'t', retry_delay => '101 years'$$, '22003']),
    (array[$$'t', retry_delay_max => '-1 s'$$, '22023']),
    (array[$$'t', tags => array['a', null]$$, '22023']), (array[$$'t', tags => array['']$$, '22023']),
    (array[$$'t', tags => array[repeat('x', 256)]$$, '22023']),
    (array[$$'t', tags => array[array['a', 'b'], array['c', 'd']]$$, '22023']),
    (array[$$'t', on_conflict => 'explode'$$, '22023']), (array[$$'t', on_conflict => ''$$, '22023']),
    (array[$$'t', (select jsonb_object_agg(i, md5(i::text)) from generate_series(1, 40000) i)$$, '22023'])) x (v);

-- the size of a payload is that of its text
select lives_ok($$ select ganger.enqueue('t', to_jsonb(repeat('x', 1048574))) $$, 'exactly 1 MiB');
select throws_ok($$ select ganger.enqueue('t', to_jsonb(repeat('x', 1048575))) $$, '22023',
    'payload is 1048577 bytes long; at most 1048576 are allowed', 'a byte more');
select throws_ok($$ select * from ganger.enqueue_many(jsonb_build_array(jsonb_build_object('job_type', 't', 'payload', repeat('x', 1048575)))) $$,
    '22023', 'jobs[0]: payload is 1048577 bytes long; at most 1048576 are allowed', 'the same in bulk');
create temp table packed as select to_jsonb(repeat('x', 2000000)) as payload;
select ok((select pg_column_size(payload) < 50000 from packed), 'a payload that is small where it is kept');
select throws_ok($$ select ganger.enqueue('t', payload) from packed $$, '22023', null, 'is as big as its text');
create temp table packed_well (payload jsonb compression pglz);
insert into packed_well select to_jsonb(repeat(chr(1), 200000));
select ok((select pg_column_size(payload) < 4000 and octet_length(payload::text) > 1048576 from packed_well), 'also one that shrinks to nothing');
select throws_ok($$ select ganger.enqueue('t', payload) from packed_well $$, '22023', null, 'is refused');

-- what makes a job wait
select throws_ok(format($$select ganger.enqueue('t', %s)$$, v), '22023', null, v) from unnest(array[
    $$expires_at => 'infinity'$$, $$unique_key => ''$$, $$unique_for => '1 h'$$, $$on_conflict => 'replace'$$,
    $$unique_key => 'u', on_conflict => 'other'$$, $$group_key => ''$$, $$depends_on => '{null}'$$, $$depends_on_tags => '{""}'$$,
    $$dead_letter_job_type => ''$$]) v;
select lives_ok($$ select ganger.enqueue('t', on_conflict => 'ignore', depends_on => '{}', depends_on_tags => '{}') $$,
    'their defaults are accepted');

-- messages say what and how much
select throws_ok($$ select ganger.enqueue('t', priority => 40000) $$, '22003',
    'priority must be between -32768 and 32767, not 40000', 'a message with the bounds and the value');
select throws_ok($$ select ganger.enqueue('') $$, '22023', 'job_type is empty', 'a message with the name');

create function pg_temp.hint(call text) returns text language plpgsql as $$
declare
    hint text;
begin
    execute call;
    return null;
exception when others then
    get stacked diagnostics hint = pg_exception_hint;
    return hint;
end $$;
select isnt(pg_temp.hint(format('select ganger.enqueue(%s)', v)), '', 'a hint: ' || v) from unnest(array[$$null$$, $$'t', on_conflict => 'x'$$,
    $$'t', expires_at => now()$$, $$'t', priority => 99999$$, $$'t', run_at => 'infinity'$$, $$'t', to_jsonb(repeat('x', 2000000))$$]) v;
select ok(pg_temp.hint($$ select ganger.enqueue_many('[{"job_type": "t", "prio": 1}]') $$) like 'Keys are job_type, payload, %', 'the keys there are');
select ok(pg_temp.hint($$ select ganger.enqueue_many('{}') $$) like 'For example: %', 'an example');

-- payload_max
select lives_ok($$ select ganger._set_setting('payload_max', '2097152') $$, 'the bound of payloads is a setting');
select lives_ok($$ select ganger.enqueue('t', (select jsonb_object_agg(i, md5(i::text)) from generate_series(1, 30000) i)) $$,
    'which can be raised');
select throws_ok($$ select ganger.enqueue('t', to_jsonb(repeat('x', 3000000))) $$, '22023', null, 'and still bounds');
select lives_ok($$ select ganger._set_setting('payload_max', '99999999') $$, 'whatever it is set to');
select throws_ok($$ select ganger.enqueue('t', to_jsonb(repeat('x', 16777215))) $$, '22023',
    'payload is 16777217 bytes long; at most 16777216 are allowed', '16 MiB is the end');

-- idempotency
select is(ganger.enqueue('mail', idempotency_key => 'k1'), (select id from full_job), 'an equal key: the first id');
select is(ganger.enqueue('other', queue => 'q', idempotency_key => 'k1'), (select id from full_job), 'whatever else is said');
\ir ../support/is_waiter.sql
select ok(pg_temp.is_waiter($$ select ganger.enqueue('mail', idempotency_key => 'k1') $$), 'a commit that waits as for a job of its own');
select ok(pg_temp.is_waiter($$ select ganger.enqueue('mail', idempotency_key => 'k1') $$),
          'also where the sequence has nothing to log, as it does for one number in 32');
select isnt(ganger.enqueue('mail', idempotency_key => 'k2'), (select id from full_job), 'another key: another job');
select is((select count(*) from ganger.jobs where idempotency_key = 'k1'), 1::bigint, 'one job with the key');
select ok(ganger.cancel((select id from full_job)), 'its job ends');
select is(ganger.enqueue('mail', idempotency_key => 'k1'), (select id from full_job), 'the key outlives it');
select is(ganger.cleanup('0 s'), 1::bigint, 'until it is cleaned up');
select isnt(ganger.enqueue('mail', idempotency_key => 'k1'), (select id from full_job), 'then the key is free');

-- transactions
begin;
select ganger.enqueue('rolled back') \gset
rollback;
select is((select count(*) from ganger.jobs where job_type = 'rolled back'), 0::bigint, 'rolled back, it never was');
begin;
savepoint a;
select ganger.enqueue('lost', idempotency_key => 'sp') \gset
rollback to a;
select ganger.enqueue('kept', idempotency_key => 'sp') \gset
commit;
select results_eq($$ select job_type from ganger.jobs where idempotency_key = 'sp' $$, $$ values ('kept') $$,
    'a key of a rolled back savepoint is free');

-- what makes an enqueue cheap: each index costs every call, and with more of them its locks would not fit into those a session has to itself
select ok((select count(*) from pg_index where indrelid = 'ganger.job'::regclass) <= 9, 'the jobs have nine indexes at most');

select * from finish();
