-- SPDX-License-Identifier: MIT
-- Expiry: what has not been started by its expires_at ends failed, what runs goes on.
select plan(18);

create function pg_temp.add(label text, expires interval, run_at timestamptz default now()) returns bigint language plpgsql as $$
declare
    made bigint := ganger.enqueue(label, run_at => run_at);
begin
    update ganger.job set expires_at = clock_timestamp() + expires where id = made;
    return made;
end $$;

select pg_temp.add('runnable', '-1 s') as runnable \gset
select pg_temp.add('scheduled', '-1 s', now() + interval '1 day') as scheduled \gset
select pg_temp.add('later', '1 h') as later \gset
select ganger.enqueue('never') as never \gset
-- one that waits for its retry
select ganger.enqueue('retried') as retried \gset
select id, lease_id as lease from ganger.claim('w', job_types => '{retried}') \gset
select ganger.fail(:retried, :'lease', 'broken') \gset
update ganger.job set expires_at = clock_timestamp() - interval '1 s' where id = :retried;
-- one that waits inside its handler
select pg_temp.add('waiting', '-1 s') as waiting \gset
update ganger.job set status = 'waiting', seq = null where id = :waiting;
-- one that is blocked
select pg_temp.add('blocked', '-1 s') as blocked \gset
update ganger.job set pending_reason = 'blocked', seq = null where id = :blocked;
-- one that runs
select ganger.enqueue('running') as running \gset
select id, lease_id as lease from ganger.claim('w', job_types => '{running}') \gset
update ganger.job set expires_at = clock_timestamp() - interval '1 s' where id = :running;

select is((ganger.maintain() ->> 'expired_jobs')::int, 5, 'all that had not been started');
select bag_eq($$ select job_type from ganger.jobs where status = 'failed' and failure_reason = 'expired' $$,
    $$ values ('runnable'), ('scheduled'), ('retried'), ('waiting'), ('blocked') $$, 'have ended failed, as expired');
select results_eq(format('select status, pending_reason from ganger.jobs where id in (%s, %s) order by id', :later, :never),
    $$ values ('pending', null::text), ('pending', null::text) $$, 'what has time left, or no end, is left alone');
select is((select status from ganger.jobs where id = :running), 'processing', 'what runs goes on');
select ok(ganger.complete(:running, :'lease'), 'and may complete');
select is((ganger.maintain() ->> 'expired_jobs')::int, 0, 'once');

select results_eq(format('select attempts, will_retry, error ~ ''^it had not been started by \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$'',
    finished_at is not null, last_failed_at is not null from ganger.jobs where id = %s', :runnable),
    $$ values (0, false, true, true, true) $$, 'without a charge, and with a message');
select results_eq(format('select substr(error, 1, strpos(error, '' 2'') - 1) from ganger.jobs where id in (%s, %s) order by id', :retried, :waiting),
    $$ values ('it had not been started again by'), ('it was still waiting at') $$, 'which fits what had become of it');
select results_eq(format('select event, data ->> ''reason'', (data -> ''will_retry'')::boolean, data ->> ''message'' = j.error
        from ganger.job_events(%s) e, ganger.jobs j where j.id = %1$s and event <> ''added''', :runnable),
    $$ values ('expired', 'expired', false, true) $$, 'one event tells');
select results_eq(format('select attempts, status, failure_reason from ganger.jobs where id = %s', :retried),
    $$ values (1, 'failed', 'expired') $$, 'the attempts it had stay charged');
select is((select jsonb_path_query_array(error_history, '$[*].message') from ganger.jobs where id = :retried), '["broken"]'::jsonb,
    'and told');
select is((ganger.stats('runnable') ->> 'failed')::int, 1, 'it counts as failed');
select is_empty(format('select from ganger.attempts where job_id = %s', :runnable), 'it has had no attempt');

-- A budget; the soonest first.
select pg_temp.add('many', make_interval(secs => - i)) from generate_series(1, 2500) i \g /dev/null
select is(ganger._expire_jobs(1500), 1500, 'no more than asked for');
select ok((select max(expires_at) from ganger.history where job_type = 'many')
          < (select min(expires_at) from ganger.job where job_type = 'many'), 'what expired first');
select is(ganger._expire_jobs(), 1000, 'the rest next time');

-- It reads its index, however many jobs there are.
select pg_temp.add('far', '1 day') from generate_series(1, 2000) \g /dev/null
analyze ganger.job;
create function pg_temp.reads() returns bigint language sql volatile as
    $$ select pg_stat_get_xact_tuples_returned('ganger.job'::regclass) + pg_stat_get_xact_tuples_fetched('ganger.job'::regclass) $$;
begin;
select pg_temp.reads() as before \gset
select is(ganger._expire_jobs(), 0, 'nothing is over');
select cmp_ok(pg_temp.reads() - :before, '<', 10::bigint, 'and nothing was read');
rollback;

select * from finish();
