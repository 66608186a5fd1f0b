-- SPDX-License-Identifier: MIT
-- _metrics(): known numbers, the same before and after folding, and totals that only grow whatever becomes of the jobs.
select plan(25);

create function pg_temp.metric(what text, name text default null, state text default null) returns double precision language sql as $$
    select m.value from ganger._metrics() m where m.what = metric.what and m.name is not distinct from metric.name
        and m.state is not distinct from metric.state $$;
-- Ends the oldest runnable jobs of a queue.
create function pg_temp.ended(queue text, status ganger.job_status, jobs integer) returns bigint language plpgsql as $$
declare
    ids    bigint[];
    leases uuid[];
begin
    select array_agg(c.id order by c.id), array_agg(c.lease_id order by c.id) into ids, leases
    from ganger.claim('w', queues => array[queue], max_jobs => jobs) c;
    return cardinality(ganger._finish(ids, leases, array_fill(status, array[cardinality(ids)])));
end $$;

select is(pg_temp.metric('enqueued'), 0::double precision, 'nothing yet');
select is(pg_temp.metric('ended', null, 'failed'), 0::double precision, 'a status nobody has ended in is told all the same');
select is((select count(*) from (select what, name, state from ganger._metrics() group by 1, 2, 3 having count(*) > 1) x), 0::bigint, 'each once');

select count(ganger.enqueue('t', queue => 'a')) from generate_series(1, 20) \gset
select count(ganger.enqueue('t', queue => 'b', run_at => now() + interval '1 h')) from generate_series(1, 3) \gset
select ganger.enqueue('t', queue => 'b', run_at => now() - interval '100 s') as old \gset
select is(pg_temp.metric('enqueued'), 24::double precision, 'all there are');
select is(pg_temp.metric('queue_jobs', 'a', 'runnable'), 20::double precision, 'runnable');
select is(pg_temp.metric('queue_jobs', 'b', 'scheduled'), 3::double precision, 'scheduled');
select is(pg_temp.metric('queue_jobs', 'b', 'runnable'), 1::double precision, 'of another queue');
select ok(pg_temp.metric('queue_oldest', 'b') between 100 and 160, 'the oldest, by its time');
select ok(pg_temp.metric('queue_oldest', 'a') between 0 and 60, 'and of another queue');

select is(pg_temp.ended('a', 'completed', 10), 10::bigint, 'ten end');
select is(pg_temp.ended('a', 'failed', 4), 4::bigint, 'four fail');
select is(pg_temp.metric('ended', null, 'completed'), 10::double precision, 'counted before they are folded');
select ganger._fold_stats() \gset
select is(pg_temp.metric('ended', null, 'completed'), 10::double precision, 'and after');
select is(pg_temp.metric('enqueued'), 24::double precision, 'who ended was enqueued');

-- what ended comes back, ends again, and is deleted
select ganger.retry_jobs('{"status": "failed"}') as retried \gset
select is(pg_temp.metric('enqueued'), 24::double precision, 'a retried job is no new one');
select ganger._fold_stats() \gset
select is(pg_temp.metric('enqueued'), 24::double precision, 'nor when that is folded');
select is(pg_temp.metric('ended', null, 'failed'), 4::double precision, 'and its failure stays counted');
select is(pg_temp.ended('a', 'completed', 4), 4::bigint, 'they end again');
select is(pg_temp.metric('ended', null, 'completed'), 14::double precision, 'which counts again');
select ganger.cleanup('0 s') as cleaned \gset
select is(array[pg_temp.metric('enqueued'), pg_temp.metric('ended', null, 'completed')], '{24,14}'::double precision[], 'what is deleted stays counted');
select ganger._fold_stats() \gset
select is(array[pg_temp.metric('enqueued'), pg_temp.metric('ended', null, 'completed')], '{24,14}'::double precision[], 'folded as well');

-- many queues
select count(ganger.enqueue('t', queue => 'q' || i)) from generate_series(1, 150) i \gset
select count(ganger.enqueue('t', queue => '(other)')) from generate_series(1, 1000) \gset
select ok((select count(distinct name) from ganger._metrics() where what = 'queue_jobs') <= 101, 'no more than a hundred queues, and the others');
select is((select sum(value) from ganger._metrics() where what = 'queue_jobs'), (select count(*) from ganger.job)::double precision, 'together all jobs');
select is((select count(*) from (select what, name, state from ganger._metrics() group by 1, 2, 3 having count(*) > 1) x), 0::bigint,
    'each once, whatever queues are called');
select ganger.pause_queue('a') \gset
select is(array[pg_temp.metric('queue_paused', 'a'), pg_temp.metric('queue_paused', 'b')], '{1,0}'::double precision[], 'paused');

select * from finish();
