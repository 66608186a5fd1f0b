-- SPDX-License-Identifier: MIT
-- Plans made while the tables were small stay in a session for its life: none of them may read a big table row by row.
select plan(39);

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

-- ---- The same for many more calls, and for whatever the planner believes of the tables (bench/plans/states.sql).
drop table l, calls;
select format('alter table %s set (autovacuum_enabled = off)', c.oid::regclass) from pg_class c
where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'r' \gexec
\set jobs 2000
\set history 2000
\ir ../../bench/plans/load.sql
\ir ../../bench/plans/calls.sql
\ir ../../bench/plans/measure.sql
\ir ../../bench/plans/states.sql
vacuum ganger.job;
vacuum ganger.lane;
select pg_temp.believe('analyzed') \g /dev/null
set plan_cache_mode = force_generic_plan;
set jit = on;
\set state small
\ir ../../bench/plans/one.sql
\set jobs 60000
\set history 60000
\ir ../../bench/plans/load.sql
\set state grown
\ir ../../bench/plans/one.sql
select pg_temp.believe('missing') \g /dev/null
\set state missing
\ir ../../bench/plans/one.sql
select pg_temp.believe('empty') \g /dev/null
\set state empty
\ir ../../bench/plans/one.sql
select pg_temp.believe('analyzed') \g /dev/null
\set state analyzed
\ir ../../bench/plans/one.sql
reset plan_cache_mode;

select is(array(select format('%s (%s)', c.name, m.rows_read) from measured m join calls c using (n)
                where m.state = s.state and (m.rows_read > c.most or m.ms is null) order by c.n), '{}',
          s.state || ': no call reads more the more there is')
from unnest('{grown,missing,empty,analyzed}'::text[]) s (state);
select is(array(select c.name || ': ' || m.scanned from measured m join calls c using (n)
                where m.scanned is not null and c.most is not null and c.name not in ('_fold_stats, 1000', '_tidy') order by c.n), '{}',
          'and none reads a table row by row');
select is(array(select distinct c.name from measured m join calls c using (n) where m.jit > 0 and c.most is not null order by 1), '{}',
          'nothing is compiled');
-- that the figures tell: a plan that reads all of a table is seen
insert into calls (name, call) values ('bad', 'select count(*) from ganger.job where payload = ''1''');
\set state bad
select format('insert into measured select m.* from calls c cross join lateral pg_temp.measure(%L, c) m where c.name = %L', 'bad', 'bad') \gexec
select ok(m.rows_read >= 60000 and m.scanned like 'job %', 'such a plan would be seen') from measured m where m.state = 'bad';

-- A plan is kept for the life of a session, so what touches a table that can be big has its settings itself, and needs no caller's.
create temp view touching as
select p.proname, p.proconfig from pg_proc p
where p.pronamespace = 'ganger'::regnamespace
  and p.prosrc ~ '(from|join|update|into|using|only)\s+ganger\.(_?jobs|job|history\w*|event|job_key|dependency|step|attempt|_?attempts|token)\M(?!\()';
create temp table excused (name text, why text);
insert into excused values
    ('enqueue', 'inserts one row; reads lanes and nodes by their keys'), ('_schedule_job', 'updates the row it has made, by its id'),
    ('_tell_batch', 'inserts one row'), ('_retake_unique_key', 'inserts one row'), ('_filter_sql', 'makes text'),
    ('_enqueue_all', 'inserts; reads what it was given'), ('_complete_one', 'its callers have them'), ('_job_events', 'inlined into its callers, which have them'),
    ('_events_after', 'inlined into its callers, which have them'), ('_awaited', 'inlined into its callers, which have them'),
    ('cleanup', 'looks through the history, as it is asked to'), ('_expire_rows', 'looks through partitions that have to go'),
    ('_live_ids', 'any filter'), ('retry_jobs', 'any filter'), ('delete_jobs', 'any filter'), ('count_jobs', 'any filter'), ('stats', 'counts all live jobs'),
    ('_live_counts', 'counts all live jobs, or a bounded part of them');
select is(array(select distinct t.proname::text from touching t
                where not coalesce(t.proconfig @> '{jit=off,enable_seqscan=off}', false)
                  and t.proname not in (select e.name from excused e) order by 1), '{}',
          'every function that touches a table that can be big is denied row by row, and JIT compilation');
select is(array(select e.name from excused e
                where not exists (select from touching t where t.proname = e.name
                                  and not coalesce(t.proconfig @> '{jit=off,enable_seqscan=off}', false)) order by 1), '{}',
          'but for those that have a reason');
select is(array(select p.proname::text from pg_proc p
                where p.pronamespace = 'ganger'::regnamespace and p.prosrc like '%ganger.\_complete\_one(%'
                  and not coalesce(p.proconfig @> '{jit=off,enable_seqscan=off}', false)), '{}', 'the callers of _complete_one have them');

select * from finish();
