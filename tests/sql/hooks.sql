-- SPDX-License-Identifier: MIT
-- The on_error hook: which ends of which jobs are followed by a job that calls it, and what that job is told.
select plan(26);

create function pg_temp.hooks() returns bigint language sql as $$ select count(*) from ganger.job where job_type like '%:on_error' $$;
-- Claims the one runnable job of a type and ends it.
create function pg_temp.fail(job_type text, error text, retryable boolean default true) returns boolean language sql as $$
    select ganger.fail(c.id, c.lease_id, error, retryable) from ganger.claim('w', job_types => array[fail.job_type]) c $$;

select lives_ok($$ select ganger._tell_hooks('{a,b}', '{c}') $$, 'a worker says which types have a hook');
select lives_ok($$ select ganger._tell_hooks('{b,a}', '{c}') $$, 'as the next one does');
select results_eq('select job_type from ganger.hook_type order by 1', $$ values ('a'), ('b') $$, 'each is known once');
select lives_ok($$ select ganger._tell_hooks(array[repeat('l', 247)], '{}'), ganger.enqueue(repeat('l', 247), queue => 'l') $$, 'a long name');
select is((select ganger.discard(c.id, c.lease_id, 'x') from ganger.claim('w', '{l}') c), true, 'leaves no room for a hook, but its jobs can end');

select ganger.enqueue('a', '{"p": [1]}', queue => 'q', priority => 7, max_attempts => 2, timeout => '5 min', kill_grace => '3 s',
    retry_delay => '0 s', tags => '{x,y}', owner => 'ann', metadata => '{"m": 1}') as id \gset
select ganger.fail(c.id, c.lease_id, 'once') from ganger.claim('w', '{q}') c;
select is(pg_temp.hooks(), 0::bigint, 'a failure that is retried calls nobody');
select ganger.fail(c.id, c.lease_id, 'twice "') from ganger.claim('w', '{q}') c;
select is((select status from ganger.jobs where id = :id), 'failed', 'the job has failed for good');
select results_eq($$ select job_type, queue, priority, max_attempts, timeout, kill_grace, owner, status, attempts, pending_reason
                     from ganger.jobs where job_type = 'a:on_error' $$,
    $$ values ('a:on_error', 'q', 7, 1, '5 min'::interval, '3 s'::interval, 'ann', 'pending', 0, null) $$, 'a job is there for the hook');
select is((select payload from ganger.jobs where job_type = 'a:on_error'),
    jsonb_build_object('id', :id, 'job_type', 'a', 'queue', 'q', 'priority', 7, 'payload', '{"p": [1]}'::jsonb, 'attempt', 2,
        'max_attempts', 2, 'tags', '["x", "y"]'::jsonb, 'owner', 'ann', 'metadata', '{"m": 1}'::jsonb, 'group_key', null,
        'message', 'twice "', 'reason', 'error'), 'and is told of the job that failed');
select is((select (e.data ->> 'job_id')::bigint from ganger.job_events(:id) e where e.event = 'on_error'),
    (select id from ganger.jobs where job_type = 'a:on_error'), 'whose events name it');
select is((select error from ganger.jobs where id = :id), 'twice "', 'nothing else has changed for that');

-- the hook's own end
select ok(ganger.fail(c.id, c.lease_id, 'the hook is broken'), 'the hook fails') from ganger.claim('w', '{q}') c;
select is((select concat_ws(' ', status, failure_reason, attempts) from ganger.jobs where job_type = 'a:on_error'), 'failed error 1',
    'that is the end of it');
select is(pg_temp.hooks(), 0::bigint, 'no hook is called for a hook');
select is((select concat_ws(' ', status, failure_reason, error) from ganger.jobs where id = :id), 'failed error twice "',
    'and the job is as it was');

-- other ends
select ganger.enqueue('a') as done \gset
select ganger.complete(c.id, c.lease_id) from ganger.claim('w', job_types => '{a}') c;
select ganger.enqueue('a') as gone \gset
select ganger.cancel(:gone);
select is(pg_temp.hooks(), 0::bigint, 'neither a success nor a cancel calls it');
select ganger.enqueue('c');
select pg_temp.fail('c', 'no hook', false);
select is(pg_temp.hooks(), 0::bigint, 'nor does a type without one');
select ganger.enqueue('b') as unheld \gset
select is(ganger._finish(array[:unheld], array[null::uuid], array['failed'::ganger.job_status], errors => array['nobody'],
    reasons => array['no_handler'], unheld => true), array[:unheld]::bigint[], 'a job ends that nobody has run');
select is((select payload ->> 'reason' from ganger.jobs where job_type = 'b:on_error'), 'no_handler', 'its hook is called all the same');
select ganger.enqueue('b', dead_letter_job_type => 'letter');
select pg_temp.fail('b', 'both', false);
select results_eq($$ select job_type from ganger.job where seq is not null order by 1 $$, $$ values ('b:on_error'), ('b:on_error'), ('letter') $$,
    'a dead letter is something else');

-- again after retry()
select ok(ganger.retry(:id), 'a retry');
select ganger.fail(c.id, c.lease_id, 'thrice') from ganger.claim('w', '{q}') c;
select is((select payload ->> 'message' from ganger.job where job_type = 'a:on_error'), 'thrice', 'is a new chance, and may fail anew');

-- the type's time limit is the hook's, too
select ganger.set_job_type('b', timeout => '40 s');
select ganger.enqueue('b');
select pg_temp.fail('b', 'limited', false);
select is((select timeout from ganger.job where job_type = 'b:on_error' and payload ->> 'message' = 'limited'), interval '40 s', 'the time limit of the type');

-- a large payload is no hindrance
select ganger.enqueue('b', to_jsonb(repeat('x', 1048000)));
select ok(pg_temp.fail('b', repeat('e', 4000), false), 'a payload of the largest size');
select is((select max(octet_length(payload::text)) > 1048576 from ganger.job where job_type = 'b:on_error'), true, 'goes to the hook as a whole');

select ganger._tell_hooks('{b}', '{a}');
select ganger.enqueue('a');
select pg_temp.fail('a', 'hookless', false);
select is((select count(*) from ganger.job where payload ->> 'message' = 'hookless'), 0::bigint, 'a hook that is gone is not called');
