-- SPDX-License-Identifier: MIT
-- What is drawn: throughput, the overview, run times and waits, failures by message; and that none of it reads more as history grows.
select plan(88);

-- Runs one job of `job_type` for each element of `ran`, microseconds; they ended `ago`.
create function pg_temp.ended(job_type text, ran bigint[], ago interval default '0 s', status ganger.job_status default 'completed',
                              error text default null)
returns bigint language plpgsql as $$
declare
    ids    bigint[];
    leases uuid[];
begin
    perform ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', job_type, 'max_attempts', 1)) from unnest(ran)));
    select array_agg(c.id order by c.id), array_agg(c.lease_id order by c.id) into ids, leases
    from ganger.claim('w', job_types => array[job_type], max_jobs => cardinality(ran)) c;
    return cardinality(ganger._finish(ids, leases, array_fill(status, array[cardinality(ids)]), ran_us => ran,
        errors => array_fill(error, array[cardinality(ids)]), reasons => array_fill(case status when 'failed' then 'error' end, array[cardinality(ids)]),
        ago_us => array_fill((extract(epoch from ago) * 1e6)::bigint, array[cardinality(ids)])));
end $$;
create function pg_temp.sum(numbers jsonb) returns bigint language sql as $$ select sum(n::bigint) from jsonb_array_elements_text(numbers) n $$;

-- ---- throughput
create temp table t as select ganger.throughput() as t;
select is(t ->> 'step_seconds', '60', 'an hour, by the minute') from t;
select is(jsonb_array_length(t -> 'at'), 60, 'sixty points') from t;
select is((t -> 'at' ->> 59)::bigint, extract(epoch from date_bin('1 min', (t ->> 'to')::timestamptz, '2000-01-01 00:00+00'))::bigint,
    'the last is the minute that runs') from t;
select is(pg_temp.sum(t -> 'completed') + pg_temp.sum(t -> 'failed') + pg_temp.sum(t -> 'cancelled') + pg_temp.sum(t -> 'enqueued'), 0::bigint,
    'nothing has been') from t;

select pg_temp.ended('mail', '{1,1,1}', '10 min') \g /dev/null
select pg_temp.ended('mail', '{1,1}', '30 min', 'failed', 'no') \g /dev/null
select pg_temp.ended('image', '{1}', '10 min') \g /dev/null
select pg_temp.ended('image', '{1,1,1,1}', '30 h') \g /dev/null
select pg_temp.ended('image', '{1,1,1,1,1}', '20 days') \g /dev/null
select ganger.cancel(ganger.enqueue('image')) \g /dev/null
truncate t;
insert into t select ganger.throughput(by_type => true);
create temp table unfolded as select * from t;
select results_eq($$ select pg_temp.sum(t -> 'completed'), pg_temp.sum(t -> 'failed'), pg_temp.sum(t -> 'cancelled') from t $$,
    $$ values (4::bigint, 2::bigint, 1::bigint) $$, 'what ended in an hour, before it is folded');
select is((t -> 'completed' ->> p)::int, 4, 'in its minute')
from t, generate_series(0, 59) p where (t -> 'at' ->> p)::bigint = extract(epoch from date_bin('1 min', now() - interval '10 min', '2000-01-01 00:00+00'));
select is((select jsonb_agg(x - 'ended') from t, jsonb_array_elements(t -> 'job_types') x),
    '[{"job_type": "mail", "completed": 3, "failed": 2, "cancelled": 0}, {"job_type": "image", "completed": 1, "failed": 0, "cancelled": 1}]',
    'by type, most ends first');
select is((select array_agg(pg_temp.sum(x -> 'ended')) from t, jsonb_array_elements(t -> 'job_types') x), '{5,2}', 'each with its series');
select ganger._fold_stats() \gset
select is((select count(*) from ganger.stat_delta), 0::bigint, 'folded');
select is(u.t - '{to,at,from,enqueued}'::text[], n.t - '{to,at,from,enqueued}'::text[], 'which changes nothing')
from unfolded u, (select ganger.throughput(by_type => true) as t) n
where u.t -> 'from' = n.t -> 'from'
union all select pass('which changes nothing (a minute went by)') from unfolded u where u.t -> 'from' <> ganger.throughput() -> 'from' limit 1;
select is(pg_temp.sum(ganger.throughput('48 h') -> 'completed'), 8::bigint, 'two days');
select is(ganger.throughput('48 h') ->> 'step_seconds', '1200', 'by twenty minutes');
select is(pg_temp.sum(ganger.throughput('30 days') -> 'completed'), 13::bigint, 'thirty days');
select is(pg_temp.sum(ganger.throughput('30 days', '1 day') -> 'completed'), 13::bigint, 'by the day');
select is(pg_temp.sum(ganger.throughput(job_type => 'image') -> 'completed'), 1::bigint, 'of one type');
select is(ganger.throughput(job_type => 'image') -> 'enqueued', 'null'::jsonb, 'of which it is not known how many came');
select pg_temp.ended('now', '{1,1,1}') \g /dev/null
select is(pg_temp.sum(ganger.throughput('1 min') -> 'completed'), 3::bigint, 'a minute');
select is(jsonb_array_length(ganger.throughput('1 min') -> 'at'), 60, 'by the second');
select is(ganger.throughput('7 days') ->> 'step_seconds', '3600', 'a week by the hour');
select is(jsonb_array_length(ganger.throughput(since) -> 'at') <= 300, true, format('never more than 300 points: %s', since))
from unnest('{1 s, 2 min, 2 h, 12 h, 24 h, 48 h, 8 days, 30 days}'::interval[]) since;
select throws_ok($$ select ganger.throughput(null) $$, '22023', 'since is missing');
select throws_ok($$ select ganger.throughput('31 days') $$, '22023', 'since must be between 1 second and 30 days, not 31 days');
select throws_ok($$ select ganger.throughput('1 h', '90 s') $$, '22023', 'step must be whole minutes where since is more than 2 minutes, not 00:01:30');
select throws_ok($$ select ganger.throughput('7 days', '30 min') $$, '22023', 'step must be whole hours where since is more than 48 hours, not 00:30:00');
select throws_ok($$ select ganger.throughput('48 h', '1 min') $$, '22023', 'a step of 00:01:00 makes more than 2000 points of 48:00:00');
select throws_ok($$ select ganger.throughput('1 min', '5 min') $$, '22023', 'step must be no longer than since, 00:01:00, not 00:05:00');
select is(ganger.throughput('1 h', '1 h') -> 'at' -> 2, null, 'a step may be as long');
select throws_ok($$ select ganger.throughput('1 min', '1.5 s') $$, '22023', 'step must be whole seconds, not 00:00:01.5');

-- what came: by PostgreSQL's own count of rows, which a session tells when it likes; here it is made to
select pg_stat_force_next_flush() \g /dev/null
select ganger._fold_stats() \g /dev/null
select pg_temp.sum(ganger.throughput() -> 'enqueued') as before \gset
select count(*) from ganger.enqueue_many((select jsonb_agg('{"job_type": "late", "run_at": "2100-01-01"}'::jsonb) from generate_series(1, 7))) \g /dev/null
select pg_stat_force_next_flush() \g /dev/null
select ganger._fold_stats() \g /dev/null
select is(pg_temp.sum(ganger.throughput() -> 'enqueued') - :before, 7::bigint, 'what came is seen');
select ganger._fold_stats() \g /dev/null
select is(pg_temp.sum(ganger.throughput() -> 'enqueued') - :before, 7::bigint, 'once');
select setval('ganger.enqueue_mark', 1000000) \g /dev/null
select ganger._fold_stats() \g /dev/null
select is(pg_temp.sum(ganger.throughput() -> 'enqueued') - :before, 7::bigint, 'a count that began anew adds nothing');
update ganger.enqueue_rate set began_at = began_at - interval '48 h' where span = 60;
select ganger._fold_stats() \g /dev/null
select is((select count(*) from ganger.enqueue_rate where span = 60), 0::bigint, 'time takes it away');

-- ---- overview
select count(*) from ganger.cancel_jobs('{}') \g /dev/null
select ganger.enqueue('mail', queue => 'fast') from generate_series(1, 3) \g /dev/null
select ganger.enqueue('mail', queue => 'fast', run_at => now() + interval '1 h') \g /dev/null
select ganger.enqueue('image') as blocker \gset
select ganger.enqueue('image', depends_on => array[:blocker]) \g /dev/null
select ganger.pause_queue('later') \g /dev/null
select ganger.enqueue('mail', queue => 'later') \g /dev/null
select ganger.pause_job_type('off') \g /dev/null
select ganger.enqueue('off', queue => 'fast') \g /dev/null
select ganger.claim('w', array['fast'], max_jobs => 1) \g /dev/null
select ganger.set_queue('fast', concurrency => 1) \g /dev/null
create temp table o as select ganger.overview() as o;
select is(o -> 'pending', '{"runnable": 1, "scheduled": 1, "retry": 0, "blocked": 1, "limited": 3, "paused": 1, "batch": 0}'::jsonb
    || jsonb_build_object('limited', 2, 'paused', 2), 'pending ones by reason') from o;
select is((select jsonb_object_agg(r.reason, coalesce(x.n, 0)) from unnest('{scheduled, blocked, limited, paused, retry, batch, runnable}'::text[]) r (reason)
    left join (select coalesce(pending_reason, 'runnable') as reason, count(*) as n from ganger.jobs where status = 'pending' group by 1) x
    on x.reason = r.reason), o -> 'pending', 'as the view jobs has them') from o;
select is(o -> 'counts', (select jsonb_object_agg(s, ganger.stats() -> s) from unnest(enum_range(null::ganger.job_status)::text[]) s),
    'by status as stats has them') from o;
select results_eq($$ select x.queue, x.paused, x.pending, x.processing, x.waiting from o, jsonb_to_recordset(o -> 'queues')
    x (queue text, paused boolean, pending bigint, processing bigint, waiting bigint) $$,
    $$ select name collate "default", paused, pending, processing, waiting from ganger.queues order by name $$, 'queues as the view has them');
select ok((select bool_and((x ->> 'oldest_wait_seconds')::numeric between 0 and 600) from o, jsonb_array_elements(o -> 'queues') x), 'with their oldest');
select is(o -> 'failing', '[{"job_type": "mail", "failed": 2, "completed": 3}]', 'who fails') from o;
select is(o #> '{ended,last_hour}', '{"completed": 7, "failed": 2}', 'what ended') from o;
select is(o -> 'is_exact', 'true'::jsonb, 'counted') from o;
select is(((o ->> 'nodes')::int, (o ->> 'workers')::int, (o ->> 'busy_workers')::int), (0, 0, 0), 'no nodes') from o;

-- many live jobs: estimated, and near
select ganger.set_queue('fast') \g /dev/null
select count(*) from (select ganger.enqueue_many((select jsonb_agg('{"job_type": "bulk", "queue": "big"}'::jsonb) from generate_series(1, 10000)))
    from generate_series(1, 10)) x \g /dev/null
select pg_stat_force_next_flush() \g /dev/null
select ganger.maintain() \g /dev/null
select is((ganger.overview() -> 'is_exact')::boolean, false, 'many jobs are not counted');
select ok((ganger.overview() #>> '{pending,runnable}')::numeric between 75000 and 125000, 'their number is near');
select is((ganger.overview() #>> '{counts,processing}')::int, 1, 'those that run are known');
select ok((select (x ->> 'oldest_wait_seconds')::numeric > 0 from jsonb_array_elements(ganger.overview() -> 'queues') x where x ->> 'queue' = 'big'),
    'and the oldest');
select ok(q.pending between 75000 and 125000 and q.oldest_runnable_at is not null, 'near for the HTTP API, too') from ganger._api_queues() q where q.name = 'big';
select ok(t.runnable between 75000 and 125000, 'and by type') from ganger._api_job_types() t where t.name = 'bulk';
select ok(m.value between 75000 and 125000, 'and for metrics') from ganger._metrics() m where m.what = 'queue_jobs' and m.name = 'big' and m.state = 'runnable';
select is_empty($$ select from ganger._metrics() m where m.what = 'enqueued' $$, 'where a counter is not made of estimates');
analyze ganger.job;
select pg_stat_reset_single_table_counters('ganger.job'::regclass) \g /dev/null
select is((ganger.overview() -> 'is_exact')::boolean, false, 'nor when PostgreSQL has lost its statistics');
truncate ganger.job;
analyze ganger.job;
select is((ganger.overview() -> 'is_exact')::boolean, true, 'few are');

-- ---- run times and waits
select is(ganger.durations('nobody'), null, 'a type nobody knows');
select throws_ok($$ select ganger.durations(null) $$, '22023', 'job_type is missing');
select pg_temp.ended('even', array(select i * 1000 from generate_series(1, 1000) i)) \g /dev/null
select pg_temp.ended('even', '{5}', status => 'failed', error => 'no') \g /dev/null
create temp table d as select ganger.durations('even') as d;
create function pg_temp.near(value text, truth numeric) returns boolean language sql as $$
    select value::numeric between truth / power(2, 0.25) and truth * power(2, 0.25) $$;
select ok(pg_temp.near(d ->> 'p50_seconds', 0.5) and pg_temp.near(d ->> 'p90_seconds', 0.9) and pg_temp.near(d ->> 'p99_seconds', 0.99), 'percentiles') from d;
select is(d ->> 'p95_seconds', ganger.stats('even') ->> 'p95_run_seconds', 'the same as stats has') from d;
select is((select sum((b ->> 'jobs')::int) from jsonb_array_elements(d -> 'buckets') b), 1000::bigint, 'the buckets hold all') from d;
select is((select count(*) from d, jsonb_array_elements(d -> 'buckets') with ordinality b (v, n), jsonb_array_elements(d -> 'buckets') with ordinality c (v, n)
    where c.n = b.n + 1 and (b.v ->> 'to_seconds')::numeric <> (c.v ->> 'from_seconds')::numeric), 0::bigint, 'without a gap');
select is((d #>> '{recent,jobs}')::int + (d #>> '{recent,failed}')::int, 1002, 'the newest ones, and the failed one among them') from d;
select is((d #>> '{recent,run,max_seconds}')::numeric, 1.0, 'the longest') from d;
select is(d #>> '{failure_share,last_hour}', '0.0010', 'one of a thousand failed') from d;
select is((d ->> 'max_crashes')::int, 3, 'after how many crashes it has failed') from d;
select results_eq($$ select completed, failed, failure_share, p95_run_seconds, completed_last_hour from ganger.job_type_overview() where job_type = 'even' $$,
    $$ select 1000::bigint, 1::bigint, 0.0010, (d ->> 'p95_seconds')::numeric, 1000::bigint from d $$, 'a row for each type');

-- ---- failures by message
delete from ganger.history;
select pg_temp.ended('a', '{1}', '2 min', 'failed', format('connect to 10.0.0.%s:%s failed after %s.5s', i, 5000 + i, i)) from generate_series(1, 5) i \g /dev/null
select pg_temp.ended('b', '{1}', '1 min', 'failed', 'connect to 10.0.0.99:1 failed after 7s') \g /dev/null
select pg_temp.ended('b', '{1}', '3 h', 'failed', 'row "x' || i || '" of 3f2b8c1e-0d3a-4f51-9b7e-00112233445' || i || ' isn''t there') from generate_series(1, 2) i \g /dev/null
select ganger.enqueue('a', max_attempts => 5) as again \gset
select ganger.fail(c.id, c.lease_id, 'connect to 10.0.0.7:1 failed after 3s') from ganger.claim('w', job_types => '{a}') c \g /dev/null
select results_eq($$ select pattern, failed, retrying, job_types, example_message from ganger.failures() $$,
    $$ values ('connect to * failed after *s', 6::bigint, 1::bigint, '{a,b}'::text[], 'connect to 10.0.0.7:1 failed after 3s'),
              ('row * of * isn''t there', 2, 0, '{b}', 'row "x2" of 3f2b8c1e-0d3a-4f51-9b7e-001122334452 isn''t there') $$, 'two groups, most first');
select is((select array_agg(failed + retrying) from ganger.failures('1 h')), '{7}', 'of an hour');
select is((select array_agg(failed + retrying) from ganger.failures(job_type => 'b')), '{2,1}', 'of a type');
select is((select count(*) from ganger.failures(max_groups => 1)), 1::bigint, 'so many');
select throws_ok($$ select ganger.failures(max_groups => 0) $$, '22003', 'max_groups must be between 1 and 1000, not 0');
select throws_ok($$ select ganger.count_jobs('{"error_group": 3}') $$, '22023', 'filter.error_group must be a string, not a JSON number');
select error_group as g from ganger.failures() limit 1 \gset
select is(ganger.count_jobs(jsonb_build_object('error_group', :'g')), 7::bigint, 'its jobs');
select is(ganger.retry_jobs(jsonb_build_object('error_group', :'g', 'status', 'failed')), 6::bigint, 'run again');
select is((select array_agg(failed + retrying) from ganger.failures()), '{2,1}', 'are no failures now');

-- what a webhook was answered is no number among others
delete from ganger.history;
select pg_temp.ended('hook', '{1}', status => 'failed', error => format('HTTP %s from 10.0.0.%s:8080: order %s', s, i, 500 + i))
from unnest('{404, 410, 503}'::int[]) s, generate_series(1, 2) i \g /dev/null
select results_eq($$ select pattern, failed from ganger.failures() where failed > 0 order by pattern $$,
    $$ values ('HTTP 404 from *: order *', 2::bigint), ('HTTP 410 from *: order *', 2), ('HTTP 503 from *: order *', 2) $$, 'by status');
select is(ganger.count_jobs(jsonb_build_object('error_group', error_group)), 2::bigint, 'and its filter') from ganger.failures(max_groups => 1);
select is(ganger._error_pattern(m), p, m) from (values ('HTTP 503', 'HTTP 503'), ('HTTP 5031', 'HTTP *'), ('HTTP 1.1', 'HTTP *'),
    ('HTTP 503.5', 'HTTP 503.*'), ('no HTTP 503', 'no HTTP *'), ('HTTP 503 503', 'HTTP 503 *'), ('HTTP  503', 'HTTP  *'), ('HTTP 50', 'HTTP *')) v (m, p);

select * from finish();
