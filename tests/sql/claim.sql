-- SPDX-License-Identifier: MIT
-- claim: order, filters, bounds, what it writes; claims of gangerd's workers.
select plan(82);

create function pg_temp.claimed(n integer, variadic queues text[] default '{default}') returns text[] language sql as
    $$ select array_agg(payload #>> '{}') from ganger.claim('w', queues, max_jobs => n) $$;
create function pg_temp.put(name text, job_type text default 't', queue text default 'default', priority integer default 0)
returns bigint language sql as $$ select ganger.enqueue(job_type, to_jsonb(name), queue, priority) $$;

select is_empty($$ select * from ganger.claim('w') $$, 'nothing to claim');

-- one job: what is returned, what is written
create temp table j as select ganger.enqueue('mail', '{"a": 1}', priority => 3, tags => '{x}', owner => 'bob', metadata => '{"m": 1}',
    timeout => '9 s') as id;
create temp table c as select * from ganger.claim('w1');
select results_eq($$ select c.id, job_type, payload, attempt, max_attempts, queue, priority, timeout from c $$,
    $$ select id, 'mail', '{"a": 1}'::jsonb, 1, 3, 'default', 3, '9 s'::interval from j $$, 'what is returned, first part');
select results_eq($$ select tags, group_key, owner, metadata from c $$,
    $$ values ('{x}'::text[], null::text, 'bob', '{"m": 1}'::jsonb) $$, 'what is returned, second part');
select ok((select lease_id is not null and lease_until between now() + interval '55 s' and now() + interval '65 s' from c),
    'a lease of 60 s');
select results_eq($$ select status, attempts, worker, node, pending_reason from ganger.jobs $$,
    $$ values ('processing', 1, 'w1', null::text, null::text) $$, 'the job is processing, its attempt counted');
select ok((select started_at >= created_at from ganger.jobs), 'and has a start');
select results_eq($$ select attempt, outcome, worker, started_at is not null, finished_at is null from ganger.attempts $$,
    $$ values (1, null::text, 'w1', true, true) $$, 'a running attempt');
select is_empty($$ select * from ganger.claim('w2') $$, 'nobody claims it again');

-- order: FIFO, across types too
select pg_temp.put(n, t) from (values ('1', 'a'), ('2', 'b'), ('3', 'a'), ('4', 'c'), ('5', 'b')) x (n, t);
select is(array[pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1)],
    array[['1'], ['2'], ['3'], ['4'], ['5']], 'one by one: first in, first out, whatever the type');
select pg_temp.put(i::text) from generate_series(1, 10) i;
select is(pg_temp.claimed(10), (select array_agg(i::text) from generate_series(1, 10) i), 'a batch in order');
-- the same when the lanes are active, not only signalled
select lives_ok('select ganger._advance()', 'the frontier duty runs');
select pg_temp.put(n, t) from (values ('1', 'a'), ('2', 'b'), ('3', 'a'), ('4', 'c'), ('5', 'b')) x (n, t);
select is(array[pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1), pg_temp.claimed(1)],
    array[['1'], ['2'], ['3'], ['4'], ['5']], 'the same with active lanes');

-- order: priority
select pg_temp.put('p' || p, priority => p) from unnest(array[0, 5, -3, 32767, -32768]) p;
select pg_temp.put('p5b', 'other', priority => 5);
select is(pg_temp.claimed(10), '{p32767,p5,p5b,p0,p-3,p-32768}', 'higher priority first, then age');

-- order: returned jobs first, within their priority
select pg_temp.put('r1'), pg_temp.put('r2');
create temp table r1 as select * from ganger.claim('w');
select pg_temp.put('r3'), pg_temp.put('r4', priority => 1);
select ok(ganger.snooze(id, lease_id, '0 s'), 'r1 is given back') from r1;
select is(pg_temp.claimed(10), '{r4,r1,r2,r3}', 'priority, then what came back, then the rest');

-- filters
select pg_temp.put('q1', 'a', 'q1'), pg_temp.put('q2', 'b', 'q2'), pg_temp.put('d', 'a');
select is(pg_temp.claimed(10, 'q1'), '{q1}', 'only its queue');
select is((select array_agg(payload #>> '{}') from ganger.claim('w', '{q1,q2,default}', '{b,c}', 10)), '{q2}', 'only its types');
select is_empty($$ select from ganger.claim('w', '{q1,q2}', max_jobs => 10) $$, 'nothing is left there');
select is_empty($$ select from ganger.claim('w', '{default}', '{}', 10) $$, 'no types: nothing');
select is((select array_agg(payload #>> '{}') from ganger.claim('w', null, null, 10)), '{d}', 'null queues: the default one');

-- what is not runnable is not claimed
select ganger.enqueue('t', run_at => now() + interval '1 h') \gset
select is_empty($$ select from ganger.claim('w', max_jobs => 10) $$, 'a scheduled job is not claimed');
select ganger.enqueue('paused') \gset
select ganger.pause_job_type('paused') \gset
select is_empty($$ select from ganger.claim('w', max_jobs => 10) $$, 'nor one of a paused type');
select ganger.resume_job_type('paused') \gset
select is((select count(*) from ganger.claim('w', max_jobs => 10)), 1::bigint, 'which is claimed when it goes on');

-- many lanes: all are served
select pg_temp.put(i::text, 'type' || i % 50) from generate_series(1, 200) i;
select is((select count(*) from (select ganger.claim('w', max_jobs => 7) from generate_series(1, 40)) x), 200::bigint,
    'more than 32 lanes: everything is claimed');

-- many lanes of few jobs: first in, first out across types, by signals and then by active lanes
create function pg_temp.one_by_one(n integer) returns text language sql as
    $$ select string_agg(array_to_string(pg_temp.claimed(1, 'wide'), ''), ' ') from generate_series(1, n) $$;
create function pg_temp.wide() returns text language plpgsql as $$
begin
    perform pg_temp.put(i::text, 'wide' || i * 7 % 40, 'wide') from generate_series(1, 40) i;
    return pg_temp.one_by_one(40);
end $$;
create temp table wide as select string_agg(i::text, ' ' order by i) as wanted from generate_series(1, 40) i;
select is(pg_temp.wide(), wanted, '40 types of one job each, in order') from wide;
select pg_temp.put(i::text, 'wide' || i * 7 % 40, 'wide') from generate_series(1, 40) i \g /dev/null
select ganger._advance() \g /dev/null
select ok((select min(frontier) > 0 from ganger.lane where queue = 'wide'), 'a new lane gets its frontier at its first pass');
select is(pg_temp.one_by_one(40), wanted, 'in order from active lanes') from wide;
select is(pg_temp.wide(), wanted, 'and once more') from wide;
-- priority holds exactly, also behind the first 64 lanes
select pg_temp.put('high', 'p' || i, 'prio', 2) from generate_series(1, 50) i \g /dev/null
select pg_temp.put('mid', 'p' || i, 'prio', 1) from generate_series(1, 50) i \g /dev/null
select pg_temp.put('low', 'p' || i, 'prio', 0) from generate_series(1, 50) i \g /dev/null
select is((select string_agg(run.name || run.n, ' ' order by run.first) from (select name, count(*) as n, min(place) as first
    from unnest(pg_temp.claimed(150, 'prio')) with ordinality c (name, place) group by name) run), 'high50 mid50 low50', 'priorities in 150 lanes');

-- idle lanes cost a claim nothing
select is((select count(*) from pg_index i where i.indrelid = 'ganger.lane'::regclass
    and pg_get_expr(i.indpred, i.indrelid) ~ 'idle'), 1::bigint, 'there is an index of lanes that are not idle');
vacuum ganger.lane;
begin;
select pg_stat_get_xact_tuples_hot_updated('ganger.lane'::regclass) as before \gset
update ganger.lane set frontier = frontier + 1, seen_at = clock_timestamp()
where lane_id = ganger._lane_id('default', 0, 't', false);
select is(pg_stat_get_xact_tuples_hot_updated('ganger.lane'::regclass) - :before, 1::bigint, 'which a step of a frontier leaves alone');
rollback;

-- lanes that were idle for a day are forgotten, and come back
select ganger.enqueue('gone', queue => 'lanes'), ganger.enqueue('kept', queue => 'lanes'), ganger.enqueue('held', queue => 'lanes') \g /dev/null
select ganger._advance() \g /dev/null
select ganger.complete(id, lease_id) from ganger.claim('w', '{lanes}', max_jobs => 3) \g /dev/null
update ganger.lane set state = 'idle', seen_at = now() - interval '2 days' where job_type = 'gone';
select is(ganger._forget_lanes(), 1, 'one lane is idle for long');
select is((select string_agg(job_type, ' ' order by job_type) from ganger.lane where queue = 'lanes'), 'held kept', 'the others stay');
select pg_temp.put('back', 'gone', 'lanes');
select is((select count(*) from ganger.lane_signal where queue = 'lanes'), 1::bigint, 'its next job signals');
select is(pg_temp.claimed(1, 'lanes'), '{back}', 'and is claimed');

-- bounds
select throws_ok(format('select ganger.claim(%s)', v[1]), v[2], null, v[1]) from (values
    (array['null', '22023']), (array[$$''$$, '22023']), (array[$$repeat('x', 256)$$, '22023']),
    (array[$$'w', max_jobs => 0$$, '22003']), (array[$$'w', max_jobs => 1001$$, '22003']),
    (array[$$'w', lease => '0.5 s'$$, '22003']), (array[$$'w', lease => '2 days'$$, '22003'])) x (v);

-- gangerd's workers
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'default', 11, 1, false) as worker \gset
select pg_temp.put('i' || i) from generate_series(1, 5) i;
create temp table taken as
select * from ganger._take_jobs(:worker, 1, null, null, '{default}', '{t}', 3, null, null);
select is((select array_agg(payload #>> '{}') from taken), '{i1,i2,i3}', 'in order');
select results_eq(format('select worker, node, count(*) from ganger.jobs where worker = %L group by 1, 2', :worker),
    format($$ values (%L, 'n', 3::bigint) $$, :worker), 'held by the worker');
select ok((select bool_and(t.seq = j.id) from taken t join ganger.job j using (id)), 'with the seq they had');
select is((select count(*) from ganger._take_jobs(:worker, 1, null, null, '{default}', '{other}', 3, null, null)), 0::bigint,
    'types it lacks are not claimed');
-- hints
select is((select array_agg(payload #>> '{}') from ganger._take_jobs(:worker, 1, null, null, '{default}', '{t}', 1,
    array[(select max(lane_id) from taken)], array[(select max(seq) + 2 from taken)])), '{i5}', 'a hint skips what is before it');
select is((select array_agg(payload #>> '{}') from ganger._take_jobs(:worker, 1, null, null, '{default}', '{t}', 1,
    '{1,2}', '{99999999,99999999}')), '{i4}', 'hints of other lanes change nothing');
select pg_temp.put('i6');
select lives_ok(format('select ganger._mark_worker_dead(%s)', :worker), 'the worker dies');
select throws_ok(format($$ select ganger._take_jobs(%s, 1, null, null, '{default}', '{t}', 1, null, null) $$, :worker), 'GG001', null,
    'a dead worker''s claim is refused');
select throws_ok($$ select ganger._take_jobs(12345, 1, null, null, '{default}', '{t}', 1, null, null) $$, 'GG001', null,
    'and an unknown one''s');
select is((select count(*) from ganger.claim('w', job_types => '{t}')), 1::bigint, 'the job they could not have is there for others');

-- has_work
select pg_temp.put('h', 'seldom');
select ok(ganger._has_work('{default}', '{seldom}'), 'there is work by a signal');
select ganger._advance() \gset
select ok(ganger._has_work('{default}', '{seldom,t}'), 'there is work in an active lane');
select ok(not ganger._has_work('{default}', '{t}'), 'none for other types');
select ok(not ganger._has_work('{q1}', '{seldom}'), 'none for other queues');

-- a claim that is rolled back charges nothing
begin;
select id from ganger.claim('w', job_types => '{seldom}') \gset
rollback;
select results_eq($$ select status, attempts, worker, started_at from ganger.jobs where job_type = 'seldom' $$,
    $$ values ('pending', 0, null::text, null::timestamptz) $$, 'rolled back, the claim never was');

-- what makes a worker's claim cheap: no index names what it writes, and its batch has one lease and one note of it
select is_empty($$
    select i.relname, a.attname from pg_depend d join pg_class i on i.oid = d.objid and i.relkind = 'i'
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_class'::regclass and d.refobjid = 'ganger.job'::regclass
      and a.attname in ('status', 'lease_id', 'worker_id', 'started_at', 'attempts', 'worker_name') $$,
    'no index of the jobs has a column that a claim by gangerd changes: it is a HOT update');
select ganger._register_node('hot', 'h', 'b', 1, 1, '60 s', '0') as hot_node \gset
select ganger._register_worker(:hot_node, 'p', 1, 1, false) as hot_worker \gset
select pg_temp.put('hot', 'hot') from generate_series(1, 3) \g /dev/null
create temp table hot as select * from ganger._take_jobs(:hot_worker, 1, null, null, '{default}', '{hot}', 10, null, null);
select results_eq(format('select job_ids from ganger.worker_claim where worker_id = %s', :hot_worker),
                  'select array_agg(id order by seq) from hot', 'one note names the batch');
select is((select count(ganger._forget_claims()) from ganger.worker_claim where worker_id = :hot_worker), 1::bigint, 'and stays while any of it runs');
select ganger._finish_completed(array_agg(id), array_agg(lease_id), array['1', '2', '3'], null, null, null, null, null) from hot \g /dev/null
select is_empty(format('select * from ganger.worker_claim where worker_id = %s', :hot_worker), 'the end of the batch takes it away');

-- many lanes: what a claim has found empty it tells the next one
select ganger._register_worker(:hot_node, 'p', 2, 1, false) as deep \gset
select pg_temp.put('d' || i, 'd' || i, 'deep') from generate_series(1, 300) i \g /dev/null
select ganger._advance() \gset
update ganger.lane l set frontier = j.seq from ganger.job j where j.lane_id = l.lane_id and l.queue = 'deep'; -- as far as it may be
create function pg_temp.deep(worker bigint, n integer, seen jsonb) returns table (id bigint, payload jsonb, place bigint) language sql as $$
    select t.id, t.payload, coalesce(t.place, n + 1)
    from ganger._take_jobs(worker, 1, null, null, '{deep}', array(select 'd' || i from generate_series(1, 300) i), n, null, null, seen) t $$;
create temp table deep as select * from pg_temp.deep(:deep, 100, '{}');
select is((select array_agg(payload #>> '{}' order by place) from deep where id is not null),
          (select array_agg('d' || i order by i) from generate_series(1, 100) i), 'behind the 64th lane all goes by age, too');
select ok((select payload ? 'seq' from deep where id is null and place = 101), 'and the last row is for the next claim');
select payload as seen from deep where id is null \gset
select pg_temp.put('new', 'd7', 'deep') \g /dev/null
begin;
select is((select array_agg(payload #>> '{}' order by place) from pg_temp.deep(:deep, 2, null) where id is not null), '{new,d101}', 'without it: what has come in front is first');
rollback;
begin;
select is((select array_agg(payload #>> '{}' order by place) from pg_temp.deep(:deep, 2, :'seen'::jsonb || '{"seq": 9999999}') where id is not null),
          '{d101,d102}', 'it is believed: lanes before that place are looked into from that number on only');
rollback;
begin;
select results_eq(format('select count(id), max((payload ->> %L)::integer) filter (where id is null) from pg_temp.deep(%s, 1000, %L)', 'rank', :deep, :'seen'),
                  'values (201::bigint, -65537)', 'and that none has any left');
rollback;
select is((select payload ->> 'depth' from deep where id is null), '100', 'it says how many lanes that were');
-- while nothing is made runnable but by its enqueue, only what was enqueued is looked for
select :'seen'::jsonb || '{"calm": true}' as calm, pg_current_xact_id() as xid \gset
begin;
select is((select array_agg(payload #>> '{}' order by place) from pg_temp.deep(:deep, 2, :'calm') where id is not null), '{new,d101}', 'by its id');
rollback;
begin;
select pg_temp.put('low', 'd8', 'deep', -1), pg_temp.put('high', 'd9', 'deep', 1), ganger._advance() \g /dev/null
select is((select a[1:3] || a[202:] from (select array_agg(payload #>> '{}' order by place, n) as a
                                          from (select *, row_number() over () as n from pg_temp.deep(:deep, 1000, :'calm')) x where id is not null) y),
          '{high,new,d101,d300,low}', 'of a higher priority before all, of a lower one behind the last');
rollback;
begin;
select ganger.enqueue('d3', '"late"', 'deep', run_at => now() + interval '1 hour') as late \gset
select max(t) as last from unnest(ganger._take_seqs(5000)) t \gset
select ganger.edit(:late, '{"run_at": null}') \g /dev/null
select :'calm'::jsonb || jsonb_build_object('seq', :last) as older,
       :'calm'::jsonb || jsonb_build_object('seq', :last, 'made', pg_sequence_last_value('ganger.made_runnable')) as later \gset
select is((select payload #>> '{}' from pg_temp.deep(:deep, 1, :'later') where id is not null), 'd101', 'no other');
savepoint a;
select is((select payload #>> '{}' from pg_temp.deep(:deep, 1, :'later'::jsonb || '{"calm": false}') where id is not null), 'late',
          'before it is known that nothing else can come all lanes are looked into');
rollback to a;
select is((select payload #>> '{}' from pg_temp.deep(:deep, 1, :'older') where id is not null), 'late', 'so they are when something was made runnable');
rollback to a;
select enqueue from (select count(ganger.enqueue('d1', queue => 'deep', run_at => now() + interval '1 hour')) as enqueue from generate_series(1, 3000)) x \g /dev/null
select is((select payload #>> '{}' from pg_temp.deep(:deep, 1, :'later') where id is not null), 'late', 'and when more has come than is to be read one by one');
rollback;
-- that is known when all have ended that were running as it was first found so: they have lower numbers than the claim after that one
create function pg_temp.told(worker bigint, seen jsonb) returns jsonb language sql as
    $$ select payload from pg_temp.deep(worker, 100, seen) where id is null $$;
select :'seen'::jsonb || jsonb_build_object('made', pg_sequence_last_value('ganger.made_runnable')) as seen_now \gset
select results_eq(format('select %1$L::jsonb ->> %2$L, %1$L::jsonb ->> %3$L', :'seen', 'calm', 'made_xid'), $$ values ('false', null) $$, 'not by the first claim');
begin;
select ok(t ->> 'calm' = 'false' and t ->> 'made_xid' = pg_current_xact_id()::text, 'nor by the second') from pg_temp.told(:deep, :'seen_now') t;
rollback;
begin;
select is(pg_temp.told(:deep, :'seen_now'::jsonb || '{"made_xid": "3"}') - array['lane', 'rank', 'frontier', 'seq', 'made', 'depth'], '{"calm": true, "made_xid": "3"}', 'but by a later one');
rollback;
begin;
select is(pg_temp.told(:deep, :'seen_now'::jsonb || jsonb_build_object('made_xid', (:xid + 1000000)::text)) ->> 'calm', 'false', 'that is not one while they run');
rollback;
begin;
select is(pg_temp.told(:deep, :'seen_now'::jsonb || '{"made_xid": "3", "made": 0}') - array['lane', 'rank', 'frontier', 'seq', 'made', 'depth'], '{"calm": false, "made_xid": null}',
          'and all begins anew where it has moved');
rollback;
create temp table deeper as select * from pg_temp.deep(:deep, 150, :'seen');
select is((select array_agg(payload #>> '{}' order by place) from deeper where id is not null),
          (select array['new'] || array_agg('d' || i order by i) from generate_series(101, 249) i), 'with it: the same jobs as without');
select is((select (payload ->> 'rank')::integer from deeper where id is null), 0, 'and it goes on from lane to lane');
select ganger.pause_job_type('d1') \g /dev/null
select is((select array_agg(payload #>> '{}' order by place) from pg_temp.deep(:deep, 2, (select payload from deeper where id is null))), '{d250,d251}',
          'while something else decides, too, nothing is told');
select ganger.resume_job_type('d1') \g /dev/null
select is((select count(id) from pg_temp.deep(:deep, 1000, (select payload from deeper where id is null))), 49::bigint, 'all are taken');

select * from finish();
