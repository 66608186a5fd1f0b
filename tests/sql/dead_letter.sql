-- SPDX-License-Identifier: MIT
-- Dead letters and crash limits: every way to fail for good leaves one, both jobs know each other, and a queue goes on after a job that kills
-- its workers.
select plan(34);

create function pg_temp.put(attempts integer default 1, payload text default '{"a": 1}') returns bigint language sql as $$
    select ganger.enqueue('mail', payload::jsonb, queue => 'q', max_attempts => attempts, dead_letter_job_type => 'dead', owner => 'bob',
                          retry_delay => '0 s', retry_backoff => false, tags => '{x}', priority => 5) $$;
-- The letter of a job, by its own word.
create function pg_temp.letter(id bigint) returns ganger.jobs language sql as $$ select j from ganger.jobs j where j.dead_letter_of = letter.id order by j.id desc limit 1 $$;
-- Claims the next one for a worker of gangerd that then ends it with an outcome.
create function pg_temp.end_with(outcome text, message text) returns text language sql as $$
    select ganger._settle_result(c.id, c.lease_id, outcome, message, null, 1, null, null, null, null, null, null)
    from ganger.claim('w', '{q}') c $$;

select throws_ok($$ select ganger.enqueue('t', dead_letter_job_type => '') $$, '22023', 'dead_letter_job_type is empty');

-- what it is
select pg_temp.put() as id \gset
select is(pg_temp.end_with('error', 'boom'), 'failed', 'the job fails');
select (pg_temp.letter(:id)).id as letter \gset
select results_eq(format('select job_type, queue, owner, status, dead_letter_of from ganger.jobs where id = %s', :letter),
    format($$ values ('dead', 'q', 'bob', 'pending'::text, %s::bigint) $$, :id), 'a job of the type asked for, in its queue, for its owner');
select results_eq(format($$ select payload - 'failure', payload #- '{failure,failed_at}' -> 'failure' from ganger.jobs where id = %s $$, :letter),
    format($$ values ('{"original_job": {"id": %s, "job_type": "mail", "attempts": 1, "max_attempts": 1}, "original_payload": {"a": 1}}'::jsonb,
                      '{"message": "boom", "reason": "error"}'::jsonb) $$, :id), 'with all about it');
select is((select (payload #>> '{failure,failed_at}')::timestamptz from ganger.jobs where id = :letter),
    (select finished_at from ganger.jobs where id = :id), 'and when it was');
select results_eq(format('select dead_letter_job_id, dead_letter_job_type from ganger.jobs where id = %s', :id),
    format($$ values (%s::bigint, 'dead') $$, :letter), 'the job knows its letter');
select is((select data from ganger.job_events(:id) where event = 'dead_lettered'),
    jsonb_build_object('dead_letter_job_id', :letter, 'job_type', 'dead'), 'and says so');
select is((select array_agg(event) from ganger.job_events(:letter)), '{added}', 'the letter is a job as others are');
select is((select tags from ganger.jobs where id = :letter), null, 'it has nothing else of it');
select ganger.complete(id, lease_id) from ganger.claim('w', '{q}');
select is((select payload -> 'original_payload' from ganger.jobs where id = :letter), '{"a": 1}', 'the link stays when it has ended');

-- not before it has failed for good
select pg_temp.put(2) as id \gset
select is(pg_temp.end_with('error', 'once'), 'pending', 'a failure that is retried');
select is((pg_temp.letter(:id)).id, null, 'leaves none');
select is(pg_temp.end_with('timeout', 'too slow'), 'failed', 'the last one');
select is((pg_temp.letter(:id)).payload #>> '{failure,reason}', 'timeout', 'does');
select is((pg_temp.letter(:id)).payload #>> '{original_job,attempts}', '2', 'with the attempts it had');
select ganger.cancel((pg_temp.letter(:id)).id);

-- retry, and a second failure: a second letter, and the link is to that
select ganger.retry(:id);
select is(pg_temp.end_with('error', 'again'), 'failed', 'it fails again');
select is((select count(*) from ganger.jobs where dead_letter_of = :id), 2::bigint, 'a second letter');
select is((select dead_letter_job_id from ganger.jobs where id = :id), (pg_temp.letter(:id)).id, 'the job knows the last');
select ganger.cancel((pg_temp.letter(:id)).id);

-- every other way to fail for good
select pg_temp.put(5) as id \gset
select is(pg_temp.end_with('failed', 'no use'), 'failed', 'an error that is not to be retried');
select is((pg_temp.letter(:id)).payload #>> '{failure,reason}', 'error', 'leaves one');
select ganger.cancel((pg_temp.letter(:id)).id);
select pg_temp.put(5) as id \gset
select ok((select ganger.discard(c.id, c.lease_id, 'no') from ganger.claim('w', '{q}') c), 'discarded');
select is((pg_temp.letter(:id)).payload #>> '{failure,reason}', 'discarded', 'leaves one');
select ganger.cancel((pg_temp.letter(:id)).id);
select pg_temp.put(1) as id \gset
select ganger.claim('w', '{q}');
update ganger.job set lease_until = now() - interval '1 s' where id = :id;
select ganger.maintain();
select is((pg_temp.letter(:id)).payload #>> '{failure,reason}', 'crashed', 'a lease that is over with the last attempt leaves one');
select ganger.cancel((pg_temp.letter(:id)).id);
select pg_temp.put(5) as id \gset
select ganger.claim('w', '{q}');
select ganger.cancel(:id);
select is((select ganger.complete(j.id, j.lease_id) from ganger.job j where j.id = :id), false, 'a cancelled one');
select is((pg_temp.letter(:id)).id, null, 'leaves none');

-- a payload as large as allowed: the letter's is larger still
select pg_temp.put(1, '"' || repeat('x', 1048574) || '"') as id \gset
select is(pg_temp.end_with('error', 'large'), 'failed', 'a job with the largest payload fails');
select is(octet_length(((pg_temp.letter(:id)).payload -> 'original_payload')::text), 1048576, 'and is all there in its letter');
select ganger.cancel((pg_temp.letter(:id)).id);

-- max_crashes: three, of all attempts; per type; by the setting
create function pg_temp.crash(id bigint) returns integer language plpgsql as $$
declare n integer := 0; begin
    while exists (select from ganger.job j where j.id = crash.id) loop
        perform pg_temp.end_with('crashed', 'died');
        n := n + 1;
        exit when n > 20;
    end loop;
    return n; end $$;
select pg_temp.put(50) as id \gset
select is(pg_temp.crash(:id), 3, 'three crashes end a job, however many attempts it has left');
select results_eq(format('select status, failure_reason, crashes from ganger.jobs where id = %s', :id),
    $$ values ('failed'::text, 'crashed', 3) $$, 'failed, and it says of what');
select is((pg_temp.letter(:id)).payload #>> '{failure,reason}', 'crashed', 'with a letter');
select is((select job_type from ganger.claim('w', '{q}')), 'dead', 'the queue goes on');
select ganger.retry(:id);
select is(pg_temp.crash(:id), 3, 'retried, its crashes are forgotten');
select ganger.cancel(j.id) from ganger.job j where j.job_type = 'dead' and j.status = 'pending';
select ganger.set_job_type('mail', max_crashes => 2);
select pg_temp.put(50) as id \gset
select is(pg_temp.crash(:id), 2, 'its type may say otherwise');
select ganger.cancel(j.id) from ganger.job j where j.job_type = 'dead' and j.status = 'pending';
select ganger.set_job_type('mail');
insert into ganger.setting values ('max_crashes', '5');
select pg_temp.put(50) as id \gset
select is(pg_temp.crash(:id), 5, 'and so may the setting');

select * from finish();
