-- SPDX-License-Identifier: MIT
-- Plans made while the tables were small stay in a session for its life: none of them may read a big table row by row.
select plan(29);

create temp table l (id bigint, lease_id uuid);
create function pg_temp.run(job_type text) returns void language sql as $$
    delete from l;
    select ganger.enqueue(job_type, max_attempts => 3, retry_delay => '0 s', retry_backoff => false);
    insert into l select c.id, c.lease_id from ganger.claim('w', job_types => array[job_type]) c;
$$;
create function pg_temp.settle(outcome text) returns text language sql as $$
    select ganger._settle_result(id, lease_id, outcome, 'null', null, null, null, null, null, null, null, null) from l $$;
-- What is called, and the type of job it is called with: run = one that is running, wait = one that is pending.
create temp table calls (n serial, kind text, call text);
insert into calls (kind, call) values
    ('run', 'select ganger.heartbeat(id, lease_id) from l'), ('run', 'select ganger.set_progress(id, lease_id, n::int % 100) from l, clock'),
    ('run', $$ select ganger.set_output(id, lease_id, '1') from l $$), ('run', $$ select ganger.log(id, lease_id, 'x') from l $$),
    ('run', 'select ganger.complete(id, lease_id) from l'), ('run', $$ select ganger.fail(id, lease_id, 'x') from l $$),
    ('run', $$ select ganger.fail(id, lease_id, 'x', false) from l $$), ('run', $$ select ganger.snooze(id, lease_id, '0 s') from l $$),
    ('run', $$ select ganger.discard(id, lease_id, 'x') from l $$), ('run', 'select ganger.cancel(id) from l'),
    ('run', $$ select pg_temp.settle('completed') $$), ('run', $$ select pg_temp.settle('error') $$),
    ('run', $$ select pg_temp.settle('crashed') $$), ('run', $$ select pg_temp.settle('released') $$),
    ('run', 'select ganger._release(array[id], array[lease_id], null) from l'),
    ('run', 'select ganger._complete_with_effects(id, lease_id, null) from l'),
    ('run', $$ select ganger._finish_completed(array[id], array[lease_id], '{null}', '{1}', '{1}', '{1}', '{1}', '{null}') from l $$),
    ('run', $$ insert into ganger.late_result (job_id, lease_id, outcome, body) select id, lease_id, 'error', 'x' from l $$),
    ('run', 'select ganger._apply_late_results()'),
    ('wait', 'select ganger.cancel(id) from l'), ('wait', $$ select ganger.edit(id, '{"priority": 3}') from l $$),
    ('wait', $$ select ganger.edit(id, '{"run_at": "2090-01-01"}') from l $$), ('wait', 'select ganger.get_job(id) from l'),
    ('ended', 'select ganger.retry(id) from l'), ('run', 'select ganger.claim(''w'')'), ('run', 'select ganger.reclaim_stuck()'),
    ('run', 'select ganger._tick()'), ('run', 'select ganger.enqueue(''x'', idempotency_key => n::text) from clock');
create temp sequence s;
create temp view clock as select nextval('s') as n;
create function pg_temp.make(kind text) returns void language plpgsql as $$
begin
    case kind
    when 'run' then
        perform pg_temp.run('t');
    when 'wait' then
        delete from l;
        insert into l select ganger.enqueue('pending only');
    when 'ended' then
        perform pg_temp.run('t');
        perform ganger.fail(l.id, l.lease_id, 'x', false) from l;
    end case;
end $$;
-- Makes each call in its turn; returns those that read ganger.job row by row.
create function pg_temp.scanning(call text, kind text) returns bigint language plpgsql as $$
declare
    before bigint;
begin
    perform pg_temp.make(kind);
    before := pg_stat_get_xact_numscans('ganger.job'::regclass);
    execute call;
    return pg_stat_get_xact_numscans('ganger.job'::regclass) - before;
end $$;

select pg_temp.scanning(c.call, c.kind) from calls c, generate_series(1, 10) i order by c.n, i \g /dev/null
-- every plan is made once more, of a table of a page or two
truncate ganger.job;
vacuum analyze ganger.job;
select pg_temp.scanning(c.call, c.kind) from calls c order by c.n \g /dev/null
select ganger.enqueue_many((select jsonb_agg('{"job_type": "big"}'::jsonb) from generate_series(1, 20000))) from generate_series(1, 3) \g /dev/null

select is(pg_temp.scanning(c.call, c.kind), 0::bigint, c.kind || ': ' || trim(c.call)) from calls c order by c.n;

-- A plan that has to do without what it is denied has a cost of ten billion, which is worth compiling to PostgreSQL: 10 ms and more a query.
select is(array(select p.proname::text from pg_proc p
                where p.pronamespace = 'ganger'::regnamespace and p.proconfig::text like '%enable_%=off%'
                  and not 'jit=off' = any (p.proconfig) order by 1),
          '{}'::text[], 'what is denied plans is denied JIT compilation');

select * from finish();
