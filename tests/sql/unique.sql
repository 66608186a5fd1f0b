-- SPDX-License-Identifier: MIT
-- Unique keys: who has one, what a conflict does, when one is free again. Under concurrency: test_unique.c.
select plan(50);

create function pg_temp.put(key text, on_conflict text default 'ignore', payload text default '0', owner text default null) returns bigint
language sql as $$ select ganger.enqueue('t', payload::jsonb, unique_key => key, on_conflict => on_conflict, owner => owner) $$;
create function pg_temp.holder(key text) returns bigint language sql as $$ select max(job_id) from ganger.job_key where kind = 'unique' and job_key.key = holder.key $$;

-- what is accepted
select throws_ok($$ select ganger.enqueue('t', unique_key => '') $$, '22023', 'unique_key is empty');
select throws_ok($$ select ganger.enqueue('t', unique_key => repeat('x', 256)) $$, '22023', 'unique_key is 256 bytes long; at most 255 are allowed');
select throws_ok($$ select ganger.enqueue('t', on_conflict => 'replace') $$, '22023', 'on_conflict without unique_key');
select throws_ok($$ select ganger.enqueue('t', unique_key => 'k', on_conflict => 'x') $$, '22023', 'on_conflict: there is no way "x"');
select throws_ok($$ select ganger.enqueue('t', unique_for => '1 s') $$, '22023', 'unique_for without unique_key');
select throws_ok($$ select ganger.enqueue('t', unique_key => 'k', unique_for => '0 s') $$, '22023', 'unique_for must be more than zero, not 00:00:00');

-- ignore
select pg_temp.put('k') as k \gset
select is(pg_temp.put('k', payload => '1'), :k::bigint, 'ignore: the holder''s id');
select is((select payload from ganger.jobs where id = :k), '0'::jsonb, 'which stays as it is');
select is((select count(*) from ganger.jobs), 1::bigint, 'and there is no other job');
select isnt(pg_temp.put('other'), :k::bigint, 'another key is free');
select is(pg_temp.put('k', owner => 'bob'), :k::bigint, 'whoever is not bound to an owner shares the keys, whatever owner it names');
select is_empty($$ select from ganger.jobs where owner = 'bob' $$, 'so there is no job of that owner');

-- error
select throws_ok($$ select pg_temp.put('k', 'error') $$, '23505', format('unique_key "k" is taken by job %s', :k));

-- replace and reschedule
select is(pg_temp.put('k', 'replace', '2'), :k::bigint, 'replace: the holder''s id');
select is((select payload from ganger.jobs where id = :k), '2'::jsonb, 'with the new payload');
select is(ganger.enqueue('u', '3', queue => 'q', priority => 7, tags => '{x}', group_key => 'g', timeout => '9 s', max_attempts => 9, metadata => '1',
    dead_letter_job_type => 'd', expires_at => '2090-01-01', unique_key => 'k', on_conflict => 'replace'), :k::bigint, 'all that can be said');
select results_eq(format($$ select job_type, queue, priority, tags, group_key, timeout, max_attempts, metadata, dead_letter_job_type, expires_at
    from ganger.jobs where id = %s $$, :k), $$ values ('u', 'q', 7::integer, '{x}'::text[], 'g', '9 s'::interval, 9, '1'::jsonb, 'd', '2090-01-01'::timestamptz) $$,
    'is what it is now');
select is(ganger.enqueue('t', '9', run_at => '2090-01-01', unique_key => 'k', on_conflict => 'reschedule'), :k::bigint, 'reschedule: the holder''s id');
select results_eq(format($$ select payload, run_at, pending_reason from ganger.jobs where id = %s $$, :k),
    $$ values ('3'::jsonb, '2090-01-01'::timestamptz, 'scheduled') $$, 'with the new time alone');
select is(pg_temp.put('k', 'reschedule'), :k::bigint, 'back to now');
select is((select id from ganger.claim('w', '{q}')), :k::bigint, 'it runs');
select is(pg_temp.put('k', 'replace', '4'), :k::bigint, 'too late to replace: its id');
select is((select payload from ganger.jobs where id = :k), '3'::jsonb, 'and it stays as it is');

-- when it is free again
select ganger.fail(id, lease_id, 'x') from ganger.job where id = :k;
select is(pg_temp.put('k'), :k::bigint, 'not while a retry is to come');
select ganger.edit(:k, '{"run_at": null}');
select ganger.complete(id, lease_id) from ganger.claim('w', '{q}');
select is(pg_temp.holder('k'), (select id from ganger.jobs where owner = 'bob'), 'ended: its key is gone');
select pg_temp.put('k') as k2 \gset
select isnt(:k2::bigint, :k::bigint, 'the next one has it');
select ganger.cancel(:k2);
select pg_temp.put('k') as k3 \gset
select isnt(:k3::bigint, :k2::bigint, 'cancelled: free too');

-- retry takes it back, or goes without
select ganger.retry(:k2);
select is(pg_temp.put('k'), :k3::bigint, 'a retried job does not take it from its holder');
select is((select status from ganger.jobs where id = :k2), 'pending', 'and lives without');
select ganger.cancel(:k3), ganger.cancel(:k2), ganger.retry(:k2);
select is(pg_temp.put('k'), :k2::bigint, 'it takes it when it is free');
select ganger.cancel(:k2);

-- unique_for: until then, whatever became of the job
select ganger.enqueue('t', unique_key => 'f', unique_for => '1 h') as f \gset
select ganger.cancel(:f);
select is(pg_temp.put('f'), :f::bigint, 'the holder has ended, its time has not');
select throws_ok($$ select pg_temp.put('f', 'error') $$, '23505');
update ganger.job_key set expires_at = clock_timestamp() - interval '1 s' where key = 'f';
select isnt(pg_temp.put('f'), :f::bigint, 'its time has passed');
update ganger.job_key set expires_at = clock_timestamp() - interval '1 s' where key = 'f';
select ganger.maintain();
select is(pg_temp.holder('f'), null::bigint, 'forgotten by maintain()');

-- with an idempotency key: one answer for good
select ganger.enqueue('t', unique_key => 'i') as i \gset
select is(ganger.enqueue('t', unique_key => 'i', idempotency_key => 'once'), :i::bigint, 'the holder''s id');
select ganger.cancel(:i);
select is(ganger.enqueue('t', unique_key => 'i', idempotency_key => 'once'), :i::bigint, 'and again, whatever became of it');

-- in bulk
select pg_temp.put('b1') as b1 \gset
create temp table m as select row_number() over () as n, x as id from ganger.enqueue_many('[
    {"job_type": "t", "unique_key": "b1"},
    {"job_type": "t", "unique_key": "b2", "payload": 1, "idempotency_key": "m"},
    {"job_type": "t", "unique_key": "b2", "payload": 2, "on_conflict": "replace"},
    {"job_type": "t", "idempotency_key": "m"},
    {"job_type": "t", "unique_key": "b1", "idempotency_key": "m2"},
    {"job_type": "t", "idempotency_key": "m2"},
    {"job_type": "after", "depends_on": [-6, -2]}]') x;
select is((select id from m where n = 1), :b1::bigint, 'one that is there');
select ok((select count(distinct id) = 1 from m where n in (2, 3, 4)), 'equal ones of the call are one job');
select results_eq($$ select payload, idempotency_key from ganger.jobs where id = (select id from m where n = 2) $$,
    $$ values ('2'::jsonb, 'm') $$, 'replaced by the later, its idempotency key its own');
select ok((select count(distinct id) = 1 and min(id) = :b1::bigint from m where n in (1, 5, 6)), 'a known key stands for what its first holder met');
select is((select depends_on from ganger.jobs where id = (select id from m where n = 7)),
    (select array_agg(distinct id) from m where n in (2, 6)), 'references follow');
select throws_ok($$ select ganger.enqueue_many('[{"job_type": "t", "unique_key": "z"}, {"job_type": "t", "unique_key": "z", "on_conflict": "error"}]') $$,
    '23505', 'jobs[1]: unique_key "z" is taken by jobs[0]');
select is(pg_temp.holder('z'), null::bigint, 'nothing is half done');

-- in bulk, each key once
select pg_temp.put('g1') as g1 \gset
create temp table o as select row_number() over () as n, x as id from ganger.enqueue_many('[
    {"job_type": "t", "unique_key": "g2"}, {"job_type": "t", "unique_key": "g1"}, {"job_type": "t"},
    {"job_type": "t", "idempotency_key": "g"}, {"job_type": "t", "unique_key": "g0", "unique_for": "1 h"}]') x;
select is((select id from o where n = 2), :g1::bigint, 'one that is there');
select results_eq($$ select key, kind, o.n, expires_at > now() from ganger.job_key k join o on o.id = k.job_id where key ~ '^g' order by o.n $$,
    $$ values ('g2', 'unique', 1::bigint, null), ('g1', 'unique', 2, null), ('g', 'idempotency', 4, null), ('g0', 'unique', 5, true) $$,
    'the others are taken, each for its job');
select is((select count(distinct id) from o join ganger.job j using (id)), 5::bigint, 'all are there');
update ganger.job_key set job_id = -1 where key = 'g1'; -- of a holder that has ended
create temp table p as select row_number() over () as n, x as id from ganger.enqueue_many('[
    {"job_type": "t", "unique_key": "g3"}, {"job_type": "t", "unique_key": "g2"}, {"job_type": "t", "unique_key": "g1"}]') x;
select ok((select p.id = o.id from p join o on o.n = 1 where p.n = 2), 'beside a key that its holder has left');
select is(pg_temp.holder('g1'), (select id from p where n = 3), 'which is taken over');
select throws_ok($$ select ganger.enqueue_many('[{"job_type": "t", "unique_key": "g4"}, {"job_type": "t", "unique_key": "g2", "on_conflict": "error"}]') $$,
    '23505', format('unique_key "g2" is taken by job %s', pg_temp.holder('g2')));

-- In the order of a language "a" < "B", byte by byte "B" < "a": two that take both in different orders wait for each other.
select is_empty($$ select p.proname from pg_proc p where p.pronamespace = 'ganger'::regnamespace
                   and p.prosrc ~ 'order by \w+(\.input)?\.(unique_key|idempotency_key)(?! collate "C")' $$,
    'whoever takes several keys takes them byte by byte');

select * from finish();
