-- SPDX-License-Identifier: MIT
-- The short ways in which a completed job ends, alone or among others, beside the way of all ends: the same comes of each.
select plan(27);

create extension dblink;
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'p', 1, 1, false) as worker \gset

create temp table held (id bigint, lease_id uuid);
-- Claims n jobs of a type; what it has claimed stands in held.
create function pg_temp.take(worker bigint, job_type text, n integer) returns bigint language sql as $$
    delete from held;
    insert into held select t.id, t.lease_id from ganger._take_jobs(worker, 1, null, null, '{default}', array[job_type], n, null, null) t;
    select count(*) from held $$;
-- Completes what is held as a worker of gangerd does; returns what was not accepted.
create function pg_temp.finish(output text default null) returns bigint[] language sql as $$
    select ganger._finish_completed(array_agg(id order by id), array_agg(lease_id order by id), array_agg(output), array_agg(5000), array_agg(700),
                                    array_agg(40), array_agg(123456), array_agg('said'::text)) from held $$;
create function pg_temp.ended(job_type text) returns jsonb language sql as $$
    select to_jsonb(h) - '{id,finish_id,created_at,run_at,started_at,finished_at,lease_id,idempotency_key}'::text[]
           || jsonb_build_object('took', h.finished_at - h.started_at)
    from ganger.history h where h.job_type = 'full' order by h.finish_id desc limit 1 $$;
create function pg_temp.make_full(n integer) returns void language sql as $$
    select ganger.enqueue('full', '{"a": [1, null]}', priority => 3, timeout => '5 s', kill_grace => '2 s', retry_delay => '3 s', max_attempts => 7,
                          metadata => '{"m": 1}', idempotency_key => gen_random_uuid()::text, dead_letter_job_type => 'dead',
                          expires_at => '2090-01-01') from generate_series(1, n) $$;
create function pg_temp.tell() returns void language sql as $$
    select ganger.set_progress(id, lease_id, 40, 'message', 'stage'), ganger.set_output(id, lease_id, '{"so": "far"}') from held $$;

-- the same row of the history
select pg_temp.make_full(1), pg_temp.take(:worker, 'full', 1), pg_temp.tell() \g /dev/null
select is(pg_temp.finish(), '{}', 'one job ends alone');
select pg_temp.ended('full') as alone \gset
select pg_temp.make_full(2), pg_temp.take(:worker, 'full', 2), pg_temp.tell() \g /dev/null
select is(pg_temp.finish(), '{}', 'two end together');
select is(pg_temp.ended('full'), :'alone'::jsonb, 'of which comes the same');
select pg_temp.make_full(1), pg_temp.take(:worker, 'full', 1), pg_temp.tell() \g /dev/null
begin isolation level repeatable read;
select is(pg_temp.finish(), '{}', 'one ends with an old snapshot');
commit;
select is(pg_temp.ended('full'), :'alone'::jsonb, 'of which comes the same, the usual way');
select is((select jsonb_build_object('status', :'alone'::jsonb -> 'status', 'output', :'alone'::jsonb -> 'output', 'log', :'alone'::jsonb -> 'log',
                                     'took', :'alone'::jsonb -> 'took')),
          '{"status": "completed", "output": {"so": "far"}, "log": "said", "took": "00:00:00.005"}', 'and that is what was said');
select results_eq($$ select status::text, sum(jobs)::int, sum(run_us)::int, sum(cardinality(buckets))::int from ganger.stat_delta group by 1 $$,
                  $$ values ('completed', 4, 20000, 4) $$, 'all are counted');
select is_empty('select * from ganger.job', 'and gone');
select isnt_empty($$ select * from ganger.signal where kind = 'ended' $$, 'an old snapshot leaves a signal, as it may not see who waits');

-- stale, again
select ganger.enqueue('x') \g /dev/null
select pg_temp.take(:worker, 'x', 1) \g /dev/null
update held set lease_id = gen_random_uuid();
select is(pg_temp.finish(), (select array_agg(id) from held), 'a stale lease is not accepted');
update held h set lease_id = j.lease_id from ganger.job j where j.id = h.id;
select is(pg_temp.finish(), '{}', 'the right one is');
select is(pg_temp.finish(), '{}', 'and again, when the answer was lost');
select is((select count(*)::int from ganger.history h join held using (id)), 1, 'but counts once');

-- what comes first
select ganger.enqueue('x') \g /dev/null
select pg_temp.take(:worker, 'x', 1) \g /dev/null
insert into ganger.late_result (job_id, lease_id, outcome, body) select id, lease_id, 'output', '"late"' from held;
select is(pg_temp.finish(), '{}', 'a job ends about which something was put off');
select is((select h.output from ganger.history h join held using (id)), '"late"', 'that comes first');
select ganger.enqueue('x') from generate_series(1, 2) \g /dev/null
select pg_temp.take(:worker, 'x', 1) \g /dev/null
select ganger.cancel(id) from held \g /dev/null
select is(pg_temp.finish(), '{}', 'a job ends that is to be cancelled');
select is((select h.status::text from ganger.history h join held using (id)), 'cancelled', 'cancelled');
select pg_temp.take(:worker, 'x', 1) \g /dev/null
select ganger.enqueue('y', depends_on => array(select id from held)) as dependent \gset
select is(pg_temp.finish(), '{}', 'a job ends for which another one waits');
select is((select seq is not null from ganger.job where id = :dependent), true, 'which can be claimed at once');

-- a completion that waits for its row completes what it then finds
select dblink_connect('other', :'conninfo') \g /dev/null
select r.pid as other from dblink('other', 'select pg_backend_pid()') as r (pid integer) \gset
create function pg_temp.wait_blocked(other integer) returns void language plpgsql as $$
begin
    while not exists (select from pg_locks l where l.pid = other and not l.granted) loop
        perform pg_sleep(0.005);
    end loop;
end $$;
select ganger.enqueue('z') from generate_series(1, 2) \g /dev/null
select pg_temp.take(:worker, 'z', 1) \g /dev/null
begin;
update ganger.job j set metadata = '{"new": 1}' from held h where h.id = j.id;
select dblink_send_query('other', format('select ganger._complete_with_effects(%s, %L, null)', id, lease_id)) from held \g /dev/null
select pg_temp.wait_blocked(:other) \g /dev/null
commit;
select ok(r.done, 'a completion waits for its row') from dblink_get_result('other') as r (done boolean);
select * from dblink_get_result('other') as r (done boolean) \g /dev/null
select is((select h.metadata from ganger.history h join held using (id)), '{"new": 1}', 'and completes it as it is then');
select pg_temp.take(:worker, 'z', 1) \g /dev/null
begin;
update ganger.job j set cancel_requested = true from held h where h.id = j.id;
select dblink_send_query('other', format('select ganger._complete_with_effects(%s, %L, null)', id, lease_id)) from held \g /dev/null
select pg_temp.wait_blocked(:other) \g /dev/null
commit;
select ok(not r.done, 'or does not, where it was to be cancelled meanwhile') from dblink_get_result('other') as r (done boolean);
select * from dblink_get_result('other') as r (done boolean) \g /dev/null

-- A result that is put off while the completion waits comes first: whoever decided it has told others so.
select ganger.enqueue('z') \g /dev/null
select pg_temp.take(:worker, 'z', 1) \g /dev/null
begin;
update ganger.job j set metadata = '{"new": 2}' from held h where h.id = j.id;
select dblink_send_query('other', format('select ganger._complete_with_effects(%s, %L, null)', id, lease_id)) from held \g /dev/null
select pg_temp.wait_blocked(:other) \g /dev/null
select dblink_connect('third', :'conninfo') \g /dev/null
select * from dblink('third', (select format('select ganger._settle_result(%s, %L, ''timeout'', ''late'', null, null, null, null, null, null, null, null)', id, lease_id) from held))
    as r (answer text) \g /dev/null
commit;
select ok(not r.done, 'nor where another result was put off meanwhile') from dblink_get_result('other') as r (done boolean);
select * from dblink_get_result('other') as r (done boolean) \g /dev/null
select ganger.maintain() \g /dev/null

-- What gangerd says of retention is no reason to go the long way, alone or among others.
insert into ganger.setting values ('retention_completed', '30 days');
set track_functions = 'all';
begin;
select ganger.enqueue('x') from generate_series(1, 3) \g /dev/null
select pg_temp.take(:worker, 'x', 1), pg_temp.finish(), pg_temp.take(:worker, 'x', 2), pg_temp.finish() \g /dev/null
select is(pg_stat_get_xact_function_calls('ganger._complete_one'::regproc), 1::bigint, 'one is ended alone');
select is(coalesce(pg_stat_get_xact_function_calls('ganger._finish'::regproc), 0), 0::bigint, 'none in the usual way');
commit;

-- a limit: the end of one is news
insert into ganger.queue (name, concurrency) values ('default', 1);
select ganger.enqueue('x') \g /dev/null
select pg_temp.take(:worker, 'x', 1) \g /dev/null
select is(pg_temp.finish(), '{}', 'a job of a limited queue ends');
select is((select h.status::text from ganger.history h join held using (id)), 'completed', 'and is kept');

select * from finish();
