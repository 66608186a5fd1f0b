-- SPDX-License-Identifier: MIT
-- depends_on and depends_on_tags in one session; test_dependencies.c and test_barriers.c have what several do at once.
select plan(80);

create function pg_temp.stands(which bigint) returns text language sql as
$$ select coalesce((select case when j.status = 'pending' then coalesce(j.pending_reason, 'runnable') else j.status::text end from ganger.job j where j.id = which),
                   (select h.status::text from ganger.history h where h.id = which)) $$;
create function pg_temp.settle() returns void language plpgsql as $$
begin
    while ganger._work_signals() > 0 loop null; end loop;
end $$;
create function pg_temp.run(which bigint, how text default 'completed') returns text language plpgsql as $$
declare
    c record;
begin
    select * into c from ganger.claim('w', job_types => array[(select j.job_type from ganger.job j where j.id = which)], max_jobs => 1);
    if c.id is distinct from which then
        return format('%s was claimed instead', c.id);
    end if;
    perform case how when 'completed' then ganger.complete(c.id, c.lease_id) when 'failed' then ganger.fail(c.id, c.lease_id, 'x', false)
                     else ganger.fail(c.id, c.lease_id, 'x') end;
    return pg_temp.stands(which);
end $$;

-- ---- by id
select ganger.enqueue('p1') as p1, ganger.enqueue('p2', run_at => now() + interval '1 h') as p2 \gset
select ganger.enqueue('d', depends_on => array[:p1, :p2, :p1]) as d \gset
select results_eq(format('select depends_on, pending_reason from ganger.get_job(%s)', :d), format($$ values (array[%s, %s]::bigint[], 'blocked') $$, :p1, :p2), 'each counts once');
select is_empty('select * from ganger.claim(''w'', job_types => ''{d}'')', 'it is not claimed');
select is(pg_temp.run(:p1, 'retry'), 'retry', 'a failure that is retried');
select is(pg_temp.stands(:d), 'blocked', 'is no end');
select ganger.edit(:p1, '{"run_at": null}') \gset
select is(pg_temp.run(:p1), 'completed', 'one completes');
select pg_temp.settle() \gset
select is(pg_temp.stands(:d), 'blocked', 'of two');
select ganger.edit(:p2, '{"run_at": null}') \gset
select is(pg_temp.run(:p2), 'completed', 'both');
select is(pg_temp.stands(:d), 'runnable', 'then it goes on at once');
select is_empty('select * from ganger.dependency', 'and waits for nobody');
select ganger.enqueue('d2', depends_on => array[:p1]) as d2 \gset
select is(pg_temp.stands(:d2), 'runnable', 'a completed prerequisite is none');
select ganger.enqueue('d2', depends_on => '{}') as d3 \gset
select is(pg_temp.stands(:d3), 'runnable', 'nor is an empty list one');
delete from ganger.history where id = :p1;
select is(pg_temp.run(:d), 'completed', 'it runs');
-- refused
select throws_ok('select ganger.enqueue(''d'', depends_on => ''{987654321}'')', '42704', null, 'an unknown prerequisite');
select throws_ok('select ganger.enqueue(''d'', depends_on => ''{-1}'')', '42704', null, 'a reference outside enqueue_many');
select throws_ok('select ganger.enqueue(''d'', depends_on => array[1, null]::bigint[])', '22023', null, 'a null');
select ganger.enqueue('f') as f \gset
select is(pg_temp.run(:f, 'failed'), 'failed', 'a job fails');
select throws_ok(format('select ganger.enqueue(''d'', depends_on => array[%s]::bigint[])', :f), '22023', null, 'and is no prerequisite');
select is((select count(*) from ganger.job where job_type = 'd'), 0::bigint, 'nothing is left of those');
-- enqueue_many
select array_agg(x) as ids from ganger.enqueue_many(format('[{"job_type": "m"}, {"job_type": "m", "depends_on": [-1]}, {"job_type": "m", "depends_on": [-1, -2, %s]}]', :d2)::jsonb) x \gset
select results_eq(format('select depends_on from ganger.jobs where id = any (%L) order by id', :'ids'),
    format('select x from (values (1, null::bigint[]), (2, array[%1$s[1]]), (3, array[%2$s, %1$s[1], %1$s[2]])) v (n, x) order by n', format('(%L::bigint[])', :'ids'), :d2), 'references are earlier entries');
select throws_ok(format('select ganger.enqueue_many(%L)', v), e, null, v) from (values
    ('[{"job_type": "m", "depends_on": [-1]}]', '22023'), ('[{"job_type": "m", "depends_on": [-2]}, {"job_type": "m"}]', '22023'),
    ('[{"job_type": "m"}, {"job_type": "m", "depends_on": [987654321]}]', '42704'), ('[{"job_type": "m", "depends_on": [0]}]', '42704')) x (v, e);
select is((select count(*) from ganger.job where job_type = 'm'), 3::bigint, 'all or none');

-- ---- the cascade
select (:'ids'::bigint[])[1] as m1, (:'ids'::bigint[])[2] as m2, (:'ids'::bigint[])[3] as m3 \gset
select is(pg_temp.run(:m1, 'failed'), 'failed', 'the first one fails for good');
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s]) x', :m2, :m3), $$ values ('cancelled'), ('cancelled') $$, 'the others are cancelled');
select results_eq(format($$ select job_id, data from ganger.event where event = 'cancelled' and job_id = any (%L) order by job_id $$, :'ids'),
    format($$ values (%2$s::bigint, '{"root_job_id": %1$s}'::jsonb), (%3$s, '{"root_job_id": %1$s}') $$, :m1, :m2, :m3), 'each is told by whom, the root');
select is((select last_cancelled_at is not null from ganger.get_job(:m3)), true, 'and when');
select is_empty('select * from ganger.dependency', 'nobody waits');
-- two roots in one statement: each dependent gets one it comes from
select ganger.enqueue('r', run_at => now() + interval '1 h') as r1, ganger.enqueue('r', run_at => now() + interval '1 h') as r2 \gset
select ganger.enqueue('c', depends_on => array[:r1]) as c1, ganger.enqueue('c', depends_on => array[:r2]) as c2 \gset
select ganger.enqueue('c', depends_on => array[:c2]) as c3, ganger.enqueue('c', depends_on => array[:c1, :r2]) as c4, ganger.enqueue('c', run_at => now() + interval '1 h') as c5 \gset
select is(ganger.cancel_jobs('{"job_type": "r"}'), 2::bigint, 'two roots');
select results_eq(format($$ select job_id, (data ->> 'root_job_id')::bigint from ganger.event where event = 'cancelled' and job_id between %s and %s order by job_id $$, :c1, :c4),
    format($$ values (%s::bigint, %s::bigint), (%s, %s), (%s, %s), (%s, %s) $$, :c1, :r1, :c2, :r2, :c3, :r2, :c4, :r2), 'have their own dependents');
select is(pg_temp.stands(:c5), 'scheduled', 'who depends on nobody stays');
-- a dependent that runs is beyond it; one that is scheduled is not
select ganger.enqueue('r', run_at => now() + interval '1 h') as r1 \gset
select ganger.enqueue('c', depends_on => array[:r1], run_at => now() + interval '1 h') as c1 \gset
select is(pg_temp.stands(:c1), 'scheduled', 'a time comes first');
update ganger.job set due_at = now() where id = :c1;
select ganger.maintain() \g /dev/null
select is(pg_temp.stands(:c1), 'blocked', 'then the prerequisites');
select ganger.cancel(:r1) \gset
select is(pg_temp.stands(:c1), 'cancelled', 'cancelled with them');
-- retry: of a dependent alone, of both
select ok(ganger.retry(:c1), 'a cancelled dependent is retried');
select is(pg_temp.stands(:c1), 'runnable', 'whoever has ended is not waited for again');
select ganger.cancel(:c1), ganger.retry(:r1) \gset
select ok(ganger.retry(:c1), 'after its prerequisite was retried');
select is(pg_temp.stands(:c1), 'blocked', 'it waits for that');
select is(pg_temp.run(:r1), 'completed', 'and goes on');
select is(pg_temp.run(:c1), 'completed', 'after it');
-- of a retried one what had ended is left behind for good: nobody would be told that it has ended again
select ganger.enqueue('q1') as q1, ganger.enqueue('q2') as q2 \gset
select ganger.enqueue('c2', depends_on => array[:q1, :q2]) as c2 \gset
select is(pg_temp.run(:q1, 'failed'), 'failed', 'one of two prerequisites fails');
select ok(ganger.retry(:c2), 'the dependent is retried first');
select ok(ganger.retry(:q1), 'then what had failed');
select is(pg_temp.stands(:c2), 'blocked', 'it waits for the other one');
select is(ganger.explain_job(:c2), format('Job %s is blocked: it waits until job %s has completed.', :c2, :q2), 'and says so');
select is(pg_temp.run(:q2), 'completed', 'which ends');
select is(pg_temp.stands(:c2), 'runnable', 'it goes on, while the first is live again');
select is(pg_temp.run(:c2) || pg_temp.run(:q1), 'completedcompleted', 'all are done');
-- nor does it close a circle
select ganger.enqueue('q3', tags => '{q3}') as q3, ganger.enqueue('q4') as q4 \gset
select ganger.enqueue('q5', depends_on_tags => '{q3}') as q5 \gset
select ganger.enqueue('c3', depends_on => array[:q4, :q5], tags => '{c3}') as c3 \gset
select ganger.cancel(:q5), ganger.retry(:c3), ganger.retry(:q5) \gset
select lives_ok($$ select ganger.enqueue('q6', tags => '{q3}', depends_on_tags => '{c3}') $$, 'it does not wait for that one any more');
select ganger.cancel(j.id) from ganger.jobs j where j.job_type ~ '^[qc][3-6]' and j.status = 'pending' \g /dev/null
-- a barrier that was retried waits for one that had waited for it, and is cancelled with that
select ganger.enqueue('q7', tags => '{q7}') as q7, ganger.enqueue('b7', depends_on_tags => '{q7}') as b7 \gset
select ganger.enqueue('c7', depends_on => array[:b7], tags => '{q7}') as c7 \gset
select ganger.cancel(:b7), pg_temp.run(:q7), ganger.retry(:c7) \gset
select id as c7, lease_id as c7_lease from ganger.claim('w', job_types => '{c7}') \gset
select ok(ganger.retry(:b7), 'a barrier is retried');
select is(pg_temp.stands(:b7), 'blocked', 'while one runs that had waited for it');
select ganger.fail(:c7, :'c7_lease', 'x', false) \gset
select pg_temp.settle() \gset
select is(pg_temp.stands(:b7), 'cancelled', 'it goes with that');

-- ---- by tags
select ganger.enqueue('t1', tags => '{a,b}') as t1, ganger.enqueue('t2', tags => '{a}') as t2 \gset
select ganger.enqueue('b', depends_on_tags => '{a,b}', tags => '{a,b}') as b1, ganger.enqueue('b2', depends_on_tags => '{a}') as b2, ganger.enqueue('b3', depends_on_tags => '{zzz}') as b3 \gset
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s, %s]) x', :b1, :b2, :b3), $$ values ('blocked'), ('blocked'), ('runnable') $$, 'barriers');
select is(pg_temp.run(:t1, 'retry'), 'retry', 'a job that is retried');
select pg_temp.settle(), ganger._recheck_barriers() \gset
select is(pg_temp.stands(:b1), 'blocked', 'counts as live');
select ganger.edit(:t1, '{"run_at": null}') \gset
select is(pg_temp.run(:t1), 'completed', 'it ends');
select is(pg_temp.stands(:b1), 'runnable', 'all the tags are gone, its own do not count');
select is(pg_temp.stands(:b2), 'blocked', 'others have that one');
select is(pg_temp.run(:t2), 'completed', 'one of them ends');
select is(pg_temp.stands(:b2), 'blocked', 'not the last');
select is(pg_temp.run(:b1), 'completed', 'the other barrier was');
select is(pg_temp.stands(:b2), 'runnable', 'now it goes on');
select ganger.enqueue('t1', tags => '{a}') as t1 \gset
select ganger.enqueue('b', depends_on_tags => '{a}', tags => '{x}') as b1 \gset
select ganger.enqueue('b', depends_on_tags => '{x}') as b4, ganger.enqueue('c', depends_on => array[:b1]) as c1 \gset
select is(pg_temp.run(:t1, 'failed'), 'failed', 'one that fails');
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s, %s]) x', :b1, :b4, :c1), $$ values ('cancelled'), ('cancelled'), ('cancelled') $$, 'takes its barriers along, and theirs');
select is((select count(*) from ganger.event where event = 'cancelled' and data = jsonb_build_object('root_job_id', :t1::bigint)), 3::bigint, 'with the root');

-- ---- circles
select ganger.enqueue('q', depends_on_tags => '{k}', tags => '{l}', run_at => now() + interval '1 h'), ganger.enqueue('q', tags => '{k}', run_at => now() + interval '1 h') as hold \gset
update ganger.job set due_at = now() where depends_on_tags = '{k}';
select ganger.maintain() \g /dev/null
select throws_ok($$ select ganger.enqueue('q', depends_on_tags => '{l}', tags => '{k}') $$, '22023', null, 'two barriers that would wait for each other');
select ganger.cancel(:hold) \gset
-- a job with the tag that waits by id for the barrier on it: the barrier goes first
select ganger.enqueue('hold', tags => '{k}') as hold \gset
select ganger.enqueue('bar', depends_on_tags => '{k}') as bar \gset
select ganger.enqueue('mid', depends_on => array[:bar]) as mid \gset
select ganger.enqueue('tail', depends_on => array[:mid], tags => '{k}') as tail \gset
select is(pg_temp.run(:hold), 'completed', 'what really kept the barrier');
select pg_temp.settle() \gset
select is(pg_temp.stands(:bar), 'runnable', 'who waits for a barrier does not keep it');
select is(pg_temp.run(:bar) || pg_temp.run(:mid) || pg_temp.run(:tail), 'completedcompletedcompleted', 'all of them run');
-- and its end does not cancel it
select ganger.enqueue('hold', tags => '{k}') as hold \gset
select ganger.enqueue('bar', depends_on_tags => '{k}') as bar \gset
select ganger.enqueue('tail', depends_on => array[:bar], tags => '{k}') as tail \gset
select ganger.cancel(:tail) \gset
select is(pg_temp.stands(:bar), 'blocked', 'a barrier is not cancelled with one that waits for it');
select is(pg_temp.run(:hold), 'completed', 'what it waits for ends');
select is(pg_temp.stands(:bar), 'runnable', 'it goes on');
select ganger.cancel(:bar) \gset
-- three barriers in a circle, which edits have closed: the oldest goes first
select ganger.enqueue('h1', tags => '{u}') as h1, ganger.enqueue('h2', tags => '{v}') as h2, ganger.enqueue('h3', tags => '{w}') as h3 \gset
select ganger.enqueue('x1', depends_on_tags => '{u}') as x1, ganger.enqueue('x2', depends_on_tags => '{v}') as x2, ganger.enqueue('x3', depends_on_tags => '{w}') as x3 \gset
select ganger.edit(:x1, '{"tags": ["w"]}'), ganger.edit(:x2, '{"tags": ["u"]}'), ganger.edit(:x3, '{"tags": ["v"]}') \gset
select is(pg_temp.run(:h1) || pg_temp.run(:h2) || pg_temp.run(:h3), 'completedcompletedcompleted', 'what they waited for besides');
select pg_temp.settle() \gset
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s, %s]) x', :x1, :x2, :x3), $$ values ('runnable'), ('blocked'), ('blocked') $$, 'the oldest of a circle goes first');
select is(pg_temp.run(:x1), 'completed', 'it ends');
select pg_temp.settle() \gset
select results_eq(format('select pg_temp.stands(x) from unnest(array[%s, %s]) x', :x2, :x3), $$ values ('blocked'), ('runnable') $$, 'then the one that waited for it');
select is(pg_temp.run(:x3) || pg_temp.run(:x2), 'completedcompleted', 'and the last');
select is_empty($$ select id from ganger.job where pending_reason = 'blocked' and depends_on_tags <> '{k}' $$, 'nobody is stuck');

-- A function in SQL that has settings is planned at each call, which costs more than what it does.
select is_empty($$ select p.proname from pg_proc p join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'ganger'::regnamespace and l.lanname <> 'plpgsql' and p.proname = any (array[
        '_follow_end', '_follow_dependents', '_release_dependents', '_unblocked', '_bad_prerequisites', '_drop_unique_keys',
        '_bury_dead_letters', '_call_hooks', '_open_gates', '_make_runnable', '_finish', '_take_jobs', '_running_job', '_node_name']) $$,
    'what is called at each end of a job keeps its plan');

select * from finish();
