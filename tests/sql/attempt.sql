-- SPDX-License-Identifier: MIT
-- How attempts end, by outside workers: complete, fail, discard, snooze, heartbeat, progress, output, log; stale leases,
-- repeated calls, the delay of a retry.
select plan(139);

create temp table l (name text primary key, id bigint, lease_id uuid);
-- Enqueues and claims a job under a name.
create function pg_temp.run(name text, max_attempts integer default 3, retry_delay interval default '60 s',
                            backoff boolean default true, cap interval default null) returns void language sql as $$
    select ganger.enqueue(name, max_attempts => max_attempts, retry_delay => retry_delay, retry_backoff => backoff,
                          retry_delay_max => cap);
    insert into l select name, c.id, c.lease_id from ganger.claim('w', job_types => array[name]) c
    on conflict (name) do update set id = excluded.id, lease_id = excluded.lease_id;
$$;
-- Claims it again.
create function pg_temp.again(name text) returns void language sql as $$
    update ganger.job j set due_at = clock_timestamp() where j.job_type = name and due_at is not null;
    select ganger._promote();
    insert into l select name, c.id, c.lease_id from ganger.claim('w', job_types => array[name]) c
    on conflict (name) do update set lease_id = excluded.lease_id;
$$;
create function pg_temp.call(function text, name text, more text default '') returns boolean language plpgsql as $$
declare
    answer boolean;
begin
    execute (select format('select ganger.%s(%L::bigint, %L::uuid %s)', function, l.id, l.lease_id, more) from l where l.name = call.name)
    into answer;
    return answer;
end $$;
create function pg_temp.job(job_name text) returns setof ganger.jobs language sql as
    $$ select j.* from ganger.jobs j join l using (id) where l.name = job_name $$;

-- complete
select pg_temp.run('c');
select ok(pg_temp.call('complete', 'c', $$, '{"r": 1}'$$), 'complete');
select results_eq($$ select status, output, attempts, error, failure_reason, will_retry, worker, progress from pg_temp.job('c') $$,
    $$ values ('completed', '{"r": 1}'::jsonb, 1, null::text, null::text, null::boolean, 'w', 100) $$, 'the row says so');
select ok((select started_at <= finished_at and created_at <= started_at and last_failed_at is null and last_cancelled_at is null
           and error_history = '[]' from pg_temp.job('c')), 'with its times');
select results_eq($$ select attempt, outcome, error, worker, started_at <= finished_at from ganger.attempts join l on id = job_id
                     where name = 'c' $$, $$ values (1, 'completed', null::text, 'w', true) $$, 'and its attempt');
select ok(pg_temp.call('complete', 'c', $$, '{"r": 2}'$$), 'repeated: the same answer');
select is((select output from pg_temp.job('c')), '{"r": 1}'::jsonb, 'but nothing changes');
select is((select count(*) from ganger.history h join l using (id) where l.name = 'c'), 1::bigint, 'and it ended once');
select ok(not pg_temp.call('fail', 'c', $$, 'late'$$), 'it cannot fail any more');
select ok(not pg_temp.call('heartbeat', 'c'), 'nor be prolonged');
select ok(not ganger.complete(id, gen_random_uuid()), 'a wrong lease') from l where name = 'c';
select ok(not ganger.complete(123456789, gen_random_uuid()), 'no such job');
select ok(not ganger.complete(null, null), 'nulls');
select ganger.enqueue('unheld') as unheld \gset
select ok(not ganger.complete(:unheld, null), 'nobody holds a pending job');
select ok(not ganger.fail(:unheld, null, 'x', false), 'and nobody ends it');
select is((select status from ganger.jobs where id = :unheld), 'pending', 'but by a cancel');
update ganger.job set lease_id = gen_random_uuid() where id = :unheld;
select ok(not ganger.complete(id, lease_id), 'a lease is nothing without the state') from ganger.job where id = :unheld;
update ganger.job set lease_id = null where id = :unheld;
select pg_temp.run('c2');
select ok(pg_temp.call('set_output', 'c2', $$, '[1]'$$), 'an output so far');
select is((select output from pg_temp.job('c2')), '[1]'::jsonb, 'can be read');
select ok(pg_temp.call('complete', 'c2'), 'complete without one');
select is((select output from pg_temp.job('c2')), '[1]'::jsonb, 'leaves it in force');
select pg_temp.run('c3');
select ok(pg_temp.call('complete', 'c3', $$, 'null'$$), 'complete with JSON null');
select is((select output from pg_temp.job('c3')), 'null'::jsonb, 'is an output');

-- fail: retried while attempts are left
select pg_temp.run('f', 2);
select ok(pg_temp.call('fail', 'f', $$, 'boom'$$), 'fail');
select results_eq($$ select status, pending_reason, attempts, error, failure_reason, will_retry, worker, crashes from pg_temp.job('f') $$,
    $$ values ('pending', 'retry', 1, 'boom', 'error', true, null::text, 0) $$, 'waits for a retry');
select ok((select last_failed_at is not null and finished_at is null and next_attempt_at > now() from pg_temp.job('f')), 'with its times');
select ok((select j.seq is null and j.lease_id is null from ganger.job j join l using (id) where name = 'f'), 'outside the claim index');
select results_eq($$ select error_history #>> '{0,message}', error_history #>> '{0,reason}', error_history #>> '{0,attempt}',
    jsonb_array_length(error_history) from pg_temp.job('f') $$, $$ values ('boom', 'error', '1', 1) $$, 'and a history of errors');
select ok(not pg_temp.call('complete', 'f'), 'the lease is over');
select ok(pg_temp.call('fail', 'f', $$, 'again'$$), 'repeated: the same answer');
select results_eq($$ select attempts, error from pg_temp.job('f') $$, $$ values (1, 'boom') $$, 'but nothing is charged');
select ok(not pg_temp.call('discard', 'f', $$, 'x'$$) and not pg_temp.call('snooze', 'f', $$, '1 h'$$), 'it has not ended otherwise');
select pg_temp.again('f');
select results_eq($$ select status, attempts, error from pg_temp.job('f') $$, $$ values ('processing', 2, 'boom') $$, 'second attempt');
select ok(pg_temp.call('fail', 'f', $$, 'bang'$$), 'fails too');
select results_eq($$ select status, attempts, error, failure_reason, will_retry, pending_reason from pg_temp.job('f') $$,
    $$ values ('failed', 2, 'bang', 'error', false, null::text) $$, 'no attempt is left: failed');
select ok((select finished_at = last_failed_at from pg_temp.job('f')), 'with its times');
select is((select jsonb_path_query_array(error_history, '$[*].message') from pg_temp.job('f')), '["boom", "bang"]'::jsonb, 'and both errors');
select results_eq($$ select attempt, outcome, error from ganger.attempts join l on id = job_id where name = 'f' order by attempt $$,
    $$ values (1, 'error', 'boom'), (2, 'error', 'bang') $$, 'and both attempts');
select ok(pg_temp.call('fail', 'f', $$, 'bang'$$), 'repeated: the same answer');
select ok(not pg_temp.call('complete', 'f'), 'but it has not completed');
select pg_temp.run('f2');
select ok(pg_temp.call('fail', 'f2', $$, 'never', false$$), 'fail, not retryable');
select results_eq($$ select status, attempts, failure_reason, will_retry from pg_temp.job('f2') $$, $$ values ('failed', 1, 'error', false) $$,
    'failed at once');
select pg_temp.run('f3');
select ok(pg_temp.call('fail', 'f3', $$, null$$), 'fail without a message');
select isnt((select error from pg_temp.job('f3')), null, 'has one all the same');
select ok(not ganger.fail(id, gen_random_uuid(), 'x'), 'a wrong lease') from l where name = 'f3';
-- a job that failed once and then completes
select pg_temp.run('f4');
select ok(pg_temp.call('fail', 'f4', $$, 'once'$$), 'fails once');
select pg_temp.again('f4');
select ok(pg_temp.call('complete', 'f4', $$, '1'$$), 'and then completes');
select results_eq($$ select status, attempts, error, failure_reason, will_retry, jsonb_array_length(error_history), last_failed_at is not null
    from pg_temp.job('f4') $$, $$ values ('completed', 2, 'once', null::text, null::boolean, 1, true) $$, 'its history remains');

-- discard
select pg_temp.run('d');
select ok(pg_temp.call('discard', 'd', $$, 'hopeless'$$), 'discard');
select results_eq($$ select status, attempts, error, failure_reason, will_retry from pg_temp.job('d') $$,
    $$ values ('failed', 1, 'hopeless', 'discarded', false) $$, 'failed for good');
select ok(pg_temp.call('discard', 'd', $$, 'hopeless'$$), 'repeated: the same answer');
select ok(not ganger.discard(id, gen_random_uuid(), 'x'), 'a wrong lease') from l where name = 'd';

-- snooze
select pg_temp.run('s');
select ok(pg_temp.call('snooze', 's', $$, '1 h'$$), 'snooze');
select results_eq($$ select status, pending_reason, attempts, error, next_attempt_at > now() + interval '59 min' from pg_temp.job('s') $$,
    $$ values ('pending', 'scheduled', 0, null::text, true) $$, 'later, uncounted');
select results_eq($$ select outcome from ganger.attempts join l on id = job_id where name = 's' $$, $$ values ('snoozed') $$, 'its attempt says so');
select ok(pg_temp.call('snooze', 's', $$, '1 h'$$), 'repeated: the same answer');
select ok(not pg_temp.call('fail', 's', $$, 'x'$$) and not pg_temp.call('heartbeat', 's'), 'but the lease is over');
select pg_temp.again('s');
select is((select attempts from pg_temp.job('s')), 1, 'the next one is the first attempt again');
select ok(pg_temp.call('snooze', 's', $$, '0 s'$$), 'snooze for no time');
select results_eq($$ select pending_reason, next_attempt_at from pg_temp.job('s') $$, $$ values (null::text, null::timestamptz) $$, 'is runnable at once');
select throws_ok(format('select ganger.snooze(%s, %L, %s)', id, lease_id, v[1]), v[2], null, 'snooze ' || v[1])
from l, (values (array['null', '22023']), (array[$$'-1 s'$$, '22023']), (array[$$'200 years'$$, '22003'])) x (v) where name = 's';

-- heartbeat
select pg_temp.run('h');
select ok(pg_temp.call('heartbeat', 'h', $$, '1 h'$$), 'heartbeat');
select ok((select lease_until > now() + interval '59 min' from ganger.job join l using (id) where name = 'h'), 'prolongs the lease');
select ok(not ganger.heartbeat(id, gen_random_uuid()), 'a wrong lease') from l where name = 'h';
select throws_ok(format('select ganger.heartbeat(%s, %L, %s)', id, lease_id, v), '22003', null, 'heartbeat ' || v)
from l, unnest(array['null', $$'0 s'$$, $$'-1 s'$$, $$'25 h'$$]) v where name = 'h';

-- progress
select ok(pg_temp.call('set_progress', 'h', $$, 30, 'half way', 'two'$$), 'progress');
select results_eq($$ select progress, progress_message, stage from pg_temp.job('h') $$, $$ values (30, 'half way', 'two') $$, 'can be read');
select ok(pg_temp.call('set_progress', 'h', $$, 40$$), 'a null');
select results_eq($$ select progress, progress_message, stage from pg_temp.job('h') $$, $$ values (40, 'half way', 'two') $$, 'leaves what is there');
select ok(pg_temp.call('set_progress', 'h', $$, null, 'm'$$), 'also of percent');
select results_eq($$ select progress, progress_message from pg_temp.job('h') $$, $$ values (40, 'm') $$, 'leaves what is there');
select throws_ok(format('select ganger.set_progress(%s, %L, %s)', id, lease_id, v), '22003', null, 'progress ' || v)
from l, unnest(array[-1, 101]) v where name = 'h';
select ok(not ganger.set_progress(id, gen_random_uuid(), 50), 'a wrong lease') from l where name = 'h';
select ok(not ganger.set_output(id, gen_random_uuid(), '1'), 'a wrong lease') from l where name = 'h';

-- log
select ok(pg_temp.call('log', 'h', $$, 'one'$$) and pg_temp.call('log', 'h', $$, 'two'$$), 'log');
select is((select log from ganger.attempts join l on id = job_id where name = 'h'), E'one\ntwo\n', 'lines are kept');
select ok(pg_temp.call('log', 'h', $$, repeat('x', 70000) || 'end'$$), 'a long line');
select ok((select length(log) = 65536 and right(log, 4) = E'end\n' from ganger.attempts join l on id = job_id where name = 'h'), 'its tail is kept');
select ok(pg_temp.call('log', 'h', $$, repeat('ä€🙂', 20000) || 'end'$$), 'longer in bytes than in characters');
select ok((select octet_length(log) between 65530 and 65536 and right(log, 5) = E'🙂end\n' from ganger.attempts join l on id = job_id where name = 'h'),
    'cut between two characters');
select ok(not ganger.log(id, gen_random_uuid(), 'x'), 'a wrong lease') from l where name = 'h';
select ok(pg_temp.call('fail', 'h', $$, 'x'$$), 'the attempt ends');
select pg_temp.again('h');
select results_eq($$ select attempt, right(log, 4) from ganger.attempts join l on id = job_id where name = 'h' order by attempt $$,
    $$ values (1, E'end\n'), (2, null) $$, 'each attempt has its own log');

-- a cancel that was asked for while it runs
select pg_temp.run('x');
select ok(ganger.cancel(id), 'cancel is accepted') from l where name = 'x';
select is((select status from pg_temp.job('x')), 'processing', 'it is processing until it has stopped');
select ok(not pg_temp.call('heartbeat', 'x') and not pg_temp.call('set_progress', 'x', ', 1') and not pg_temp.call('log', 'x', $$, 'l'$$)
    and not pg_temp.call('set_output', 'x', $$, '1'$$), 'everything answers false');
select ok(not pg_temp.call('complete', 'x', $$, '{"r": 1}'$$), 'complete too');
select results_eq($$ select status, failure_reason, finished_at = last_cancelled_at, output from pg_temp.job('x') $$,
    $$ values ('cancelled', null::text, true, null::jsonb) $$, 'and it ends cancelled');
select ok(not pg_temp.call('complete', 'x'), 'repeated: the same answer');
select results_eq($$ select outcome from ganger.attempts join l on id = job_id where name = 'x' $$, $$ values ('cancelled') $$, 'its attempt says so');
select pg_temp.run('x2');
select ok(ganger.cancel(id), 'once more') from l where name = 'x2';
select ok(not pg_temp.call('fail', 'x2', $$, 'oops'$$), 'fail');
select is((select status from pg_temp.job('x2')), 'cancelled', 'ends it cancelled too');
select pg_temp.run('x3');
select ok(ganger.cancel(id), 'once more') from l where name = 'x3';
select ok(not pg_temp.call('snooze', 'x3', $$, '1 h'$$), 'snooze');
select is((select status from pg_temp.job('x3')), 'cancelled', 'too');

-- the delay of a retry: retry_delay * 2^attempts, capped, then a jitter in [0.5, 1]
create function pg_temp.delays(attempts integer, retry_delay interval, backoff boolean, cap interval)
returns table (low double precision, high double precision) language sql as $$
    select min(d), max(d) from (
        select extract(epoch from ganger._retry_at(j) - clock_timestamp())::double precision as d
        from (select (jsonb_populate_record(null::ganger.job, jsonb_build_object('attempts', attempts, 'retry_delay', retry_delay,
            'retry_backoff', backoff, 'retry_delay_max', cap))).* from generate_series(1, 1)) j, generate_series(1, 400)) x
$$;
select ok((select low between factor * 0.49 and factor * 0.6 and high between factor * 0.9 and factor from pg_temp.delays(attempts, delay, backoff, cap)),
    format('after %s attempts, %s, cap %s: %s s', attempts, coalesce(delay, '60 s'), cap, factor))
from (values (1, '1 s'::interval, true, null::interval, 2), (2, '1 s', true, null, 4), (3, '1 s', true, null, 8), (1, null, null, null, 120),
             (10, '1 s', true, '5 s', 5), (1, '10 s', true, '5 s', 5), (40, '1 s', true, null, 315360000),
             (1000, '1 h', true, null, 315360000)) v (attempts, delay, backoff, cap, factor);
select ok((select low between 6.9 and 7 and high between 6.9 and 7 from pg_temp.delays(5, '7 s', false, '1 s')), 'without backoff exactly retry_delay');
select ok((select low between -0.1 and 0 and high between -0.1 and 0 from pg_temp.delays(5, '0 s', true, null)), 'none of none');
select pg_temp.run('r', 3, '4 s', false);
select ok(pg_temp.call('fail', 'r', $$, 'x'$$), 'a job with a fixed delay fails');
select ok((select next_attempt_at - last_failed_at between interval '3.9 s' and interval '4.1 s' from pg_temp.job('r')), 'and waits as long');
select pg_temp.run('r0', 3, '0 s', false);
select ok(pg_temp.call('fail', 'r0', $$, 'x'$$), 'a job without a delay fails');
select results_eq($$ select status, pending_reason, next_attempt_at from pg_temp.job('r0') $$, $$ values ('pending', null::text, null::timestamptz) $$,
    'and is runnable at once');

-- what an attempt said of itself is not the next one's, unless it was put off
create function pg_temp.said(job_name text) returns text language sql as $$
    select concat_ws(' ', progress, progress_message, stage, output) from pg_temp.job(job_name) $$;
select pg_temp.run('n', 2);
select ok(pg_temp.call('set_progress', 'n', $$, 30, 'half way', 'two'$$) and pg_temp.call('set_output', 'n', $$, '1'$$), 'an attempt says much');
select ok(pg_temp.call('snooze', 'n', $$, '0 s'$$), 'it is put off');
select pg_temp.again('n');
select is(pg_temp.said('n'), '30 half way two 1', 'and goes on with it');
select ok(pg_temp.call('fail', 'n', $$, 'x'$$), 'it fails');
select is(pg_temp.said('n'), '0', 'the next attempt begins without');
select pg_temp.again('n');
select ok(pg_temp.call('set_progress', 'n', $$, 60, 'on'$$) and pg_temp.call('set_output', 'n', $$, '2'$$), 'the last attempt');
select ok(pg_temp.call('fail', 'n', $$, 'y'$$), 'fails too');
select is(pg_temp.said('n'), '60 on', 'it tells how far it came; only a completed job has an output');
select ok(ganger.retry(id), 'retried') from l where name = 'n';
select is(pg_temp.said('n'), '0', 'it begins without');
select pg_temp.again('n');
select ok(pg_temp.call('set_progress', 'n', ', 5') and pg_temp.call('set_progress', 'n', ', 5') and pg_temp.call('set_progress', 'n', $$, null, 'm'$$),
    'three times progress');
select is((select jsonb_agg(data) from (select e.data from l, ganger.job_events(l.id) e where l.name = 'n' and e.event = 'progress'
    order by e.at desc limit 2) x), '[{"percent": 5, "message": "m", "stage": null}, {"percent": 5, "message": null, "stage": null}]',
    'an event where something changed');

-- the errors of a job that is cancelled while it waits for its retry
select pg_temp.run('e');
select ok(pg_temp.call('fail', 'e', $$, 'once'$$), 'it fails');
select ok(ganger.cancel(id), 'is cancelled') from l where name = 'e';
select is((select jsonb_path_query_array(error_history, '$[*].message') from pg_temp.job('e')), '["once"]'::jsonb, 'and keeps its errors');

-- a program that died of a signal: a crash, retried by the rule
select pg_temp.run('p', 2, '10 s', false);
select is(ganger._settle_result(id, lease_id, 'program_crashed', 'killed by signal 11', null, null, 11, 5, 6, 'log', 7, 0), 'pending',
    'a program crashes') from l where name = 'p';
select results_eq($$ select pending_reason, attempts, crashes, failure_reason, next_attempt_at - last_failed_at > '9 s' from pg_temp.job('p') $$,
    $$ values ('retry', 1, 1, 'crashed', true) $$, 'known as a crash, retried with delay');
select results_eq($$ select outcome, signal from ganger.attempts join l on id = job_id where name = 'p' $$, $$ values ('crashed', 11) $$, 'its attempt too');
select is(ganger._settle_result(id, lease_id, 'program_crashed', 'x', null, null, 11, 5, 6, 'log', 7, 0), 'already', 'repeated')
from l where name = 'p';
select is(ganger._settle_result(id, lease_id, 'completed', '1', null, null, null, 5, 6, 'log', 7, 0), null, 'but not otherwise')
from l where name = 'p';
select pg_temp.again('p');
select is(ganger._settle_result(id, lease_id, 'program_crashed', 'x', null, null, 11, 5, 6, 'log', 7, 0), 'failed', 'the last time')
from l where name = 'p';
select results_eq($$ select crashes, failure_reason from pg_temp.job('p') $$, $$ values (2, 'crashed') $$, 'it ends so');

-- output that PostgreSQL refuses, from gangerd's workers: an error, not a stuck job
select pg_temp.run('o');
select is(ganger._settle_result(id, lease_id, 'completed', '{broken', null, null, null, null, null, null, null, null), 'pending',
    'an output that is no JSON') from l where name = 'o';
select ok((select error like 'the output is not JSON%' from pg_temp.job('o')), 'is the attempt''s error');

select * from finish();
