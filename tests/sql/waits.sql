-- SPDX-License-Identifier: MIT
-- Steps, waits and tokens.
select plan(170);

-- A running job, by name.
create temp table t (name text primary key, id bigint, lease_id uuid);
create function pg_temp.run(name text, max_attempts integer default 3) returns bigint language plpgsql as $$
begin
    perform ganger.enqueue(run.name, max_attempts => run.max_attempts, retry_delay => '0 s', retry_backoff => false);
    return pg_temp.again(run.name);
end $$;
-- The next attempt of it; null: it cannot be claimed.
create function pg_temp.again(name text) returns bigint language sql as $$
    insert into t select again.name, c.id, c.lease_id from ganger.claim('w', job_types => array[again.name], lease => '1 h') c
    on conflict (name) do update set id = excluded.id, lease_id = excluded.lease_id returning id $$;
create function pg_temp.id(name text) returns bigint language sql as 'select t.id from t where t.name = id.name';
create function pg_temp.lease(name text) returns uuid language sql as 'select t.lease_id from t where t.name = lease.name';
create function pg_temp.get(name text, step text) returns jsonb language sql as 'select ganger.step_get(t.id, t.lease_id, step) from t where t.name = get.name';
create function pg_temp.put(name text, step text, result jsonb) returns boolean language sql as 'select ganger.step_put(t.id, t.lease_id, step, result) from t where t.name = put.name';
create function pg_temp.await(name text, token text) returns jsonb language sql as 'select ganger.wait_for_token(t.id, t.lease_id, token) from t where t.name = await.name';
create function pg_temp.state(name text) returns text language sql as $$
    select concat_ws(' ', j.status, j.pending_reason, j.attempts) from ganger.jobs j join t using (id) where t.name = state.name $$;
create function pg_temp.events(name text) returns text language sql as $$
    select string_agg(e.event, ' ' order by e.n) from t, ganger.job_events(t.id) with ordinality e (id, event, at, data, job_id, n) where t.name = events.name $$;
create function pg_temp.data(name text, event text) returns jsonb language sql as $$
    select e.data from t, ganger.job_events(t.id) e where t.name = data.name and e.event = data.event order by e.id desc limit 1 $$;

-- steps
select pg_temp.run('s') \g /dev/null
select is(pg_temp.get('s', 'a'), null, 'an unknown step');
select ok(pg_temp.put('s', 'a', '{"n": 1}'), 'a step is kept');
select is(pg_temp.get('s', 'a'), '{"n": 1}', 'as it was given');
select is(case when ganger.step_put(id, lease_id, 'a', '0') then ganger.step_get(id, lease_id, 'a') end, '0', 'also in one statement') from t where name = 's';
select ok(pg_temp.put('s', 'a', '{"n": 2}'), 'once more');
select is(pg_temp.get('s', 'a'), '{"n": 2}', 'the last one counts');
select ok(pg_temp.put('s', 'null', 'null') and pg_temp.put('s', 'none', null), 'nothing is a result, too');
select results_eq($$ select pg_temp.get('s', 'null'), pg_temp.get('s', 'none') $$, $$ values ('null'::jsonb, 'null'::jsonb) $$, 'JSON null');
select is(ganger._steps(id, lease_id), '{"a": {"n": 2}, "null": null, "none": null}', 'all of them') from t where name = 's';
select is(ganger.step_put(id, gen_random_uuid(), 'a', '3'), false, 'a stale lease keeps nothing') from t where name = 's';
select is(ganger.step_get(id, gen_random_uuid(), 'a'), null, 'and sees nothing') from t where name = 's';
select is(ganger._steps(id, gen_random_uuid()), null, 'of any') from t where name = 's';
select is(pg_temp.get('s', 'a'), '{"n": 2}', 'it is as it was');
select throws_ok($$ select pg_temp.put('s', null, '1') $$, '22023', 'step is missing', 'a step without a name');
select throws_ok($$ select pg_temp.get('s', null) $$, '22023', 'step is missing', 'also when asked for');
select throws_ok($$ select pg_temp.put('s', '', '1') $$, '22023', 'step is empty', 'an empty one');
select throws_ok($$ select pg_temp.put('s', repeat('x', 256), '1') $$, '22023', 'step is 256 bytes long; at most 255 are allowed', 'a long one');
select throws_ok($$ select pg_temp.put('s', 'large', to_jsonb(repeat('x', 1048575))) $$, '22023', 'result has 1048577 bytes, more than 1048576', 'a large result');
select ok(pg_temp.put('s', 'large', to_jsonb(repeat('x', 1048574))), 'the largest');
select is(pg_temp.events('s'), 'added processing', 'steps are no events');

-- over failures
select ok(ganger.fail(id, lease_id, 'x'), 'the attempt fails') from t where name = 's';
select is(ganger.step_put(id, lease_id, 'a', '3'), false, 'nothing after that') from t where name = 's';
select is(pg_temp.again('s'), pg_temp.id('s'), 'the next attempt');
select is(pg_temp.get('s', 'a'), '{"n": 2}', 'sees them');
select ok(ganger.discard(id, lease_id, 'x'), 'the job fails') from t where name = 's';
select is(count(*), 4::bigint, 'they are kept') from ganger.step;
select ok(ganger.retry(id), 'for another try') from t where name = 's';
select pg_temp.again('s') \g /dev/null
select is(pg_temp.get('s', 'a'), '{"n": 2}', 'which sees them');
select ok(ganger.complete(id, lease_id), 'it completes') from t where name = 's';
select is(count(*), 0::bigint, 'they are gone') from ganger.step;
select pg_temp.run('s') \g /dev/null
select pg_temp.put('s', 'a', '1') \g /dev/null
select ganger.cancel(id) from t where name = 's' \g /dev/null
select ok(not pg_temp.put('s', 'b', '1'), 'a cancelled job keeps no more of them');
select ganger.complete(id, lease_id) from t where name = 's' \g /dev/null
select is(pg_temp.state('s'), 'cancelled 1', 'it ends cancelled');
select is(count(*), 1::bigint, 'with those it had') from ganger.step;
select ganger.cleanup('0 s') \g /dev/null
select is(count(*), 0::bigint, 'until it is forgotten') from ganger.step;

-- a wait for a time
select pg_temp.run('w', 1) \g /dev/null
select ganger.set_progress(id, lease_id, 40, 'half', 'one'), ganger.set_output(id, lease_id, '"so far"'), ganger.log(id, lease_id, 'line') from t where name = 'w' \g /dev/null
select ok(pg_temp.put('w', 'a', '1'), 'a step');
select ok(ganger.wait_for(id, lease_id, '1 h'), 'a wait') from t where name = 'w';
select is(pg_temp.state('w'), 'waiting 0', 'costs no attempt');
select results_eq($$ select wait_until = next_attempt_at and wait_until between clock_timestamp() + interval '59 min' and clock_timestamp() + interval '1 h',
        wait_token, worker, progress, progress_message, stage, output from ganger.jobs where id = pg_temp.id('w') $$,
    $$ values (true, null::text, null::text, 40, 'half', 'one', '"so far"'::jsonb) $$, 'and loses nothing');
select results_eq($$ select outcome, error, worker, finished_at is not null, log from ganger.attempts where job_id = pg_temp.id('w') $$,
    $$ values ('waiting', null::text, 'w', true, E'line\n') $$, 'its attempt has ended so');
select is(pg_temp.data('w', 'waiting') - 'until', '{"attempt": 1}', 'an event tells');
select is((pg_temp.data('w', 'waiting') ->> 'until')::timestamptz, wait_until, 'until when') from ganger.jobs where id = pg_temp.id('w');
select ok(ganger.wait_for(id, lease_id, '1 h'), 'repeated, as its answer was lost') from t where name = 'w';
select ok(not ganger.fail(id, lease_id, 'x') and not ganger.complete(id, lease_id) and not ganger.snooze(id, lease_id, '1 s')
    and not ganger.heartbeat(id, lease_id) and not ganger.step_put(id, lease_id, 'b', '1'), 'the lease is gone') from t where name = 'w';
select is((ganger.stats('w') ->> 'waiting')::int, 1, 'it is counted');
select ok(not ganger.edit(id, '{"priority": 1}'), 'it cannot be edited') from t where name = 'w';
select is(pg_temp.again('w'), null, 'nor claimed');
select is((ganger.maintain() ->> 'promoted')::int, 0, 'before its time');
select ok((ganger.maintain() ->> 'next_due')::timestamptz = wait_until, 'which the duties know of') from ganger.jobs where id = pg_temp.id('w');
update ganger.job set due_at = clock_timestamp() where id = pg_temp.id('w');
select is((ganger.maintain() ->> 'promoted')::int, 1, 'at its time');
select is(pg_temp.state('w'), 'pending 0', 'it goes on');
select results_eq($$ select wait_until, next_attempt_at from ganger.jobs where id = pg_temp.id('w') $$, 'values (null::timestamptz, null::timestamptz)', 'and waits no more');
select is(pg_temp.events('w'), 'added processing progress waiting resumed', 'as an event tells');
select is(pg_temp.again('w'), pg_temp.id('w'), 'its next attempt');
select is(pg_temp.get('w', 'a'), '1', 'remembers');
select is((select output from ganger.jobs where id = pg_temp.id('w')), '"so far"', 'what the first has left');

-- any number of them
create function pg_temp.wait_often(n integer) returns text language plpgsql as $$
begin
    for i in 1..n loop
        if not ganger.wait_until(pg_temp.id('w'), pg_temp.lease('w'), clock_timestamp() - interval '1 s') or pg_temp.state('w') <> 'pending 0' then
            return 'wait ' || i || ': ' || pg_temp.state('w');
        end if;
        perform pg_temp.again('w');
    end loop;
    return pg_temp.state('w');
end $$;
select is(pg_temp.wait_often(20), 'processing 1', 'waits that are over at once');
select ok(ganger.wait_for(id, lease_id, '0 s'), 'as is one of no time') from t where name = 'w';
select pg_temp.again('w') \g /dev/null
select ok(ganger.complete(id, lease_id), 'one attempt is enough') from t where name = 'w';
select is(pg_temp.state('w'), 'completed 1', 'for any number of waits');
select is((select count(*) from ganger.attempts where job_id = pg_temp.id('w') and outcome = 'waiting'), 22::bigint, 'all are known');

-- bad ones
select pg_temp.run('w') \g /dev/null
select throws_ok($$ select ganger.wait_for(id, lease_id, null) from t where name = 'w' $$, '22023', 'duration is missing', 'no duration');
select throws_ok($$ select ganger.wait_for(id, lease_id, '-1 s') from t where name = 'w' $$, '22023', null, 'below zero');
select throws_ok($$ select ganger.wait_for(id, lease_id, '101 years') from t where name = 'w' $$, '22003', null, 'too long');
select throws_ok($$ select ganger.wait_until(id, lease_id, null) from t where name = 'w' $$, '22023', 'at must be a point in time, not null', 'no instant');
select throws_ok($$ select ganger.wait_until(id, lease_id, 'infinity') from t where name = 'w' $$, '22023', 'at must be a point in time, not infinity', 'no end');
select throws_ok($$ select ganger._settle_result(id, lease_id, 'waiting', null, null, null, null, null, null, null, null, null) from t where name = 'w' $$, '22023', null, 'nothing to wait for');
select throws_ok($$ select ganger._settle_result(id, lease_id, 'waiting', '{"token": "x"}', null, null, null, null, null, null, null, null) from t where name = 'w' $$, '42704', 'there is no token x', 'an unknown token');
select is(pg_temp.state('w'), 'processing 1', 'change nothing');
select ok(not ganger.wait_for(id, gen_random_uuid(), '1 s') and not ganger.wait_until(id, gen_random_uuid(), now()), 'a stale lease') from t where name = 'w';

-- cancel and wait
select ganger.cancel(id) from t where name = 'w' \g /dev/null
select ok(not ganger.wait_for(id, lease_id, '1 h'), 'a cancel wins over a wait') from t where name = 'w';
select is(pg_temp.state('w'), 'cancelled 1', 'and ends the job');
select pg_temp.run('w') \g /dev/null
select ok(ganger.wait_for(id, lease_id, '1 h') and ganger.cancel(id), 'a waiting job is cancelled') from t where name = 'w';
select is(pg_temp.state('w'), 'cancelled 0', 'at once');
select ok(ganger.retry(id), 'retried') from t where name = 'w';
select is(pg_temp.state('w'), 'pending 0', 'it begins at once');

-- as gangerd's workers do it
create function pg_temp.settle(name text, body text, delay_ms bigint, ago_us bigint default null) returns text language sql as $$
    select ganger._settle_result(id, lease_id, 'waiting', body, delay_ms, null, null, 7000, 4096, 'log', 2000000, ago_us) from t where t.name = settle.name $$;
select pg_temp.again('w') \g /dev/null
select is(pg_temp.settle('w', null, 3600000, 60000000), 'waiting', 'a duration');
select ok(wait_until between clock_timestamp() + interval '58 min' and clock_timestamp() + interval '59 min', 'counts from the end of the attempt') from ganger.jobs where id = pg_temp.id('w');
select results_eq($$ select cpu_time, max_rss, log, finished_at - started_at from ganger.attempts where job_id = pg_temp.id('w') and cpu_time is not null $$,
    $$ values ('0.007 s'::interval, 4096::bigint, 'log', '2 s'::interval) $$, 'whose facts are kept');
select is(pg_temp.settle('w', null, 3600000), 'already', 'once');
update ganger.job set due_at = clock_timestamp() where id = pg_temp.id('w');
select ganger.maintain() \g /dev/null
select pg_temp.again('w') \g /dev/null
set timezone = 'America/New_York';
select is(pg_temp.settle('w', '{"until": "2190-01-01T00:00:00"}', null), 'waiting', 'an instant');
reset timezone;
select is(wait_until, '2190-01-01T00:00:00Z'::timestamptz, 'in UTC unless it says otherwise') from ganger.jobs where id = pg_temp.id('w');
select ganger.cancel(id) from t where name = 'w' \g /dev/null

-- a waiting job leaves its place in a group
select ganger.set_group_limit('g', 1) \g /dev/null
select ganger.enqueue('in a group', group_key => 'g') as first, ganger.enqueue('in a group', group_key => 'g') as second \gset
select ganger.maintain() \g /dev/null
select results_eq(format($$ select pg_temp.again('in a group') = %s, pg_temp.again('in a group') $$, :first), 'values (true, null::bigint)', 'one of a group at a time');
select ganger.wait_for(id, lease_id, '1 h') from t where name = 'in a group' \g /dev/null
select ganger.maintain() \g /dev/null
select is(pg_temp.again('in a group'), :second::bigint, 'while it waits the other one runs');
update ganger.job set due_at = clock_timestamp() where id = :first;
select ganger.maintain() \g /dev/null
select results_eq(format('select status, pending_reason from ganger.jobs where id = %s', :first), $$ values ('pending', 'limited') $$, 'then it waits for a place');
select ganger.wait_until(id, lease_id, now()) from t where name = 'in a group' \g /dev/null
select results_eq(format('select status, pending_reason from ganger.jobs where id = %s', :second), $$ values ('pending', 'limited') $$, 'as one does whose wait is over at once');
select ganger.maintain() \g /dev/null
select is(pg_temp.again('in a group'), :first::bigint, 'the first one goes first');
select ganger.complete(id, lease_id) from t where name = 'in a group' \g /dev/null
select ganger.maintain() \g /dev/null
select is(pg_temp.again('in a group'), :second::bigint, 'both go on');

-- as they are settled when that worker has died
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'p', 1, 1, false) as worker \gset
select ganger.enqueue('d') as job, ganger.create_token() as token \gset
select lease_id as lease from ganger._take_jobs(:worker, 1, null, null, '{default}', '{d}', 1, null, null) \gset
select ganger._mark_worker_dead(:worker) \g /dev/null
select results_eq(format($f$ select finished, charged, released from ganger._settle_worker(%s, '{%s}', '{%s}', '{waiting}', array[%L], '{null}', '{1000}', '{500}',
    '{null}', '{null}', '{null}', null, null, null, null, null, null, null, null, null, null, false, 'x') $f$, :worker, :job, :'lease',
    jsonb_build_object('token', :'token')), 'values (1, 0, 0)', 'a wait that its worker''s slot has kept');
select results_eq(format('select status, attempts, wait_token from ganger.jobs where id = %s', :job), format($$ values ('waiting', 0, %L) $$, :'token'), 'is a wait');
select ganger._stop_node(:node) \g /dev/null

-- tokens
select ganger.create_token() as token \gset
select matches(:'token'::text, '^tok_[0-9a-f-]{36}$', 'a token');
select results_eq(format('select token, status, data, job_id, tags, timeout_at, created_at <= clock_timestamp(), completed_at from ganger.get_token(%L)', :'token'),
    format($$ values (%L, 'waiting', null::jsonb, null::bigint, null::text[], null::timestamptz, true, null::timestamptz) $$, :'token'), 'as it is shown');
select ok(ganger.complete_token(:'token', '{"by": "me"}'), 'is completed');
select ok(not ganger.complete_token(:'token', '2'), 'once');
select results_eq(format('select status, data, completed_at is not null from ganger.tokens where token = %L', :'token'), $$ values ('completed', '{"by": "me"}'::jsonb, true) $$, 'the first one wins');
select is_empty($$ select * from ganger.get_token('tok_') $$, 'an unknown token');
select ok(not ganger.complete_token('tok_') and not ganger.complete_token(null), 'is not completed');
select pg_temp.run('t', 1) as job \gset
select ganger.create_token(timeout => '1 h', tags => '{a,b}', job_id => :job) as mine \gset
select results_eq(format('select job_id, tags, timeout_at - created_at <= interval %L from ganger.get_token(%L)', '1 h', :'mine'), format($$ values (%s::bigint, '{a,b}'::text[], true) $$, :job), 'one with everything');
select throws_ok($$ select ganger.create_token('-1 s') $$, '22023', null, 'a timeout below zero');
select throws_ok($$ select ganger.create_token('101 years') $$, '22003', null, 'too long');
select throws_ok($$ select ganger.create_token(tags => '{""}') $$, '22023', 'tags has an empty tag in it', 'a bad tag');
select throws_ok($$ select ganger.create_token(job_id => -1) $$, '42704', 'there is no job -1', 'an unknown job');
select throws_ok(format('select ganger.complete_token(%L, to_jsonb(repeat(%L, 1048576)))', :'mine', 'x'), '22023', 'data has 1048578 bytes, more than 1048576', 'large data');

-- of a producer's jobs
drop role if exists waits_bob;
create role waits_bob in role ganger_producer;
select ganger.enqueue('p', owner => 'waits_bob') as bobs, ganger.enqueue('p', owner => 'waits_ann') as anns \gset
set role waits_bob;
select ganger.create_token(job_id => :bobs) as its_own, ganger.create_token() as nobodys \gset
\set ON_ERROR_STOP off
select ganger.create_token(job_id => :anns);
\set state :LAST_ERROR_SQLSTATE
\set ON_ERROR_STOP on
reset role;
select is((select array_agg(status) from ganger.tokens where token in (:'its_own', :'nobodys')), '{waiting,waiting}', 'a producer makes tokens for its own job, and for none');
select is(:'state'::text, '42704', 'not for another''s');
select is((select count(*) from ganger.tokens where job_id in (:bobs, :anns)), 1::bigint, 'nothing of that is left');
drop role waits_bob;

-- wait for one
select is(pg_temp.await('t', :'token'), '{"status": "completed", "data": {"by": "me"}}', 'a token that is completed: go on');
select is(pg_temp.state('t'), 'processing 1', 'indeed');
select is(ganger.wait_for_token(:job, gen_random_uuid(), :'token'), '{"status": "lost", "data": null}', 'not with a stale lease');
select throws_ok(format('select pg_temp.await(%L, %L)', 't', 'tok_'), '42704', 'there is no token tok_', 'an unknown token');
select throws_ok(format('select pg_temp.await(%L, null)', 't'), '42704', 'there is no token null', 'no token');
select is(pg_temp.await('t', :'mine'), '{"status": "waiting", "data": null}', 'one that is not: stop');
select is(pg_temp.state('t'), 'waiting 0', 'the job waits');
select results_eq($$ select wait_token, wait_until, next_attempt_at from ganger.jobs where id = pg_temp.id('t') $$,
    format($$ select token, timeout_at, null::timestamptz from ganger.get_token(%L) $$, :'mine'), 'for that token');
select is(pg_temp.data('t', 'waiting'), jsonb_build_object('attempt', 1, 'token', :'mine'), 'as an event tells');
select is(pg_temp.await('t', :'mine'), '{"status": "waiting", "data": null}', 'repeated, as its answer was lost');
select is(ganger.wait_for_token(:job, gen_random_uuid(), :'mine'), '{"status": "lost", "data": null}', 'not with a stale lease');
select ganger.maintain() \g /dev/null
select is_empty('select * from ganger.signal', 'the duties have looked at it');
select ganger.create_token() as other \gset
select ganger.complete_token(:'other') \g /dev/null
select ganger.maintain() \g /dev/null
select is(pg_temp.state('t'), 'waiting 0', 'another token does not wake it');
select ok(ganger.complete_token(:'mine', '[1]'), 'its own');
select is(pg_temp.state('t'), 'pending 0', 'does, at once');
select is(pg_temp.data('t', 'resumed'), jsonb_build_object('token', :'mine', 'status', 'completed'), 'as an event tells');
select is((select wait_token from ganger.jobs where id = :job), null, 'it waits no more');
select is(pg_temp.await('t', :'mine'), '{"status": "waiting", "data": null}', 'the old attempt is told that it ended in a wait');
select is(pg_temp.again('t'), :job::bigint, 'it goes on');
select is(pg_temp.await('t', :'mine'), '{"status": "completed", "data": [1]}', 'with the answer');
select ganger.complete(id, lease_id) from t where name = 't' \g /dev/null
select is(pg_temp.state('t'), 'completed 1', 'with one attempt');
select is(pg_temp.events('t'), 'added processing waiting resumed processing completed', 'its life');

-- several for one token, which is nobody's
select ganger.create_token() as token \gset
select pg_temp.run(n) from unnest(array['a', 'b', 'c']) n \g /dev/null
select pg_temp.await(n, :'token') from unnest(array['a', 'b', 'c']) n \g /dev/null
select ok(ganger.complete_token(:'token'), 'a token several wait for');
select is(string_agg(pg_temp.state(n), ' ' order by n), 'pending 0 pending 0 pending 0', 'wakes them all') from unnest(array['a', 'b', 'c']) n;
select pg_temp.again(n) from unnest(array['a', 'b', 'c']) n \g /dev/null
select is(pg_temp.await('b', :'token'), '{"status": "completed", "data": null}', 'also without data');

-- a cancel, a cancelled waiter
select ganger.create_token() as token \gset
select ganger.cancel(id) from t where name = 'a' \g /dev/null
select is(pg_temp.await('a', :'token') ->> 'status', 'lost', 'a cancel wins over a wait');
select is(pg_temp.state('a'), 'cancelled 1', 'and ends the job');
select pg_temp.await('b', :'token') \g /dev/null
select ok(ganger.cancel(id), 'a waiting job is cancelled') from t where name = 'b';
select is((select status from ganger.get_token(:'token')), 'waiting', 'its token does not care');
select ok(ganger.retry(id), 'retried') from t where name = 'b';
select ok(ganger.complete_token(:'token'), 'completed');
select is(pg_temp.state('b'), 'pending 0', 'nothing waits for it');
select ganger.cancel(id) from t where name = 'c' \g /dev/null
select is(ganger.wait_for_token(id, lease_id, :'token') ->> 'status', 'lost', 'a cancel wins over an answer') from t where name = 'c';

-- as gangerd's workers do it: the token may have been completed meanwhile
select pg_temp.run('g') \g /dev/null
select is(pg_temp.settle('g', jsonb_build_object('token', :'token')::text, null), 'pending', 'a wait for a completed token goes on at once');
select matches(pg_temp.events('g'), 'waiting resumed$', 'as events tell');
select ganger.create_token() as token \gset
select pg_temp.again('g') \g /dev/null
select is(pg_temp.settle('g', jsonb_build_object('token', :'token')::text, null), 'waiting', 'else it waits');
select ganger.cancel(id) from t where name = 'g' \g /dev/null

-- timeouts
select ganger.create_token('0 s') as over \gset
select pg_temp.run('o') \g /dev/null
select is(pg_temp.await('o', :'over'), '{"status": "timed_out", "data": null}', 'no time at all');
select ganger.create_token('1 h') as token \gset
select pg_temp.await('o', :'token') \g /dev/null
select is((ganger.maintain() ->> 'expired_tokens')::int, 0, 'not before its time');
select is((ganger.maintain() ->> 'next_due')::timestamptz, timeout_at, 'which the duties know of') from ganger.get_token(:'token');
select is((select due_in_ms between 3500000 and 3600000 from ganger._poll(1, '{}', '{}')), true, 'and every node');
update ganger.token set timeout_at = clock_timestamp() where token = :'token';
select ok(not ganger.complete_token(:'token', '1'), 'after its time nobody completes it');
select is(pg_temp.state('o'), 'waiting 0', 'who waits for it waits');
select is((ganger.maintain() ->> 'expired_tokens')::int, 1, 'until the duties have seen it');
select results_eq(format('select status, data, completed_at from ganger.get_token(%L)', :'token'), $$ values ('timed_out', null::jsonb, null::timestamptz) $$, 'it has timed out');
select is(pg_temp.state('o'), 'pending 0', 'its waiter goes on');
select is(pg_temp.data('o', 'resumed'), jsonb_build_object('token', :'token', 'status', 'timed_out'), 'as an event tells');
select pg_temp.again('o') \g /dev/null
select is(pg_temp.await('o', :'token'), '{"status": "timed_out", "data": null}', 'with the answer');
select ganger.create_token('1 h') as token \gset
select pg_temp.await('o', :'token') \g /dev/null
update ganger.token set timeout_at = clock_timestamp() where token = :'token';
select ganger._promote() \g /dev/null
select is(pg_temp.state('o'), 'pending 0', 'what promotes due jobs sees to due tokens, too');

-- retention: with their job, or on their own
select pg_temp.run('r') as job \gset
select ganger.create_token(job_id => :job) as open, ganger.create_token(job_id => :job) as awaited, ganger.create_token(job_id => :job) as done,
    ganger.create_token() as free, ganger.create_token() as forever \gset
select pg_temp.run('x') \g /dev/null
select pg_temp.await('x', :'awaited') \g /dev/null
select ganger.complete_token(:'done'), ganger.complete_token(:'free') \g /dev/null
update ganger.token set completed_at = completed_at - interval '31 days';
delete from ganger.token where token not in (:'open', :'awaited', :'done', :'free', :'forever');
select is((ganger.maintain() ->> 'tokens_forgotten')::int, 1, 'one that ended long ago is forgotten');
select is_empty(format('select from ganger.get_token(%L)', :'free'), 'that of no job');
select ganger.complete(id, lease_id) from t where name = 'r' \g /dev/null
select ganger.cleanup('0 s') \g /dev/null
select set_eq('select token from ganger.tokens', array[:'awaited', :'forever'], 'others go with their job, unless somebody waits for them');
select ok(ganger.complete_token(:'awaited'), 'that one');
select is(pg_temp.state('x'), 'pending 0', 'still wakes who does');
update ganger.token set completed_at = completed_at - interval '31 days';
select is((ganger.maintain() ->> 'tokens_forgotten')::int, 1, 'and is forgotten after that');

-- signals: of tokens that are gone, of jobs that have gone on
select ganger.create_token() as token, pg_temp.again('x') as job \gset
select pg_temp.await('x', :'token') \g /dev/null
delete from ganger.token where token = :'token';
select ganger.maintain() \g /dev/null
select is(pg_temp.state('x'), 'pending 0', 'who waits for a token that is gone is woken');
select pg_temp.again('x') \g /dev/null
select ganger.create_token() as token \gset
select pg_temp.await('x', :'token') \g /dev/null
insert into ganger.signal (kind, key, job_id) values ('token', 'tok_', pg_temp.id('x')), ('token', 'tok_', null), ('token', :'token', -1);
select ganger.maintain() \g /dev/null
select is(pg_temp.state('x'), 'waiting 0', 'signals about others wake nobody');
select is_empty('select * from ganger.signal', 'none is left');

-- the transaction that leaves a signal does not work it: it has not committed
begin;
select pg_temp.run('y') \g /dev/null
select ganger.create_token() as token \gset
select pg_temp.await('y', :'token') \g /dev/null
select is(ganger._work_signals(), 0, 'not its own');
savepoint s;
select is(ganger._work_signals(), 0, 'nor in a part of it');
rollback to s;
commit;
select is(ganger._work_signals(), 1, 'the next one does');

-- above READ COMMITTED
begin isolation level repeatable read;
select is(ganger.complete_token(:'token'), true, 'a completion in a transaction with a snapshot of its own');
select is(ganger._work_signals(), 0, 'works no signals');
commit;
select is(pg_temp.state('y'), 'waiting 0', 'its waiter is woken after it');
select ganger.maintain() \g /dev/null
select is(pg_temp.state('y'), 'pending 0', 'by whoever comes next');

-- what has not timed out is not read
select count(ganger.create_token(timeout => '1 h')) from generate_series(1, 500) \g /dev/null
begin;
select ganger._expire_tokens(), ganger._forget_tokens() \g /dev/null
select cmp_ok(pg_stat_get_xact_tuples_returned('ganger.token_due'::regclass), '<', 100::bigint, 'a tick reads no token that has time');
commit;

select * from finish();
