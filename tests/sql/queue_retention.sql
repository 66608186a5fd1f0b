-- SPDX-License-Identifier: MIT
-- How long a queue's ended jobs are kept: shorter or longer than all others.
select plan(15);

create function pg_temp.left_of(queue text) returns bigint language sql as
    $$ select count(*) from ganger.jobs j where j.queue = left_of.queue $$;
-- Ended so long ago: n jobs of a queue, completed or cancelled.
create function pg_temp.ended(n integer, queue text, ago interval, completed boolean default true) returns void language plpgsql as $$
declare
    made constant bigint[] := array(select ganger.enqueue('t', queue => ended.queue) from generate_series(1, n));
begin
    if completed then
        perform ganger.complete(c.id, c.lease_id) from ganger.claim('w', array[queue], max_jobs => n) c;
    else
        perform ganger.cancel(x) from unnest(made) x;
    end if;
    update ganger.history h set finished_at = clock_timestamp() - ago where h.id = any (made);
end $$;

select ganger.set_queue('short', retention => '1 h');
select pg_temp.ended(3, 'short', '2 h'), pg_temp.ended(3, 'default', '2 h'), pg_temp.ended(2, 'short', '2 h', false) \g /dev/null
select pg_temp.ended(1, 'short', '0 s') \g /dev/null
select is(pg_temp.left_of('short'), 6::bigint, 'six of the queue');
select is(ganger._expire_queues(), 5::bigint, 'what is past its retention goes, completed or not');
select is(pg_temp.left_of('short'), 1::bigint, 'what is not stays');
select is(pg_temp.left_of('default'), 3::bigint, 'and so do other queues');
select is(ganger._expire_queues(), 0::bigint, 'nothing is left to do');
update ganger.history set finished_at = clock_timestamp() - interval '61 min' where queue = 'short';
select is((ganger.maintain() ->> 'expired_rows')::bigint, 1::bigint, 'until its time has come');
select is((select (ganger.stats() ->> 'completed')::bigint), 3::bigint, 'the counts follow');
select ganger.set_queue('short');
select pg_temp.ended(2, 'short', '2 h') \g /dev/null
select is(ganger._expire_queues(), 0::bigint, 'without a retention of its own a queue has the general one');

-- many are looked through in stretches, and the mark moves on
select ganger.set_queue('many', retention => '1 min');
select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 't', 'queue', case when i % 2 = 0 then 'many' else 'rest' end))
                            from generate_series(1, 12000) i)) \g /dev/null
select ganger._finish(array_agg(j.id), array_agg(null::uuid), array_agg('cancelled'::ganger.job_status), unheld => true)
from (select id from ganger.job where queue in ('many', 'rest') order by id) j \g /dev/null
update ganger.history set finished_at = clock_timestamp() - interval '1 h' where queue in ('many', 'rest');
select is(ganger._expire_queues('1 min'), 6000::bigint, 'all of the queue');
select is(pg_temp.left_of('rest'), 6000::bigint, 'and no others among them');

-- longer than the others: partitions stay, the others' jobs go one by one
delete from ganger.history; -- history is in the order of time
create table ganger.history_completed2000_01 partition of ganger.history_completed for values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00');
select ganger.set_queue('long', retention => '99 years');
select pg_temp.ended(2, 'long', '0 s'), pg_temp.ended(2, 'default', '0 s') \g /dev/null
delete from ganger.retention_mark;
update ganger.history set finished_at = '2000-01-05 00:00+00' where queue in ('long', 'default') and finished_at > clock_timestamp() - interval '1 min';
select is(ganger._retire_partition(), null, 'no partition is dropped');
select is((select count(*) from ganger.history_completed2000_01), 4::bigint, '(it has jobs of both)');
select is(ganger._expire_queues('1 min'), 2::bigint, 'the jobs of other queues go');
select is(pg_temp.left_of('long'), 2::bigint, 'its own stay');
select ganger.set_queue('long');
select is(ganger._retire_partition(), 'history_completed2000_01', 'without it the partition goes');

select * from finish();
