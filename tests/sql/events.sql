-- SPDX-License-Identifier: MIT
-- read_events(): what it tells, in which order, and where it ends. test_events.c has it beside late commits.
select plan(24);

create function pg_temp.feed(after bigint default null, max_rows integer default 1000) returns text language sql as $$
    select string_agg(job_id || ' ' || event, ', ' order by n)
    from ganger.read_events(after, max_rows) with ordinality f (event_id, job_id, event, at, data, n) $$;
-- until nothing can appear any more at or below the last number there is
create function pg_temp.seal() returns void language plpgsql as $$ begin perform ganger._advance(); end $$;

select is(pg_temp.feed(), null, 'nothing has happened');
select ganger.enqueue('a', queue => 'q') as a \gset
select is(pg_temp.feed(), null, 'what an epoch still open holds is not told');
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select is(pg_temp.feed(), :'a' || ' added', 'until it is sealed');
select is(ganger.last_event_id() >= :a, true, 'the mark');
select ganger.last_event_id() as mark \gset

select ganger.enqueue('b') as b \gset
select ganger.enqueue('c') as c \gset
create temp table held as select * from ganger.claim('w', queues => '{q,default}', max_jobs => 10);
select ganger.set_progress(id, lease_id, 50) from held where id = :a \g /dev/null
select ganger.complete(id, lease_id, '7') from held where id = :a \g /dev/null
select ganger.fail(id, lease_id, 'no', false) from held where id = :b \g /dev/null
select ganger.snooze(id, lease_id, '1 h') from held where id = :c \g /dev/null
select ganger.cancel(:c) \g /dev/null
select ganger.retry(:b) \g /dev/null
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select pg_temp.seal() \g /dev/null
select is(pg_temp.feed(:mark), format('%2$s added, %3$s added, %1$s progress, %1$s completed, %2$s failed, %3$s waiting, %3$s cancelled, %2$s retried',
    :a, :b, :c), 'all in their order, those of a retried job too');
select is((select count(*) from ganger.read_events(:mark) where event_id <= :mark), 0::bigint, 'after the mark');
select is((select array_agg(event_id) from ganger.read_events(null)), (select array_agg(event_id order by event_id) from ganger.read_events(null)), 'ascending');
select results_eq('select event_id, event, at, data, job_id from ganger.read_events(null) order by job_id, event_id',
    $$ select e.id, e.event, e.at, e.data, e.job_id from unnest(array[$$ || :a || ',' || :b || ',' || :c || $$]::bigint[]) j (id),
       ganger.job_events(j.id) e where e.event <> 'processing' order by e.job_id, e.id $$, 'what job_events says of each');
select is((select data from ganger.read_events(0) where event = 'added' limit 1), '{"job_type": "a", "queue": "q"}'::jsonb, 'type and queue');
select is(pg_temp.feed(null), pg_temp.feed(0), 'null is the beginning');
select is(pg_temp.feed(-5), pg_temp.feed(0), 'as is all before it');
select is(pg_temp.feed(ganger.last_event_id()), null, 'nothing after the end');
select is(pg_temp.feed(9223372036854775807), null, 'nor far behind it');

-- page by page
create function pg_temp.paged(size integer) returns bigint[] language plpgsql as $$
declare
    got  bigint[] := '{}';
    page bigint[];
begin
    loop
        page := array(select event_id from ganger.read_events(got[cardinality(got)], size));
        exit when cardinality(page) = 0;
        got := got || page;
    end loop;
    return got;
end $$;
select is(pg_temp.paged(size), array(select event_id from ganger.read_events(0)), 'pages of ' || size) from unnest(array[1, 2, 3, 10000]) size;

select throws_ok('select * from ganger.read_events(0, 0)', '22003', 'max_rows must be between 1 and 10000, not 0', 'no rows');
select throws_ok('select * from ganger.read_events(0, 10001)', '22003', 'max_rows must be between 1 and 10000, not 10001', 'too many');
select lives_ok('select * from ganger.read_events(0, null)', 'null is the default');

-- a pass that is rolled back has sealed nothing
select ganger.enqueue('d') as d \gset
select ganger.last_event_id() as mark \gset
begin;
select ganger._advance() \g /dev/null
rollback;
begin;
select ganger._advance() \g /dev/null
rollback;
select is(ganger.last_event_id(), :mark::bigint, 'a pass that was rolled back');
select ganger._advance() \g /dev/null
select ok(ganger.last_event_id() >= :d, 'one pass is enough for what nobody holds any more');

-- deleted jobs take theirs along
select ganger.cleanup('0 s') \g /dev/null
select is((select count(*) from ganger.read_events(0) where job_id in (:a, :c)), 0::bigint, 'what is forgotten is not told');
select ok((select count(*) > 0 from ganger.read_events(0) where job_id = :b), 'the rest is');

select * from finish();
