-- SPDX-License-Identifier: MIT
-- explain_job: each thing it can say. Instants are shown as T, the job's own id as J.
select plan(57);

create function pg_temp.says(job bigint) returns text language sql as
$$ select regexp_replace(regexp_replace(ganger.explain_job(job), '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', 'T', 'g'), '([Jj]ob |\()' || job || '\M', '\1J', 'g') $$;
create function pg_temp.settle() returns void language plpgsql as $$
begin
    while ganger._work_signals() > 0 loop null; end loop;
end $$;

select is(ganger.explain_job(5), 'There is no job 5.', 'unknown');
select is(ganger.explain_job(null), 'There is no job null.', 'null');

-- ---- before anybody is there
select ganger.enqueue('a') as a, ganger.enqueue('a', run_at => now() + interval '1 h', expires_at => now() + interval '2 h') as later \gset
select is(pg_temp.says(:a), 'Job J is runnable, but no node is alive: start gangerd, or take it with ganger.claim().', 'no node');
select is(pg_temp.says(:later), 'Job J is scheduled for T. It fails, expired, if it has not started by T.', 'scheduled, with an expiry');
update ganger.job set due_at = now() - interval '1 s', expires_at = now() - interval '1 s' where id = :later;
select is(pg_temp.says(:later), 'Job J is scheduled for T, but no node is alive to let it go on: start gangerd, or call ganger.maintain(). It has expired at T and is about to fail.', 'due and expired, without a node');

-- ---- nodes and what they serve
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
update ganger.job set expires_at = null where id = :later;
select is(pg_temp.says(:later), 'Job J is scheduled for T, and goes on any moment.', 'due, and a node is there');
select ganger.cancel(:later) \gset
select is(pg_temp.says(:a), 'Job J is runnable, but no live node serves its queue "default": add it to a pool.', 'a queue nobody serves');
select ganger._note_service(:node, '{default}', '{other}') \gset
select is(pg_temp.says(:a), 'Job J is runnable, but no live node that serves its queue "default" has a handler for its type "a": it will fail, reason no_handler.', 'a type nobody handles');
select ganger._note_service(:node, '{default}', '{a}') \gset
select is(pg_temp.says(:a), 'Job J is runnable and waits for a free worker: it is the next one of queue "default".', 'the first in line');
select ganger.enqueue('a') as second, ganger.enqueue('o', queue => 'out') as out \gset
select is(pg_temp.says(:second), 'Job J is runnable and waits for a free worker: 1 job of queue "default" comes before it.', 'the second');
select ganger.enqueue('b', priority => 1), ganger.enqueue('b', priority => -1) as low \gset
select is(pg_temp.says(:second), 'Job J is runnable and waits for a free worker: 2 jobs of queue "default" come before it.', 'priority counts');
select ganger.pause_job_type('b') \gset
select is(pg_temp.says(:second), 'Job J is runnable and waits for a free worker: 1 job of queue "default" comes before it.', 'a paused type does not');
select ganger.resume_job_type('b') \gset
select count(*) from ganger.claim('w', '{out}') \gset
select ganger.enqueue('o', queue => 'out') as out2 \gset
select is(pg_temp.says(:out2), 'Job J is runnable and waits for an outside worker, as no live node handles type "o" in its queue: it is the next one of queue "out".', 'for outside workers alone');
select is(pg_temp.says(:out), 'Job J is running: attempt 1 of 3, since T, by the outside worker "w", whose lease ends at T.', 'running, outside');
update ganger.job set lease_until = now() - interval '1 s' where id = :out;
select is(pg_temp.says(:out), 'Job J is running: attempt 1 of 3, since T, by the outside worker "w", whose lease ended at T: ganger.maintain() takes the job back.', 'its lease is over');
select ganger.cancel(:out) \gset
select alike(pg_temp.says(:out), 'Job J is running and has been asked to stop: attempt 1 of 3, since T, %', 'to be cancelled');
delete from ganger.outside_claim;
select ganger.enqueue_many((select jsonb_agg('{"job_type": "a", "queue": "many"}'::jsonb) from generate_series(1, 1001))) \g /dev/null
select ganger._note_service(:node, '{default,many}', '{a}'), max(id) as last from ganger.job \gset
select is(pg_temp.says(:last), 'Job J is runnable and waits for a free worker: 1000 jobs of queue "many" come before it.', 'a thousand are counted');
select ganger.enqueue('a', queue => 'many') as last \gset
select is(pg_temp.says(:last), 'Job J is runnable and waits for a free worker: more than 1,000 jobs of queue "many" come before it.', 'and no more');
select ganger.cancel_jobs('{"queue": "many"}') \gset
-- a returned job goes first
select ganger.snooze(id, lease_id, '0 s') from ganger.claim('w', max_jobs => 1, job_types => '{b}') \gset
delete from ganger.outside_claim;
select is(pg_temp.says(:second), 'Job J is runnable and waits for a free worker: 2 jobs of queue "default" come before it.', 'a returned one is before it, too');
-- running on a node
insert into ganger.worker (node_id, pool, pid, process_start, backend_pid) values (:node, 'default', 1, 1, 1) returning id as worker \gset
select id as running from ganger._take_jobs(:worker, 1, null, null, '{default}', '{a}', 1, null, null) \gset
select is(pg_temp.says(:running), format('Job J is running: attempt 1 of 3, since T, by worker %s of node "n".', :worker), 'running on a node');

-- ---- pauses and limits
select ganger.pause_queue('default'), ganger.pause_job_type('a') \gset
select is(pg_temp.says(:second), 'Job J waits because its queue "default" is paused and its type "a" is paused: ganger.resume_queue(''default'') and ganger.resume_job_type(''a'') let it go on.', 'both paused');
select ganger.resume_job_type('a') \gset
select is(pg_temp.says(:second), 'Job J waits because its queue "default" is paused: ganger.resume_queue(''default'') lets it go on.', 'the queue');
select ganger.enqueue('a', run_at => now() + interval '1 h') as later \gset
select is(pg_temp.says(:later), 'Job J is scheduled for T. Besides, its queue "default" is paused: ganger.resume_queue(''default'') lets it go on.', 'and what is not runnable');
select ganger.resume_queue('default'), ganger.pause_job_type('a') \gset
select is(pg_temp.says(:second), 'Job J waits because its type "a" is paused: ganger.resume_job_type(''a'') lets it go on.', 'the type');
select ganger.resume_job_type('a'), ganger.set_queue('default', concurrency => 1) \gset
select is(pg_temp.says(:second), 'Job J waits for its queue "default": 1 job may run at once, and 1 does.', 'the queue''s concurrency');
select ganger.set_queue('default', concurrency => 0) \gset
select is(pg_temp.says(:second), 'Job J cannot start: its queue "default" has a concurrency of 0. ganger.set_queue() changes that.', 'which may be 0');
select ganger.set_queue('default', rate => 1, rate_period => '1 h') \gset
insert into ganger.rate_use values ('queue', 'default', now(), 1);
select is(pg_temp.says(:second), 'Job J waits for the rate of its queue "default", 1 start in 01:00:00: the next may start at T.', 'its rate');
select ganger.set_queue('default'), ganger.set_job_type('a', 1) \gset
select is(pg_temp.says(:second), 'Job J waits for its type "a": 1 job may run at once, and 1 does.', 'the type''s concurrency');
select ganger.set_job_type('a', 0) \gset
select is(pg_temp.says(:second), 'Job J cannot start: its type "a" has a concurrency of 0. ganger.set_job_type() changes that.', 'which may be 0');
select ganger.set_job_type('a') \gset
select pg_temp.settle() \gset

-- ---- groups
select ganger.enqueue('a', group_key => 'g') as g1, ganger.enqueue('a', group_key => 'g') as g2 \gset
select is(pg_temp.says(:g2), 'Job J is about to get a place in its group "g", and goes on any moment.', 'no limit in sight');
select ganger.set_group_limit('g', 1) \gset
select pg_temp.settle() \gset
select is(pg_temp.says(:g2), format('Job J waits for its group "g": 1 job may run at once, and job %s does or is next.', :g1), 'its group''s limit');
select ganger.set_group_limit('g', null), ganger.set_queue('default', group_concurrency => 1) \gset
select pg_temp.settle() \gset
select is(pg_temp.says(:g2), format('Job J waits for its group "g": 1 job may run at once in queue "default", and job %s does or is next.', :g1), 'its queue''s limit for groups');
select ganger.set_group_limit('g', 0) \gset
select pg_temp.settle() \gset
select is(pg_temp.says(:g2), 'Job J cannot start: its group "g" has a concurrency of 0. ganger.set_group_limit() changes that.', 'a limit of 0');
select ganger.pause_queue('default') \gset
select is(pg_temp.says(:g2), 'Job J waits because its queue "default" is paused: ganger.resume_queue(''default'') lets it go on.', 'a pause comes first');
select ganger.resume_queue('default'), ganger.set_queue('default'), ganger.set_group_limit('g', null, 1, '1 h') \gset
insert into ganger.rate_use values ('group', 'g', now(), 1);
select pg_temp.settle() \gset
select is(pg_temp.says(:g2), 'Job J waits for the rate of its group "g", 1 start in 01:00:00: the next may start at T.', 'its rate');

-- ---- dependencies
select ganger.enqueue('p', run_at => now() + interval '1 h', tags => '{x}') as p1, ganger.enqueue('p', run_at => now() + interval '1 h') as p2 \gset
select ganger.enqueue('d', depends_on => array[:p1]) as d1, ganger.enqueue('d', depends_on => array[:p1, :p2], depends_on_tags => '{x}') as d2, ganger.enqueue('d', depends_on_tags => '{x}') as d3 \gset
select is(pg_temp.says(:d1), format('Job J is blocked: it waits until job %s has completed.', :p1), 'by one');
select is(pg_temp.says(:d2), format('Job J is blocked: it waits until 2 jobs (%s, %s) have completed, and until no other live job has the tags x: job %s has them.', :p1, :p2, :p1), 'by two and a tag');
select is(pg_temp.says(:d3), format('Job J is blocked: it waits until no other live job has the tags x: job %s has them.', :p1), 'by a tag');
select array_agg(x) as many from generate_series(1, 5) i cross join lateral (select ganger.enqueue('p', run_at => now() + interval '1 h', metadata => to_jsonb(i)) as x) y \gset
select ganger.enqueue('d', depends_on => :'many') as d4 \gset
select is(pg_temp.says(:d4), format('Job J is blocked: it waits until 5 jobs (%s, ...) have completed.', array_to_string((:'many'::bigint[])[1:3], ', ')), 'by many');
update ganger.job set tags = null where id = :p1; -- as if it had just ended
select is(pg_temp.says(:d3), 'Job J has nothing left that it depends on, and goes on any moment.', 'nothing is left');
select ganger.cancel(:p1) \gset
select is(pg_temp.says(:p1), 'Job J was cancelled at T. ganger.retry(J) runs it again.', 'cancelled');
select is(pg_temp.says(:d1), format('Job J was cancelled at T: it waited for job %s, which did not complete. ganger.retry(J) runs it again.', :p1), 'cancelled with its prerequisite');

-- ---- batches
select ganger.create_batch('b', 'i', '[1, 2]', 1) \gset
select max(id) as item from ganger.job where batch_id = 'b' \gset
select is(pg_temp.says(:item), 'Job J waits for its batch "b", which has not been started: ganger.start_batch(''b'') does that.', 'not started');
select ganger.start_batch('b') \gset
select is(pg_temp.says(:item), 'Job J is about to get a place in its batch "b", and goes on any moment.', 'just started');
select pg_temp.settle() \gset
select is(pg_temp.says(:item), 'Job J waits for a place in its batch "b": 1 of 1 taken.', 'all places taken');
select ganger.pause_batch('b') \gset
select is(pg_temp.says(:item), 'Job J waits for its batch "b", which is paused: ganger.resume_batch(''b'') lets it go on.', 'paused');

-- ---- waiting, retry
select ganger.cancel_jobs('{"queue": "default", "status": "pending"}') \gset
select ganger.enqueue('w', queue => 'w') as w1, ganger.enqueue('w', queue => 'w') as w2, ganger.enqueue('w', queue => 'w') as w3, ganger.enqueue('w', queue => 'w', retry_delay => '1 h', max_attempts => 2) as r \gset
create temp table c as select * from ganger.claim('w', '{w}', max_jobs => 4);
select ganger.wait_for(id, lease_id, '1 h') from c where id = :w1 \gset
select is(pg_temp.says(:w1), 'Job J waits until T, as its handler asked.', 'a time');
select ganger.create_token() as token, ganger.create_token('1 h') as token2 \gset
select ganger.wait_for_token(id, lease_id, :'token') from c where id = :w2 \gset
select is(pg_temp.says(:w2), format('Job J waits for the token %s, without a time limit: ganger.complete_token() lets it go on.', :'token'), 'a token');
select ganger.wait_for_token(id, lease_id, :'token2') from c where id = :w3 \gset
select is(pg_temp.says(:w3), format('Job J waits for the token %s, until T at the latest: ganger.complete_token() lets it go on.', :'token2'), 'a token with a limit');
select ganger.fail(id, lease_id, E'too bad.\nAnd more') from c where id = :r \gset
select is(pg_temp.says(:r), 'Job J waits for its next attempt at T. Attempt 1 of 2 failed: too bad.', 'a retry');

-- ---- ended
select ganger.enqueue('e', queue => 'e', dead_letter_job_type => 'dl') as e1, ganger.enqueue('e', queue => 'e') as e2, ganger.enqueue('e', queue => 'e') as e3, ganger.enqueue('e') as e4 \gset
create temp table e as select * from ganger.claim('w', '{e}', max_jobs => 3);
select ganger.fail(id, lease_id, 'no', false) from e where id = :e1 \gset
select dead_letter_job_id as letter from ganger.get_job(:e1) \gset
select is(pg_temp.says(:e1), format('Job J failed at T in attempt 1 of 3, reason error: no. Its dead letter is job %s. ganger.retry(J) runs it again.', :letter), 'failed');
select ganger.discard(id, lease_id, 'no') from e where id = :e2 \gset
select is(pg_temp.says(:e2), 'Job J failed at T, as its handler said that trying again is of no use: no. ganger.retry(J) runs it again.', 'discarded');
select ganger.complete(id, lease_id) from e where id = :e3 \gset
select is(pg_temp.says(:e3), 'Job J completed at T, in attempt 1; it does not run again.', 'completed');
update ganger.job set expires_at = now() - interval '1 s' where id = :e4;
select ganger._expire_jobs() \gset
select is(pg_temp.says(:e4), 'Job J failed at T, as it expired: it had not been started by T. ganger.retry(J) runs it again.', 'expired');
update ganger.history set failure_reason = 'no_handler', error = 'nobody' where id = :e4;
select is(pg_temp.says(:e4), 'Job J failed at T, as nobody handles its type: nobody. ganger.retry(J) runs it again.', 'no handler');

-- ---- whose
drop role if exists explain_ann;
create role explain_ann login in role ganger_producer;
select ganger.enqueue('s', run_at => now() + interval '1 h', owner => 'bob') as bob \gset
select ganger.enqueue('s', depends_on => array[:bob], owner => 'explain_ann') as ann \gset
set role explain_ann;
select is(ganger.explain_job(:bob), format('There is no job %s.', :bob), 'another''s job is not there');
select is(pg_temp.says(:ann), 'Job J is blocked: it waits until 1 job has completed.', 'nor is its number told');
reset role;
drop role explain_ann;

select * from finish();
