-- SPDX-License-Identifier: MIT
-- cancel, retry, edit, job_events, stats, cleanup, delete_jobs.
select plan(131);

create function pg_temp.job(job bigint) returns setof ganger.jobs language sql as $$ select * from ganger.jobs where id = job $$;

-- cancel
select ganger.enqueue('a', owner => 'bob') as a \gset
select ok(not ganger.cancel(:a, 'ann'), 'another''s job');
select is((select status from pg_temp.job(:a)), 'pending', 'is left alone');
select ok(ganger.cancel(:a, 'bob'), 'a pending job of its owner');
select results_eq(format('select status, attempts, finished_at = last_cancelled_at, started_at, worker from pg_temp.job(%s)', :a),
    $$ values ('cancelled', 0, true, null::timestamptz, null::text) $$, 'is cancelled at once');
select ok(not ganger.cancel(:a), 'not twice');
select is_empty('select * from ganger.claim(''w'')', 'it is not claimed');
select is_empty(format('select * from ganger.attempts where job_id = %s', :a), 'it had no attempt');
select ok(not ganger.cancel(987654321), 'an unknown job');
select ok(not ganger.cancel(null), 'null');
select ganger.enqueue('a', run_at => now() + interval '1 h') as later \gset
select ok(ganger.cancel(:later), 'a scheduled job');
select is((select status from pg_temp.job(:later)), 'cancelled', 'is cancelled at once');
select is((ganger.maintain() ->> 'promoted')::int, 0, 'and never promoted');
select ganger.enqueue('a', retry_backoff => false) as a \gset
select lease_id as lease from ganger.claim('w') \gset
select ganger.fail(:a, :'lease', 'x') \gset
select ok(ganger.cancel(:a), 'a job that waits for its retry');
select results_eq(format('select status, attempts, error, last_failed_at is not null from pg_temp.job(%s)', :a),
    $$ values ('cancelled', 1, 'x', true) $$, 'is cancelled at once');
select ganger.enqueue('a', owner => 'bob') as a \gset
select lease_id as lease from ganger.claim('w') \gset
select ok(not ganger.cancel(:a, 'ann'), 'another''s running job');
select ok(ganger.cancel(:a, 'bob'), 'a running job');
select ok(ganger.cancel(:a), 'may be cancelled twice');
select is((select status from pg_temp.job(:a)), 'processing', 'it stays processing until it has stopped');
select ok(not ganger.complete(:a, :'lease'), 'its completion is refused');
select is((select status from pg_temp.job(:a)), 'cancelled', 'and it ends cancelled');

-- retry
select ganger.enqueue('r', queue => 'later', run_at => now() + interval '1 day') as r \gset
select ganger.cancel(:r) \g /dev/null
select ok(ganger.retry(:r), 'retry of a job that was cancelled before its time');
select is((select id from ganger.claim('w', '{later}')), :r::bigint, 'runs it at once');
select ok(ganger.retry(:a), 'retry of a cancelled job');
select results_eq(format('select status, attempts, max_attempts, last_retried_at is not null, finished_at, last_cancelled_at is not null from pg_temp.job(%s)', :a),
    $$ values ('pending', 1, 3, true, null::timestamptz, true) $$, 'is pending, its attempt counted');
select ok(not ganger.retry(:a), 'a pending job is not retried');
select lease_id as lease from ganger.claim('w') \gset
select ok(not ganger.retry(:a), 'nor a running one');
select ok(ganger.complete(:a, :'lease'), 'this time it completes');
select ok(not ganger.retry(:a), 'a completed one is not retried');
select results_eq(format('select attempt, outcome from ganger.attempts where job_id = %s order by attempt', :a),
    $$ values (1, 'cancelled'), (2, 'completed') $$, 'both attempts are known');
select ok(not ganger.retry(987654321) and not ganger.retry(null), 'nor one that is not known');
select ganger.enqueue('a', max_attempts => 1, tags => '{x}', owner => 'o', metadata => '1', priority => 4, queue => 'q', timeout => '5 s',
    kill_grace => '1 s', retry_delay => '3 s', retry_backoff => false, retry_delay_max => '9 s', idempotency_key => 'ik', payload => '[1]') as a \gset
create temp table before as select * from pg_temp.job(:a);
select lease_id as lease from ganger.claim('w', '{q}') \gset
select ganger.fail(:a, :'lease', 'first') \gset
select results_eq(format('select status, attempts from pg_temp.job(%s)', :a), $$ values ('failed', 1) $$, 'attempts used up');
select ok(ganger.retry(:a), 'retry');
select results_eq(format('select status, attempts, max_attempts, error, failure_reason from pg_temp.job(%s)', :a),
    $$ values ('pending', 1, 2, 'first', 'error') $$, 'allows one more');
select results_eq(format('select id, job_type, queue, priority, payload, run_at, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags,
        idempotency_key, owner, metadata, created_at from pg_temp.job(%s)', :a),
    'select id, job_type, queue, priority, payload, run_at, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags,
        idempotency_key, owner, metadata, created_at from before', 'nothing else is changed');
select results_eq($$ select id, attempt, max_attempts from ganger.claim('w', '{q}') $$, format('values (%s::bigint, 2, 2)', :a), 'it is claimed');
select lease_id as lease from ganger.job where id = :a \gset
select ganger.fail(:a, :'lease', 'second') \gset
select is((select jsonb_path_query_array(error_history, '$[*].message') from pg_temp.job(:a)), '["first", "second"]', 'all errors are kept');

-- edit
select ganger.enqueue('a') as e \gset
select ok(ganger.edit(:e, '{"payload": {"x": 1}, "max_attempts": 9, "timeout": "30s", "kill_grace": "2s", "retry_delay": "5s",
    "retry_backoff": false, "retry_delay_max": "1h", "tags": ["t"], "owner": "o", "metadata": [1]}'), 'edit');
select results_eq(format('select payload, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, owner, metadata
        from pg_temp.job(%s)', :e),
    $$ values ('{"x": 1}'::jsonb, 9, '30 s'::interval, '2 s'::interval, '5 s'::interval, false, '1 h'::interval, '{t}'::text[], 'o', '[1]'::jsonb) $$,
    'changes what is named');
select ok((select seq = id from ganger.job where id = :e), 'and leaves its place');
select ok(ganger.edit(:e, '{"timeout": null, "kill_grace": null, "retry_delay": null, "retry_backoff": null, "retry_delay_max": null, "tags": null,
    "owner": null, "metadata": null, "max_attempts": null, "payload": null}'), 'nulls');
select results_eq(format('select payload, max_attempts, timeout, kill_grace, retry_delay, retry_backoff, retry_delay_max, tags, owner, metadata
        from pg_temp.job(%s)', :e),
    $$ values ('{}'::jsonb, 3, null::interval, null::interval, '60 s'::interval, true, null::interval, null::text[], null::text, null::jsonb) $$,
    'clear');
select ok(ganger.edit(:e, '{}'), 'no change is one too');
select ok(ganger.edit(:e, '{"queue": "q2", "priority": 5, "job_type": "b"}'), 'another lane');
select results_eq(format('select queue, priority, job_type from pg_temp.job(%s)', :e), $$ values ('q2', 5, 'b') $$, 'is named');
select ok((select lane_id = ganger._lane_id('q2', 5, 'b', false) and seq > id from ganger.job where id = :e), 'and entered');
select is((select id from ganger.claim('w', '{q2}', '{b}')), :e::bigint, 'it is claimed there');
select ok(not ganger.edit(:e, '{"priority": 1}'), 'a running job is not edited');
select ok(not ganger.edit(:a, '{"priority": 1}'), 'nor an ended one');
select ok(not ganger.edit(987654321, '{}') and not ganger.edit(null, '{}'), 'nor an unknown one');
-- run_at
select ganger.enqueue('a', queue => 'er') as e \gset
select ok(ganger.edit(:e, '{"run_at": "2090-01-01T00:00:00Z"}'), 'a later run_at');
select results_eq(format('select pending_reason, run_at, next_attempt_at from pg_temp.job(%s)', :e),
    $$ values ('scheduled', '2090-01-01 00:00+00'::timestamptz, '2090-01-01 00:00+00'::timestamptz) $$, 'schedules the job');
select is_empty($$ select from ganger.claim('w', '{er}') $$, 'it is not claimed');
select ok(ganger.edit(:e, '{"priority": 3}'), 'another priority while it waits');
select results_eq(format('select pending_reason, priority, next_attempt_at from pg_temp.job(%s)', :e),
    $$ values ('scheduled', 3, '2090-01-01 00:00+00'::timestamptz) $$, 'changes no time');
select ok(ganger.edit(:e, '{"run_at": null}'), 'run_at null');
select ok((select pending_reason is null and next_attempt_at is null and run_at <= now() from pg_temp.job(:e)), 'means now');
select is((select id from ganger.claim('w', '{er}')), :e::bigint, 'it is claimed');
select lease_id as lease from ganger.job where id = :e \gset
select ganger.fail(:e, :'lease', 'x') \gset
select run_at as run_at from pg_temp.job(:e) \gset
select ok(ganger.edit(:e, '{"run_at": "2091-01-01T00:00:00Z"}'), 'run_at of a job that waits for its retry');
select results_eq(format('select pending_reason, next_attempt_at from pg_temp.job(%s)', :e),
    $$ values ('retry', '2091-01-01 00:00+00'::timestamptz) $$, 'moves that retry');
select is((select run_at from pg_temp.job(:e)), :'run_at', 'and not run_at');
select ok(ganger.edit(:e, '{"run_at": null}'), 'null');
select is((select id from ganger.claim('w', '{er}')), :e::bigint, 'runs it now');
-- refused; nothing is half applied
select ganger.enqueue('keep', '[0]', max_attempts => 4) as k \gset
select throws_ok(format('select ganger.edit(%s, %L)', :k, v[1]), v[2], null, v[1]) from (values
    (array['[]', '22023']), (array['{"status": "failed"}', '22023']), (array['{"id": 1}', '22023']), (array['{"payload": 1, "prio": 1}', '22023']),
    (array['{"payload": 1, "priority": 99999}', '22003']), (array['{"priority": "x"}', '22023']), (array['{"max_attempts": 0}', '22003']),
    (array['{"job_type": ""}', '22023']), (array['{"job_type": null}', '22023']), (array['{"queue": ""}', '22023']), (array['{"tags": [""]}', '22023']),
    (array['{"timeout": "0s"}', '22023']), (array['{"run_at": "infinity"}', '22023']), (array['{"run_at": "soon"}', '22023']),
    (array['{"idempotency_key": "x"}', '22023']), (array['{"payload": 1, "owner": ""}', '22023']),
    (array['{"priority": 99999999999}', '22003']), (array['{"timeout": "99999999999999999999 years"}', '22003']),
    (array['{"group_key": ""}', '22023']), (array['{"expires_at": "infinity"}', '22023']), (array['{"depends_on": [1]}', '22023']),
    (array['{"on_conflict": "ignore"}', '22023']), (array['{"tags": [["a"], ["b"]]}', '22023'])) x (v);
select throws_ok(format('select ganger.edit(%s, null)', :k), '22023', null, 'null');
select results_eq(format('select payload, priority, max_attempts from pg_temp.job(%s)', :k), $$ values ('[0]'::jsonb, 0, 4) $$, 'nothing is half applied');
select ganger.enqueue('used', queue => 'u') as u \gset
select id, lease_id as lease from ganger.claim('w', '{u}') \gset
select ganger.fail(:u, :'lease', 'x') \gset
select throws_ok(format('select ganger.edit(%s, %L)', :u, '{"max_attempts": 1}'), '22003', null, 'fewer attempts than it has had');
select ok(ganger.edit(:u, '{"max_attempts": 2}'), 'one more is fine');
update ganger.job set max_attempts = 1001, attempts = 1000 where id = :u;
select ok(ganger.edit(:u, '{"priority": 1}'), 'a job that retry() has given more than 1000 attempts');
select is((select max_attempts from pg_temp.job(:u)), 1001, 'keeps them');
select throws_ok(format('select ganger.edit(%s, %L)', :u, '{"max_attempts": 1002}'), '22003', null, 'but nobody asks for as many');
select ok(ganger.edit(:u, '{"max_attempts": null}'), 'a null');
select is((select max_attempts from pg_temp.job(:u)), 1001, 'leaves one');
-- the event tells what has changed
select ganger.enqueue('e', '{"p": 1}', queue => 'ee', priority => 2) as e \gset
select ok(ganger.edit(:e, '{"queue": "ee", "priority": 2, "retry_delay": "60s", "payload": {"p": 1}, "tags": null}'), 'an edit that changes nothing');
select is_empty(format('select from ganger.job_events(%s) where event = %L', :e, 'edited'), 'is no event');
select ok(ganger.edit(:e, '{"queue": "ee", "priority": 3, "timeout": "1 min", "payload": {"p": 1}}'), 'one that changes a part');
select is((select data from ganger.job_events(:e) where event = 'edited'), '{"priority": 3, "timeout": "1 min"}', 'tells the changed fields');

-- events
select ganger.enqueue('ev', '{"p": 1}', queue => 'ev', max_attempts => 2, retry_backoff => false, retry_delay => '0 s') as v \gset
select ganger.edit(:v, '{"priority": 2}') \gset
select id, lease_id as lease from ganger.claim('w', '{ev}') \gset
select ganger.fail(:v, :'lease', 'boom') \gset
select id, lease_id as lease from ganger.claim('w', '{ev}') \gset
select ganger.fail(:v, :'lease', 'bang') \gset
select ganger.retry(:v) \gset
select id, lease_id as lease from ganger.claim('w', '{ev}') \gset
select ganger.snooze(:v, :'lease', '0 s') \gset
select id, lease_id as lease from ganger.claim('w', '{ev}') \gset
select ganger.complete(:v, :'lease') \gset
select is((select string_agg(event, ' ' order by n) from ganger.job_events(:v) with ordinality e (id, event, at, data, job_id, n)),
    'added edited processing failed processing failed retried processing waiting processing completed', 'the life of a job, in order');
select ok((select bool_and(at >= previous) from (select at, lag(at, 1, '-infinity') over (order by n) as previous
    from ganger.job_events(:v) with ordinality e (id, event, at, data, job_id, n)) x), 'times never go back');
select results_eq(format('select data from ganger.job_events(%s) where event = %L', :v, 'failed'),
    $$ values ('{"message": "boom", "reason": "error", "will_retry": true}'::jsonb), ('{"message": "bang", "reason": "error", "will_retry": false}') $$,
    'failures say why, and whether there is another attempt');
select is((select data from ganger.job_events(:v) where event = 'edited'), '{"priority": 2}'::jsonb, 'an edit: the changed fields');
select is((select data ->> 'attempt' from ganger.job_events(:v) where event = 'processing' limit 1), '1', 'an attempt: its number');
select is((select id from ganger.job_events(:v) where event = 'added'), :v::bigint, 'added has the job''s number');
select is((select string_agg(key, ' ') from jsonb_object_keys((select to_jsonb(e) from ganger.job_events(:v) e limit 1)) key), 'at id data event job_id', 'the columns');
select ok((select bool_and(job_id = :v) from ganger.job_events(:v)), 'all of this job');
select ok((select count(distinct id) = count(*) from ganger.job_events(:v) where event <> 'processing'), 'numbers are unique');
select ganger.enqueue('ev', queue => 'ev') as v \gset
select ganger.cancel(:v) \gset
select results_eq(format('select event from ganger.job_events(%s)', :v), $$ values ('added'), ('cancelled') $$, 'a cancelled one');
select is_empty('select * from ganger.job_events(987654321)', 'an unknown one: none');

-- stats
create temp table s as select ganger.stats() as s;
select results_eq($$ select (s ->> k)::bigint from s, unnest(array['pending', 'processing', 'waiting', 'completed', 'failed', 'cancelled', 'total']) with ordinality u (k, n) order by n $$,
    $$ select coalesce(n, 0) from unnest(array['pending', 'processing', 'waiting', 'completed', 'failed', 'cancelled', 'total']) with ordinality u (k, p)
       left join (select status, count(*) as n from ganger.jobs group by 1 union all select 'total', count(*) from ganger.jobs) c on c.status = k order by p $$,
    'counts are those of the view');
select ganger._fold_stats() \gset
select is(ganger.stats() - '{oldest_pending_seconds,job_types}'::text[], (select s.s - '{oldest_pending_seconds,job_types}'::text[] from s), 'folding changes nothing');
select results_eq($$ select (ganger.stats('ev') ->> 'completed')::int, (ganger.stats('ev') ->> 'cancelled')::int, (ganger.stats('ev') ->> 'total')::int $$,
    $$ values (1, 1, 2) $$, 'of one type');
select is((ganger.stats('nothing') ->> 'total')::int, 0, 'of none');
select ok((ganger.stats() ->> 'oldest_pending_seconds')::numeric >= 0, 'the oldest pending job');
select is(ganger.stats('ev') -> 'oldest_pending_seconds', 'null'::jsonb, 'or null');
select ok((ganger.stats('ev') ->> 'average_run_seconds')::numeric > 0, 'the average run');

-- the live jobs are read once
begin;
select pg_stat_get_xact_numscans('ganger.job'::regclass) as before \gset
select ganger.stats() \g /dev/null
select is(pg_stat_get_xact_numscans('ganger.job'::regclass) - :before, 1::bigint, 'in one pass');
commit;

-- cleanup
select ok(ganger.cleanup('1 day') = 0, 'nothing is a day old');
create temp table ended as select count(*) as n from ganger.history;
update ganger.history set finished_at = finished_at - interval '2 days' where id = :a;
select is(ganger.cleanup('1 day'), 1::bigint, 'one that is');
select is_empty(format('select * from ganger.jobs where id = %s', :a), 'is gone');
select is_empty(format('select job_id from ganger.attempt where job_id = %1$s union all select job_id from ganger.event where job_id = %1$s
    union all select job_id from ganger.job_key where job_id = %1$s', :a), 'with everything that belongs to it');
select is(ganger.cleanup('0 s'), (select n - 1 from ended), 'all that have ended');
select is((select count(*) from ganger.jobs where status in ('completed', 'failed', 'cancelled')), 0::bigint, 'are gone');
select ok((select count(*) > 0 from ganger.jobs), 'live ones stay');
select is((ganger.stats() ->> 'total')::bigint, (select count(*) from ganger.jobs), 'the counts follow');
select is((select (ganger.stats() ->> k)::bigint from unnest(array['completed']) k), 0::bigint, 'to zero');

-- what ends while they work stays: at each pass another job does
create function pg_temp.end_another() returns trigger language plpgsql as $$
begin
    perform ganger.cancel(j.id) from (select x.id from ganger.job x where x.job_type = 'later' order by x.id limit 1) j;
    return null;
end $$;
select ganger.cancel(ganger.enqueue('now')) from generate_series(1, 2) \g /dev/null
select ganger.enqueue('later') from generate_series(1, 5) \g /dev/null
create trigger end_another after delete on ganger.history for each statement execute function pg_temp.end_another();
select is(ganger.cleanup('0 s'), 2::bigint, 'cleanup looks once, when it is called');
select ganger.cancel(ganger.enqueue('now')) \g /dev/null
select is(ganger.delete_jobs('{}'), (1 + count(*))::bigint, 'delete_jobs too') from ganger.history where job_type = 'later';
select ok(count(*) > 0, 'the others have ended, and are there') from ganger.history where job_type = 'later';
drop trigger end_another on ganger.history;
select throws_ok(format('select ganger.cleanup(%s)', v), '22023', null, 'cleanup ' || v) from unnest(array['null', $$'-1 s'$$]) v;

select * from finish();
