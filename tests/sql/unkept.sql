-- SPDX-License-Identifier: MIT
-- A retention of zero: what is deleted as it ends, what is kept all the same, what is still told and counted.
select plan(17);

select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'p', 1, 1, false) as worker \gset

-- claims all and ends it as a worker of gangerd does
create function pg_temp.work(worker bigint, queues text[] default '{default,own}') returns bigint language plpgsql as $$
declare
    stale bigint[];
    n     bigint;
begin
    select ganger._finish_completed(array_agg(t.id), array_agg(t.lease_id), null, array_agg(5), array_agg(0), null, null, null), count(*)
    into stale, n
    from ganger._take_jobs(worker, 1, null, null, queues, '{plain,odd,later}', 100, null, null) t;
    if stale <> '{}' then
        raise exception 'not accepted: %', stale;
    end if;
    return n;
end $$;

select ganger.enqueue('plain') \g /dev/null
select is(pg_temp.work(:worker), 1::bigint, 'a job runs');
select is((select count(*) from ganger.history), 1::bigint, 'and is kept by default');

select ganger._set_setting('retention_completed', '0');
select ganger.enqueue('plain') from generate_series(1, 3) \g /dev/null
select is(pg_temp.work(:worker), 3::bigint, 'with a retention of zero jobs run');
select is((select count(*) from ganger.history), 1::bigint, 'and are not written to the history');
select is((select count(*) from ganger.job), 0::bigint, 'nor left');
select is_empty('select * from ganger.worker_claim', 'nor is the note of their claim');
select is((ganger.stats('plain') ->> 'completed')::int, 1, 'completed jobs are counted while they are known');
select is((ganger.stats('plain') #>> '{throughput,last_minute}')::int, 4, 'throughput counts all');
select ganger._fold_stats() \g /dev/null
select is((ganger.stats('plain') ->> 'completed')::int, 1, 'the same once folded');
select is((ganger.stats('plain') #>> '{throughput,last_minute}')::int, 4, 'and the throughput');

-- who waits for such a job goes on
select ganger.enqueue('plain') as first \gset
select ganger.enqueue('later', depends_on => array[:first]) as later \gset
select is(pg_temp.work(:worker), 1::bigint, 'the prerequisite runs');
select is((select pending_reason from ganger.get_job(:later)), null, 'its dependent is runnable');

-- what somebody may ask for by its key, its tags, its batch is kept
select pg_temp.work(:worker) \g /dev/null
select ganger.enqueue('odd', idempotency_key => 'k'), ganger.enqueue('odd', tags => '{t}'), ganger.enqueue('odd', group_key => 'g') \g /dev/null
select ganger._work_signals() \g /dev/null
select is(pg_temp.work(:worker), 3::bigint, 'odd jobs run');
select is((select count(*) from ganger.history where job_type = 'odd'), 3::bigint, 'and are kept');

-- a queue's own word goes first
select ganger.set_queue('own', retention => '1 h') \g /dev/null
select ganger.enqueue('plain', queue => 'own') \g /dev/null
select pg_temp.work(:worker) \g /dev/null
select is((select count(*) from ganger.history where queue = 'own'), 1::bigint, 'a queue may keep its jobs');
select ganger._set_setting('retention_completed', '1 day'), ganger.set_queue('own', retention => '0 s') \g /dev/null
select ganger.enqueue('plain', queue => 'own'), ganger.enqueue('plain') \g /dev/null
select pg_temp.work(:worker) \g /dev/null
select is((select count(*) from ganger.history where queue = 'own'), 1::bigint, 'or not');
select is((select count(*) from ganger.history where queue = 'default' and job_type = 'plain'), 2::bigint, 'while the others do');

select * from finish();
