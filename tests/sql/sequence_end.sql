-- SPDX-License-Identifier: MIT
-- The numbers come to their end: what exists goes on, what would need a new number is refused with a code, and nothing is half done.
select plan(13);

select setval('ganger.seq', 9223372036854775807 - 60) \gset
select ganger.enqueue('t', payload => '{"n": 1}') as first \gset
select ok(:first > 9223372036854775700, 'a job with a number near the end');
select is((select count(*) from ganger.claim('w', max_jobs => 5)), 1::bigint, 'it is claimed');
select is((select status || ' ' || attempts from ganger.jobs where id = :first), 'processing 1', 'and runs');
select ok(ganger.complete(id, lease_id), 'and completed') from ganger.job where id = :first;
select ganger.enqueue('t', queue => 'kept') as kept \gset

-- the last one
select setval('ganger.seq', 9223372036854775807) \gset
select throws_ok($$ select ganger.enqueue('t') $$, '2200H', null, 'no more jobs');
select throws_ok($$ select ganger.enqueue_many('[{"job_type": "t"}, {"job_type": "t"}]') $$, '2200H', null, 'nor many');
select throws_ok($$ select ganger.enqueue('t', idempotency_key => 'k') $$, '2200H', null, 'nor one with a key');
select is((select count(*) from ganger.job_key), 0::bigint, 'which is not taken by what was refused');
select is((select count(*) from ganger.jobs), 2::bigint, 'what was there is there');
select is((select id from ganger.claim('w', '{kept}')), :kept::bigint, 'and is claimed');
select throws_ok(format($$ select ganger.complete(id, lease_id) from ganger.job where id = %s $$, :kept), '2200H', null,
    'its end needs a number, too: the caller is told');
select is((select status from ganger.jobs where id = :kept), 'processing', 'and the job is as it was');

-- attempts are bounded
select throws_ok($$ select ganger.enqueue('t', max_attempts => 1001) $$, '22003', null, 'as many attempts as that are refused');
