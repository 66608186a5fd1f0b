-- SPDX-License-Identifier: MIT
-- stats(): the same before and after folding; run times, what ended lately, per type and together; what retention takes off.
select plan(44);

-- Runs one job of `job_type` for each element of `ran`, microseconds; they ended `ago`.
create function pg_temp.ended(job_type text, ran bigint[], ago interval default '0 s', status ganger.job_status default 'completed')
returns bigint language plpgsql as $$
declare
    ids    bigint[];
    leases uuid[];
begin
    perform ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', job_type)) from unnest(ran)));
    select array_agg(c.id order by c.id), array_agg(c.lease_id order by c.id) into ids, leases
    from ganger.claim('w', job_types => array[job_type], max_jobs => cardinality(ran)) c;
    return cardinality(ganger._finish(ids, leases, array_fill(status, array[cardinality(ids)]), ran_us => ran,
        ago_us => array_fill((extract(epoch from ago) * 1e6)::bigint, array[cardinality(ids)])));
end $$;

select is(ganger.stats() - '{throughput,pending,processing,waiting,completed,failed,cancelled}'::text[],
    '{"total": 0, "job_types": {}, "failed_last_day": 0, "failed_last_hour": 0, "p95_run_seconds": null, "average_run_seconds": null,
      "oldest_pending_seconds": null}', 'there is nothing');
select is(ganger.stats() -> 'throughput', '{"last_minute": 0, "last_hour": 0, "last_day": 0}', 'and nothing has been');
select is(ganger.stats() - 'job_types', ganger.stats('none'), 'nor of a type nobody knows');

-- run times: 1 .. 1000 ms, 19 of 20 short, one, none
create function pg_temp.near(p95 text, truth numeric) returns boolean language sql as $$
    select p95::numeric between truth / power(2, 0.25) and truth * power(2, 0.25) $$;
select is(pg_temp.ended('even', array(select i * 1000 from generate_series(1, 1000) i)), 1000::bigint, 'a thousand jobs');
select is(pg_temp.ended('steps', array(select case when i % 20 = 0 then 60000000 else 20 end from generate_series(1, 1000) i)), 1000::bigint,
    'more');
select is(pg_temp.ended('few', '{3600000000}'), 1::bigint, 'one');
select is(pg_temp.ended('quick', '{0,0,1,1}'), 4::bigint, 'some that take no time');
select is(pg_temp.ended('bad', '{5000000}', status => 'failed'), 1::bigint, 'and one that failed');
create temp table unfolded as select ganger.stats() as s;
select is((select max(n) from (select count(*) as n from ganger.stat_delta group by job_type) x) <= 2, true,
    'a finishing statement adds a row a second and type');
select ganger._fold_stats() \gset
select is((select count(*) from ganger.stat_delta), 0::bigint, 'they are folded');
select is(ganger.stats(), (select s from unfolded), 'which changes nothing');
select ok(pg_temp.near(ganger.stats('even') ->> 'p95_run_seconds', 0.95), 'evenly spread');
select ok(pg_temp.near(ganger.stats('steps') ->> 'p95_run_seconds', 0.00002), 'nineteen of twenty');
select ok(pg_temp.near(ganger.stats('few') ->> 'p95_run_seconds', 3600), 'one long one');
select ok((ganger.stats('quick') ->> 'p95_run_seconds')::numeric < 0.000002, 'none at all');
begin; -- far from most of them, where a share of a bucket is no number any more
insert into ganger.stat_run (job_type, bucket, jobs) values ('lone', 40, 1000000), ('lone', 80, 1);
select ok(pg_temp.near(ganger.stats('lone') ->> 'p95_run_seconds', power(2, 10.25)::numeric / 1e6), 'one far behind a million');
rollback;
select is(ganger.stats('bad') -> 'p95_run_seconds', 'null'::jsonb, 'failed ones do not count');
select is((ganger.stats('even') ->> 'average_run_seconds')::numeric, 0.5005, 'the average is exact');
select ok(pg_temp.near(ganger.stats() ->> 'p95_run_seconds',
    (select (extract(epoch from percentile_disc(0.95) within group (order by finished_at - started_at)))::numeric
     from ganger.history where status = 'completed')), 'all together');
select results_eq($$ select t.key, t.value from jsonb_each(ganger.stats() -> 'job_types') t order by t.key $$,
    $$ select u.t, ganger.stats(u.t) from unnest(array['bad', 'even', 'few', 'quick', 'steps']) u (t) order by u.t $$,
    'each type as if it was asked for alone');
select ganger.enqueue('waits') as w \gset
select results_eq($$ select (s ->> 'pending')::int, (s ->> 'total')::int, (s ->> 'oldest_pending_seconds')::numeric >= 0
    from (select ganger.stats() -> 'job_types' -> 'waits' as s) x $$, $$ values (1, 1, true) $$, 'a type of live jobs only');

-- all powers and what is beside them: counting and taking off must agree on the bucket
select is(pg_temp.ended('powers', array(select (2 ^ (i / 4.0))::bigint + d from generate_series(0, 160) i, generate_series(0, 1) d)), 322::bigint,
    'every bucket');
select ganger._fold_stats() \gset
select is((select sum(jobs) from ganger.stat_run where job_type = 'powers'), 322::numeric, 'holds its jobs');
select is_empty($$ select id from ganger.history h, ganger._run_us(h.started_at, h.finished_at) us
    where job_type = 'powers' and not (us between floor(2 ^ (ganger._run_bucket(status, us) / 4.0)) and ceil(2 ^ ((ganger._run_bucket(status, us) + 1) / 4.0))) $$,
    'the right ones');

-- what ended lately
select pg_temp.ended('rate', '{1,1,1}', v.ago) from (values (interval '20 s'), ('2 min'), ('58 min'), ('62 min'), ('23 h 58 min'),
    ('24 h 2 min'), ('30 h')) v (ago) \g /dev/null
select pg_temp.ended('rate', '{1}', v.ago, 'failed') from (values (interval '0 s'), ('58 min'), ('20 h'), ('25 h')) v (ago) \g /dev/null
select is(ganger.stats('rate') -> 'throughput', '{"last_minute": 3, "last_hour": 9, "last_day": 15}', 'not folded yet');
select ganger._fold_stats() \gset
select is(ganger.stats('rate') -> 'throughput', '{"last_minute": 3, "last_hour": 9, "last_day": 15}', 'folded');
select is((ganger.stats('rate') ->> 'failed_last_hour')::int, 2, 'failed in an hour');
select is((ganger.stats('rate') ->> 'failed_last_day')::int, 3, 'and in a day');
select is((ganger.stats() ->> 'failed_last_day')::int, 4, 'of all types');
select is((ganger.stats() #>> '{throughput,last_hour}')::bigint, (select count(*) from ganger.history
    where status = 'completed' and finished_at > now() - interval '1 h'), 'what history says');
select is((ganger.stats() #>> '{throughput,last_day}')::bigint, (select count(*) from ganger.history
    where status = 'completed' and finished_at > now() - interval '1 day'), 'of a day');
-- hour by hour: whole hours and the minutes at both ends are put together without a gap or an overlap
select pg_temp.ended('steady', '{1}', make_interval(mins => m)) from generate_series(0, 1500, 7) m \g /dev/null
create temp table seen as select ganger.stats('steady') -> 'throughput' as t;
select is((t ->> 'last_hour')::int, 9, 'every seven minutes: 0 .. 56') from seen;
select is((t ->> 'last_day')::int, 206, '0 .. 1435') from seen;
select ganger._fold_stats() \gset
select is((t ->> 'last_hour')::int, 9, 'folded') from (select ganger.stats('steady') -> 'throughput' as t) x;
select is((t ->> 'last_day')::int, 206, 'of a day') from (select ganger.stats('steady') -> 'throughput' as t) x;
select is((select count(*) from ganger.stat_rate where span = 1 and began_at < now() - interval '2 min')
    + (select count(*) from ganger.stat_rate where span = 60 and began_at < now() - interval '49 h')
    + (select count(*) from ganger.stat_rate where began_at < now() - interval '31 days'), 0::bigint, 'nothing older is kept');
update ganger.stat_rate set began_at = began_at - interval '48 h' where job_type = 'steady' and span = 60;
update ganger.stat_rate set began_at = began_at - interval '2 min' where job_type = 'even' and span = 1;
select ganger._fold_stats() \gset
select is((select count(*) from ganger.stat_rate where job_type = 'steady' and span = 60)
    + (select count(*) from ganger.stat_rate where job_type = 'even' and span = 1), 0::bigint, 'time takes it away');

-- a retried job is no ended one, but it did fail
select ganger.retry((select id from ganger.history where job_type = 'bad')) \g /dev/null
select results_eq($$ select (s ->> 'failed')::int, (s ->> 'pending')::int, (s ->> 'failed_last_hour')::int from ganger.stats('bad') s $$,
    $$ values (0, 1, 1) $$, 'a retry is seen');
select ganger._fold_stats() \gset
select is_empty($$ select from ganger.stat where job_type = 'bad' $$, 'nothing is kept of what is not there');

-- retention takes the counts and run times off, not what ended lately
update ganger.history set finished_at = finished_at - interval '10 days', started_at = started_at - interval '10 days'
where job_type = 'even' and finished_at - started_at > interval '100 ms';
select is(ganger.cleanup('5 days'), 900::bigint, 'nine of ten are deleted');
select ok(pg_temp.near(ganger.stats('even') ->> 'p95_run_seconds', 0.095), 'the rest counts');
select ganger._fold_stats() \gset
select ok(pg_temp.near(ganger.stats('even') ->> 'p95_run_seconds', 0.095), 'folded');
select is((ganger.stats('even') #>> '{throughput,last_day}')::int, 1000, 'they did end today');
select ganger.cleanup('0 s') \g /dev/null
select ganger._fold_stats() \gset
select is((select count(*) from ganger.stat) + (select count(*) from ganger.stat_run), 0::bigint, 'nothing is left');

select * from finish();
