-- SPDX-License-Identifier: MIT
-- What users of other queues rely on, or have met as a trap there: from outside, by the API alone.
select plan(34);

create function pg_temp.job(id bigint) returns setof ganger.jobs language sql volatile as 'select * from ganger.get_job($1)';
create function pg_temp.many(jobs jsonb) returns bigint[] language sql volatile as 'select array_agg(x) from ganger.enqueue_many($1) x';
create function pg_temp.lease(job_type text) returns uuid language sql volatile as $$
    select lease_id from ganger.claim('w', job_types => array[$1]) $$;

-- Payloads and names.
select is(array(select (select j.payload from pg_temp.job(ganger.enqueue('kind', p)) j) from unnest(k) p), k, 'every kind of JSON is a payload')
from (select array['[1,2]', '"x"', 'null', 'true', '1.5', '{}', '[]', '""', '{"a":{"b":[null]}}']::jsonb[] as k) s;
select is(payload, '{}', 'null is the default payload') from pg_temp.job(ganger.enqueue('kind', null));
select ganger.enqueue(repeat('é', 127) || 'x', queue => E'q"\'\\{a,b}\n', group_key => E'g\'"{}',
                      tags => array['a,b', '"', '{}', E'\\']) as odd \gset
select is(c.id, :odd::bigint, 'names of 255 bytes, with quotes and line ends, are claimed')
from ganger.claim('w', array[E'q"\'\\{a,b}\n'], array[repeat('é', 127) || 'x']) c;
select is(j.tags, array['a,b', '"', '{}', E'\\'], 'tags with commas, quotes and braces come back') from ganger.get_job(:odd) j;
select is(ganger.count_jobs(jsonb_build_object('tags', jsonb_build_array('{}', '"'))), 1::bigint, 'and are found');

select is((select count(*) from ganger.list_jobs(null, null, null)), ganger.count_jobs(null), 'null arguments are the defaults');
select ganger.enqueue('null') \g /dev/null
select lease_until > now() + '50 s' as is_default from ganger.claim('w', null, array['null'], null, null) \gset
select ok(:'is_default', 'also of a claim');

-- Keys.
select throws_ok($$ select ganger.enqueue('k', idempotency_key => '') $$, '22023', 'idempotency_key is empty', 'an empty key is no key');
select ganger.enqueue('k', idempotency_key => 'one', max_attempts => 1) as k \gset
select ganger.cancel(:k) \g /dev/null
select is(ganger.enqueue('other', idempotency_key => 'one'), :k::bigint, 'the key of a cancelled job is known');
select ganger.cleanup('0 s') \g /dev/null
select isnt(ganger.enqueue('other', idempotency_key => 'one'), :k::bigint, 'and free when the job is deleted: none is burned for ever');
select pg_temp.many('[{"job_type": "m", "payload": 1, "unique_key": "m", "idempotency_key": "m1"},
                      {"job_type": "m", "payload": 9, "unique_key": "n"},
                      {"job_type": "m", "payload": 2, "unique_key": "m", "on_conflict": "replace", "priority": 3},
                      {"job_type": "m", "unique_key": "m", "on_conflict": "reschedule", "run_at": "2100-01-01"},
                      {"job_type": "m", "payload": 4, "unique_key": "m"}]') as ids \gset
select is((:'ids'::bigint[])[3:5], array_fill((:'ids'::bigint[])[1], array[3]), 'entries of one unique key are one job');
select results_eq($$ select payload, priority, pending_reason, idempotency_key from ganger.jobs where job_type = 'm' order by id $$,
                  $$ values ('2'::jsonb, 3, 'scheduled', 'm1'), ('9'::jsonb, 0, null, null) $$,
                  'replaced, then rescheduled, then left alone; its own idempotency key stays');

-- Tags are sets; no tags is the empty set.
select ganger.enqueue('t', tags => t::text[]) from unnest(array[null, '{}', '{a,b}', '{b,a}', '{a,b,c}']) t \g /dev/null
select is(array(select ganger.count_jobs(jsonb_build_object('job_type', 't', 'tags', jsonb_build_object('values', '["b","a","b"]'::jsonb, 'mode', m)))
                from unnest(array['exact', 'all', 'any', 'none']) m), '{2,3,3,2}', 'order and doubles in tags mean nothing');
select is(array(select ganger.count_jobs(jsonb_build_object('job_type', 't', 'tags', jsonb_build_object('values', '[]'::jsonb, 'mode', m)))
                from unnest(array['exact', 'all', 'any', 'none']) m), '{2,5,0,5}', 'nor is the empty set special');

-- Attempts: no job is left pending that nobody may claim.
select ganger.enqueue('r', max_attempts => 1) as r \gset
select pg_temp.lease('r') as l \gset
select ganger.fail(:r, :'l', 'x') \g /dev/null
select ok(ganger.retry(:r), 'an exhausted job is retried');
select isnt(pg_temp.lease('r'), null, 'and claimed');
select is(max_attempts, 2, 'with one more attempt') from ganger.get_job(:r);
select ganger.enqueue('w', max_attempts => 1) as w \gset
select pg_temp.lease('w') as l \gset
select ganger.create_token() as token \gset
select ganger.wait_for_token(:w, :'l', :'token') \g /dev/null
select ok(ganger.complete_token(:'token', '5'), 'a token that nobody owned is completed');
select pg_temp.lease('w') as l \gset
select is(ganger.wait_for_token(:w, :'l', :'token'), '{"status": "completed", "data": 5}', 'it wakes who waits, at no charge');
select ganger.create_token(job_id => :w) as mine, ganger.create_token() as yours \gset
select ganger.wait_for_token(:w, :'l', :'yours') \g /dev/null
select ganger.complete_token(:'mine') \g /dev/null
select is(status::text, 'waiting', 'another token of the job does not wake it') from ganger.get_job(:w);

-- Writes of a worker that has lost its job change nothing.
select ganger.cancel(:w) \g /dev/null
select is(array[ganger.complete(:w, :'l'), ganger.fail(:w, :'l', 'x'), ganger.heartbeat(:w, :'l'), ganger.set_progress(:w, :'l', 5),
                ganger.set_output(:w, :'l', '1'), ganger.step_put(:w, :'l', 's', '1'), ganger.snooze(:w, :'l', '1 s')],
          array_fill(false, array[7]), 'a stale lease is told so');
select is((select array_agg(e.event) from ganger.job_events(:w) e where e.event in ('completed', 'failed', 'progress')), null, 'and leaves no event');

-- Dependents.
select (pg_temp.many('[{"job_type": "p", "max_attempts": 2, "retry_delay": "0 s"}, {"job_type": "q", "depends_on": [-1]},
                       {"job_type": "q", "depends_on": [-2]}]'))[1] as p \gset
select pg_temp.lease('p') as l \gset
select ganger.fail(:p, :'l', 'x') \g /dev/null
select is(array(select pending_reason from ganger.jobs where job_type = 'q'), '{blocked,blocked}', 'a failure that is retried cancels nobody');
select ganger.maintain() \g /dev/null
select pg_temp.lease('p') as l \gset
select ganger.fail(:p, :'l', 'x') \g /dev/null
select is(array(select (e.data ->> 'root_job_id')::bigint from ganger.jobs j, ganger.job_events(j.id) e
                where j.job_type = 'q' and j.status = 'cancelled' and e.event = 'cancelled'), array[:p, :p]::bigint[],
          'the last one cancels all, one event each');
select throws_ok(format('select ganger.enqueue(''q'', depends_on => array[%s])', :p), '22023',
                 format('depends_on: job %s has ended failed, so this one would never run', :p), 'nobody comes to depend on it');
select throws_ok($$ select ganger.enqueue_many('[{"job_type": "d1", "tags": ["x"], "depends_on_tags": ["y"]},
                                                 {"job_type": "d2", "tags": ["y"], "depends_on_tags": ["x"]}]') $$,
                 '22023', null, 'two that would wait for each other are refused');
select is(ganger.count_jobs('{"job_type": ["d1", "d2"]}'), 0::bigint, 'both');

-- A barrier counts a job that waits for its retry; many barriers of the same tags, and of their own.
select ganger.enqueue('b', tags => '{x,y}', retry_delay => '1 h') as b \gset
select pg_temp.lease('b') as l \gset
select ganger.fail(:b, :'l', 'x') \g /dev/null
select pg_temp.many((select jsonb_agg(jsonb_build_object('job_type', 'bar', 'depends_on_tags',
                     case when i <= 100 then '["x"]' when i <= 200 then '["nobody"]' else '["y", "x"]' end::jsonb))
                     from generate_series(1, 300) i)) \g /dev/null
select results_eq($$ select pending_reason, count(*) from ganger.jobs where job_type = 'bar' group by 1 order by 1 $$,
                  $$ values ('blocked', 200::bigint), (null, 100) $$, 'retrying jobs keep barriers shut, absent ones do not');
select ganger.edit(:b, '{"run_at": null}') \g /dev/null
select ganger.maintain() \g /dev/null
select pg_temp.lease('b') as l \gset
select ganger.complete(:b, :'l') \g /dev/null
select is(ganger.count_jobs('{"job_type": "bar", "status": "pending"}'), 300::bigint, 'none is cancelled by a success');
select is((select count(*) from ganger.jobs where job_type = 'bar' and pending_reason is not null), 0::bigint, 'all are open then');

-- In one transaction, to be rolled back, as a user's own test does.
begin;
select ganger.enqueue('tx', max_attempts => 2, retry_delay => '0 s') as a, ganger.enqueue('g', group_key => 'g') as g \gset
select ganger.enqueue('tx2', depends_on => array[:a]) as d \gset
select pg_temp.lease('tx') as l \gset
select ok(ganger.fail(:a, :'l', 'x'), 'failed');
select ganger.maintain() \g /dev/null
select pg_temp.lease('tx') as l \gset
select ok(ganger.complete(:a, :'l'), 'claimed again and completed');
select is(array[pg_temp.lease('tx2') is not null, pg_temp.lease('g') is not null], '{t,t}', 'its dependent and a grouped job are claimed');
rollback;
select is(ganger.count_jobs('{"job_type": ["tx", "tx2", "g"]}'), 0::bigint, 'and nothing is left');

select * from finish();
