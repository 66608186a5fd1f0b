-- SPDX-License-Identifier: MIT
-- Nothing is for everybody; functions that run with their owner's rights find their names in fixed places.
select plan(30);

-- A function made by a later migration is everybody's unless that takes it back.
select is_empty($$ select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'ganger'::regnamespace
      and (p.proacl is null or exists (select from aclexplode(p.proacl) a where a.grantee = 0)) $$, 'no function is executable by PUBLIC');
select is_empty($$ select c.oid::regclass from pg_class c, aclexplode(c.relacl) a
    where c.relnamespace = 'ganger'::regnamespace and a.grantee = 0 $$, 'no table, view or sequence is readable by PUBLIC');
select is_empty($$ select from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'ganger' and a.grantee = 0 $$, 'nor is the schema');
select is_empty($$ select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'ganger'::regnamespace and p.prosecdef
      and 'search_path=pg_catalog, ganger, pg_temp' <> all (coalesce(p.proconfig, '{}')) $$,
    'every function with its owner''s rights has its own search_path');

select is_empty($$ select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'ganger'::regnamespace and not p.prosecdef and p.proname !~ '^_' and p.proname <> 'run_sql_handler'
      and p.provolatile <> 'i' and coalesce(array_to_string(p.proconfig, ' '), '') !~ 'search_path' $$,
    'every public function has its own, but that which runs an SQL handler');
select is_empty($$ select c.oid::regclass from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'v'
    and c.relname !~ '^_' and not coalesce(c.reloptions @> '{security_barrier=true}', false) $$,
    'every public view is a barrier to functions that tell what they see');
select is_empty($$ select n.nspname from pg_namespace n, aclexplode(n.nspacl) a
    where n.nspname = 'ganger' and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner $$, 'only its owner makes things in the schema');
select is_empty($$ select x.what from pg_namespace n, (
        select p.oid::regprocedure::text as what, p.proowner as owner from pg_proc p where p.pronamespace = 'ganger'::regnamespace
        union all select c.oid::regclass::text, c.relowner from pg_class c where c.relnamespace = 'ganger'::regnamespace) x
    where n.nspname = 'ganger' and x.owner <> n.nspowner $$, 'and owns all in it');
select is_empty($$ select x.what from (
        select p.proname as what, p.proacl as acl, p.proowner as owner from pg_proc p where p.pronamespace = 'ganger'::regnamespace
        union all select c.relname, c.relacl, c.relowner from pg_class c where c.relnamespace = 'ganger'::regnamespace) x, aclexplode(x.acl) a
    where a.is_grantable and a.grantee <> x.owner $$, 'nobody can pass on what was granted');

-- An SQL handler runs in its caller's search_path; what calls it does not look there.
create schema app;
create function app.format(text, text) returns text language sql as $$ select 'select null::jsonb' $$;
create function app.to_regprocedure(text) returns regprocedure language sql as $$ select null::regprocedure $$;
create function app.handler(jsonb) returns jsonb language sql as $$ select '"the wrong one"'::jsonb $$;
create function app.handler(jsonb, jsonb) returns jsonb language sql as $$ select '"the wrong one"'::jsonb $$;
create function app.helper() returns text language sql as $$ select 'helped' $$;
create function app.handler(payload jsonb, job ganger.jobs) returns jsonb language plpgsql as
    $$ begin return jsonb_build_object('id', job.id, 'n', payload -> 'n', 'by', helper()); end $$;
select ganger.enqueue('sql', '{"n": 7}') as id \gset
select lease_id as lease from ganger.claim('w') \gset
begin;
set local search_path = app, pg_catalog;
select ganger.run_sql_handler('handler', :id, :'lease') as done \gset
commit;
select ok(:'done', 'an overloaded handler');
select is((select output - 'id' from ganger.jobs where id = :id), '{"n": 7, "by": "helped"}'::jsonb, 'the right one, in its caller''s search_path');
select throws_ok(format('select ganger.run_sql_handler(%L, %s, %L)', 'app.nothing', :id, :'lease'), '42883', null, 'one that is gone');

-- What it is given is what the view shows, also of a job that has failed before; and without a lease it is not even called.
create function app.seen(payload jsonb, job ganger.jobs) returns jsonb language sql as $$ select to_jsonb(job) $$;
select ganger.enqueue('sql', '{"n": 8}', priority => 3, tags => '{a,b}', timeout => '5 s', group_key => 'g', metadata => '{"m": 1}',
    retry_delay => '0', retry_backoff => false, unique_key => 'u', owner => 'o', expires_at => now() + interval '1 day') as id \gset
select ganger.maintain() \g /dev/null
select lease_id as lease from ganger.claim('w') \gset
select ganger.fail(:id, :'lease', 'once') \g /dev/null
select throws_ok(format('select ganger.run_sql_handler(%L, %s, %L)', 'app.seen', :id, :'lease'), 'GG002', null, 'a lease that is over');
select ganger.maintain() \g /dev/null
select lease_id as lease from ganger.claim('w') \gset
select to_jsonb(j) as shown from ganger.jobs j where j.id = :id \gset
select ganger.run_sql_handler('app.seen', :id, :'lease') \g /dev/null
select is((select output from ganger.jobs where id = :id), :'shown'::jsonb, 'the job as the view shows it');
select ganger.enqueue('sql') as id \gset
select ganger._register_worker(ganger._register_node('access', 'h', 'b', 1, 1, '1 min', 'v'), 'p', 1, 1, false) as worker \gset
select c.lease_id as lease from ganger._take_jobs(:worker, (select link from ganger.worker where id = :worker), null, null, '{default}', '{sql}', 1,
    '{}', '{}') c \gset
select to_jsonb(j) as shown from ganger.jobs j where j.id = :id \gset
select is(to_jsonb(ganger._running_job(:id, :'lease')), :'shown'::jsonb, 'also one that a worker of gangerd runs');
select is(to_jsonb(ganger._running_job(:id, :'lease', 'access')), :'shown'::jsonb, 'which knows the name of its node');

-- A function that is given the output of a program: what it returns is the output, or what it was given.
create table app.result (job_id bigint, output jsonb);
create function app.keep(output jsonb, job ganger.jobs) returns void language sql as $$ insert into app.result values (job.id, output) $$;
create function app.change(output jsonb, job ganger.jobs) returns jsonb language sql as
    $$ insert into app.result values (job.id, output); select output || '{"kept": true}' $$;
create function app.refuse(output jsonb, job ganger.jobs) returns void language plpgsql as
    $$ begin insert into app.result values (job.id, output); raise 'refused'; end $$;
select ganger.enqueue('program') as id \gset
select lease_id as lease from ganger.claim('w') \gset
select throws_ok(format('select ganger.run_sql_handler(%L, %s, %L, true, %L)', 'app.refuse', :id, :'lease', '{"a": 1}'), 'P0001', 'refused', 'one that refuses');
begin;
set local search_path = app, pg_catalog;
select ganger.run_sql_handler('keep', :id, :'lease', true, '{"a": 1}', 5000, 4096, 'said') as done \gset
commit;
select ok(:'done', 'one that returns nothing');
select is((select array_agg(output) from app.result where job_id = :id), array['{"a": 1}'::jsonb], 'was called once, with the output');
select is((select (output, status)::text from ganger.jobs where id = :id), '("{""a"": 1}",completed)', 'which is the job''s, too');
select is((select (cpu_time, max_rss, log)::text from ganger.attempts where job_id = :id), E'(00:00:00.005,4096,"said\n")', 'and the attempt is the program''s');
select ganger.enqueue('program') as id \gset
select lease_id as lease from ganger.claim('w') \gset
select ok(ganger.run_sql_handler('app.change', :id, :'lease', true, '{"a": 2}'), 'one that returns something');
select is((select output from ganger.jobs where id = :id), '{"a": 2, "kept": true}'::jsonb, 'that is the output');
select throws_ok(format('select ganger.run_sql_handler(%L, %s, %L, true, %L)', 'app.change', :id, :'lease', '{"a": 3}'), 'GG002', null, 'a second time');
select ganger.enqueue('program') as id \gset
select lease_id as lease from ganger.claim('w') \gset
select ok(ganger.run_sql_handler('app.keep', :id, :'lease', true), 'a program without output');
select is((select array_agg(output) from app.result where job_id = :id), array[null::jsonb], 'of which it is told');

create function app.large(jsonb, ganger.jobs) returns jsonb language sql as $$ select to_jsonb(repeat('x', 1048576)) $$;
select ganger.enqueue('sql') as id \gset
select lease_id as lease from ganger.claim('w') \gset
select throws_ok(format('select ganger.run_sql_handler(%L, %s, %L)', 'app.large', :id, :'lease'), '22023',
    'the output has 1048578 bytes, more than 1048576', 'an output beyond the limit of every handler');

-- A role that the handler takes on for its transaction has no part in the completion.
create role access_guest;
create function app.guest(jsonb, ganger.jobs) returns jsonb language plpgsql as $$ begin
    set local role access_guest;
    return to_jsonb(current_user);
end $$;
select ok(ganger.run_sql_handler('app.guest', :id, :'lease'), 'a handler that takes on a role');
select is((select output from ganger.jobs where id = :id), '"access_guest"'::jsonb, 'it had it');
select is(current_user = session_user, true, 'and it is given back');
drop role access_guest;

select * from finish();
