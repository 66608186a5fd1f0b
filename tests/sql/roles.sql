-- SPDX-License-Identifier: MIT
-- The roles: what each may call and read, and whose jobs a producer reaches.
select plan(139);

-- ---- the matrix
-- A letter for each role that may: p producer, r reader, w worker, o operator, a admin. A name that does not exist yet is passed over; one
-- that exists and does not stand here makes the test fail: say in migrations/0050_roles.sql and here whose it is.
create temp table wanted (name text primary key, letters text);
insert into wanted values
    ('enqueue', 'pw'), ('enqueue_many', 'pw'), ('cancel', 'poa'), ('get_job', 'prwoa'), ('list_jobs', 'proa'), ('count_jobs', 'proa'),
    ('job_events', 'proa'), ('explain_job', 'proa'), ('wait_for_job', 'proa'), ('jobs', 'proa'), ('attempts', 'proa'), ('stats', 'roa'), ('doctor', 'roa'),
    ('overview', 'roa'), ('throughput', 'roa'), ('job_type_overview', 'roa'), ('durations', 'roa'), ('failures', 'roa'),
    ('read_events', 'roa'), ('last_event_id', 'rwoa'), ('get_batch', 'roa'), ('batch_stats', 'roa'), ('next_cron', 'prwoa'),
    ('queues', 'roa'), ('job_types', 'roa'), ('groups', 'roa'), ('workers', 'roa'), ('nodes', 'roa'), ('schedules', 'roa'), ('batches', 'roa'),
    ('tokens', 'roa'), ('create_token', 'pw'), ('complete_token', 'pwoa'), ('get_token', 'prwoa'), ('claim', 'w'), ('complete', 'w'),
    ('fail', 'w'), ('discard', 'w'), ('snooze', 'w'), ('heartbeat', 'w'), ('set_progress', 'w'), ('set_output', 'w'), ('log', 'w'),
    ('step_get', 'w'), ('step_put', 'w'), ('wait_for', 'w'), ('wait_until', 'w'), ('wait_for_token', 'w'), ('run_sql_handler', 'w'),
    ('cancel_jobs', 'oa'), ('retry', 'oa'), ('retry_jobs', 'oa'), ('redrive', 'oa'), ('edit', 'oa'), ('edit_jobs', 'oa'), ('pause_queue', 'oa'),
    ('resume_queue', 'oa'), ('pause_job_type', 'oa'), ('resume_job_type', 'oa'), ('set_queue', 'oa'), ('set_job_type', 'oa'),
    ('set_group_limit', 'oa'), ('create_schedule', 'oa'), ('edit_schedule', 'oa'), ('pause_schedule', 'oa'), ('resume_schedule', 'oa'),
    ('delete_schedule', 'oa'), ('run_schedule', 'oa'), ('create_batch', 'oa'), ('start_batch', 'oa'), ('pause_batch', 'oa'),
    ('resume_batch', 'oa'), ('cancel_batch', 'oa'), ('clear_batch', 'oa'), ('cleanup', 'oa'), ('kill_worker', 'oa'), ('reclaim_stuck', 'oa'), ('maintain', 'woa'),
    ('set_role_owner', 'a'), ('create_api_token', 'a'), ('revoke_api_token', 'a'), ('api_tokens', 'a'), ('delete_job', 'oa'), ('delete_jobs', 'oa'),
    ('_api_page', 'proa'), ('_api_job_text', 'prwoa'), ('_usual_job_text', 'pw'), ('_api_total', 'proa'), ('_api_check_job', 'prwoa'), ('_api_may_see_all', 'prwoa'),
    ('_api_queues', 'roa'), ('_api_job_types', 'roa'), ('_api_group', 'roa'), ('_held_limits', 'oa'),
    ('_api_hold', 'oa'), ('_api_tokens', 'wa'), ('_job_page', 'proa'), ('_job_state', 'prwoa'), ('_job_steps', 'proa'),
    ('_job_ties', 'proa'), ('_sees_queues', 'proa'), ('migration', 'prwoa'), ('_set_setting', 'wa'),
    ('_sees_all', 'proa'), ('_sees_owner', 'proa'), ('_worker_text', 'proa'), ('_worker_pid', 'proa'), ('_node_name', 'proa'), ('_is_full', 'proa'), ('_held_jobs', 'roa'), ('_job_brief', 'roa'), ('_process_usage', 'roa'), ('_token_timeout', 'proa'),
    ('_error_history', 'proa'), ('_metrics', 'rwoa'), ('_feed', 'rwoa'), ('_which_ended', 'rwoa');
-- what gangerd's programs call: whatever private function stands in their statements
\set called `grep -ohE 'ganger\._[a-z_]+' $(ls ../../common/sql/*.sql | grep -v /migrate_) | sed 's/^ganger\.//' | sort -u | tr '\n' ' '`
insert into wanted select n, 'w' from string_to_table(trim(:'called'), ' ') n on conflict (name) do nothing;
insert into wanted select p.proname, 'prwoa' from pg_proc p -- the operations of the HTTP API have their caller's rights
where p.pronamespace = 'ganger'::regnamespace and p.proname ~ '^_api_' and not p.prosecdef on conflict (name) do update set letters = excluded.letters;
insert into wanted values ('_backend_start', 'w'); -- the default of a parameter
create temp table role_names (letter text, role text);
insert into role_names values ('p', 'ganger_producer'), ('p', 'ganger_api_producer'), ('r', 'ganger_reader'), ('w', 'ganger_worker'), ('o', 'ganger_operator'),
    ('a', 'ganger_admin');

select is_empty($$ select p.proname from pg_proc p where p.pronamespace = 'ganger'::regnamespace and p.proname !~ '^_'
    and not exists (select from wanted w where w.name = p.proname) $$, 'every public function is in the matrix');
select is_empty($$ select c.relname from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('v', 'm')
    and c.relname !~ '^_' and not exists (select from wanted w where w.name = c.relname) $$, 'and every view');
select set_eq($$ select p.oid::regprocedure::text, r.role from pg_proc p, role_names r
    where p.pronamespace = 'ganger'::regnamespace and has_function_privilege(r.role, p.oid, 'EXECUTE') $$,
    $$ select p.oid::regprocedure::text, r.role from pg_proc p join wanted w on w.name = p.proname
       join role_names r on strpos(w.letters, r.letter) > 0 where p.pronamespace = 'ganger'::regnamespace $$,
    'each role may call the functions of the matrix, and no others');
select set_eq($$ select c.relname::text, r.role, v.privilege from pg_class c, role_names r,
    unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER}'::text[]) v (privilege)
    where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      and (has_table_privilege(r.role, c.oid, v.privilege)
           or (v.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(r.role, c.oid, v.privilege))) $$,
    $$ select c.relname::text, r.role, 'SELECT' from pg_class c join wanted w on w.name = c.relname
       join role_names r on strpos(w.letters, r.letter) > 0
       where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') $$,
    'each reads the views of the matrix and the versions; no table, and nobody writes one');
select is_empty($$ select c.relname, r.role from pg_class c, role_names r
    where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'S' and has_sequence_privilege(r.role, c.oid, 'USAGE, SELECT, UPDATE') $$,
    'no sequence');
select results_eq($$ select bool_and(has_schema_privilege(role, 'ganger', 'USAGE')), bool_or(has_schema_privilege(role, 'ganger', 'CREATE'))
    from role_names $$, $$ values (true, false) $$, 'each may use the schema, none may make things in it');
-- Written or read, jobs have an owner: a function that a producer may call asks for whom.
select is_empty($$ select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'ganger'::regnamespace and p.prosecdef and has_function_privilege('ganger_producer', p.oid, 'EXECUTE')
      and p.prosrc !~ 'ganger\.(_acting_owner|_guest_owner|_visible_owner|_visible_sql|_may_see|_may_see_job)\('
      and p.proname not in ('_sees_all', '_sees_owner', '_sees_queues', -- are what the views ask
                            '_error_history',           -- reads the view
                            '_node_name', '_worker_pid', '_is_full', 'next_cron', -- know of no job
                            '_token_timeout',           -- is only asked for a token the view shows
                            'complete_token', 'get_token', -- need the token's name
                            '_api_check_job',           -- looks at what was sent alone
                            '_api_page', '_api_total', '_job_steps', '_job_ties') $$, -- see tests/sql/api_bound.sql
    'what a producer may call asks whose jobs it may reach');
select is_empty($$ select r.role from role_names r join pg_roles p on p.rolname = r.role
    where p.rolcanlogin or p.rolsuper or p.rolcreaterole or p.rolcreatedb or p.rolbypassrls $$, 'no role may do anything else');
select is_empty($$ select a.role, b.role from role_names a, role_names b where a.role <> b.role and pg_has_role(a.role, b.role, 'MEMBER') $$,
    'and none is in another');

-- ---- people: each logs in (roles belong to the server: an earlier run may have left them)
\set people 'roles_bob, roles_ann, roles_kim, roles_kimberly, roles_team, roles_late, roles_rita, roles_see, roles_walt, roles_olga, roles_both, roles_adam, roles_none, roles_pat, roles_mid, "*", "Roles ""odd"".x"'
drop role if exists :people;
create role roles_bob login in role ganger_producer;
create role roles_ann login in role ganger_producer;
create role roles_team nologin in role ganger_producer;
create role roles_kim login in role roles_team;
create role roles_late login noinherit in role ganger_producer, ganger_operator;
create role roles_rita login in role ganger_reader, ganger_producer;
create role roles_see login in role ganger_reader;
create role roles_walt login in role ganger_worker;
create role roles_olga login in role ganger_operator;
create role roles_both login in role ganger_operator, ganger_producer;
create role roles_adam login in role ganger_admin;
create role roles_none login;
create role roles_mid noinherit in role ganger_operator;
create role roles_pat login in role ganger_producer, roles_mid;

-- What `sql` answers when `who` has logged in and asks: its first value, or the SQLSTATE it raises.
create function pg_temp.try(who text, sql text) returns text language plpgsql as $$
declare
    me     constant text := session_user;
    answer text;
begin
    perform set_config('session_authorization', who, true);
    begin
        execute sql into answer;
    exception when others then
        answer := sqlstate;
    end;
    perform set_config('session_authorization', me, true);
    return answer;
end $$;
create function pg_temp.owner_of(job bigint) returns text language sql as 'select owner from ganger.jobs where id = job';

-- whoever may read a view can read all of it: the functions in it, too
select is_empty($$ select r.letter, c.relname, t.answer
    from pg_class c join wanted w on w.name = c.relname join role_names r on strpos(w.letters, r.letter) > 0
    join (values ('p', 'roles_bob'), ('r', 'roles_see'), ('o', 'roles_olga'), ('a', 'roles_adam')) p (letter, who) on p.letter = r.letter
    cross join lateral (select pg_temp.try(p.who, format('select count(x.*::text) from ganger.%I x', c.relname)) as answer) t
    where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('v', 'm') and t.answer !~ '^[0-9]{1,4}$' $$, 'the views can be read');

-- ---- enqueue: for whom
select is(pg_temp.owner_of(pg_temp.try('roles_bob', $$ select ganger.enqueue('x') $$)::bigint), 'roles_bob', 'a producer owns what it enqueues');
select is(pg_temp.owner_of(pg_temp.try('roles_bob', $$ select ganger.enqueue('x', owner => 'roles_bob') $$)::bigint), 'roles_bob', 'by name, too');
select is(pg_temp.try('roles_bob', $$ select ganger.enqueue('x', owner => 'roles_ann') $$), '42501', 'for another it is refused');
select is(pg_temp.try('roles_bob', $$ select ganger.enqueue('x', owner => '*') $$), '42501', 'and for "*"');
select is(pg_temp.owner_of(pg_temp.try('roles_bob', $$ select ganger.enqueue_many('[{"job_type": "x"}]') $$)::bigint), 'roles_bob', 'enqueue_many');
select is(pg_temp.owner_of(pg_temp.try('roles_bob', $$ select max(id) from ganger.enqueue_many(
    '[{"job_type": "x", "owner": "roles_bob"}, {"job_type": "x", "owner": null, "payload": null}]') id $$)::bigint), 'roles_bob', 'with and without the name');
select is((select payload from ganger.jobs order by id desc limit 1), 'null'::jsonb, 'the rest of an entry stays as it is');
select is(pg_temp.try('roles_bob', $$ select ganger.enqueue_many('[{"job_type": "x"}, {"job_type": "x", "owner": "roles_ann"}]') $$), '42501',
    'one entry for another');
select is((select count(*) from ganger.jobs), 5::bigint, 'and none of them is there');
select set_config('session_authorization', 'roles_bob', false) \g /dev/null
do $$
declare
    said text;
    hinted text;
begin
    perform ganger.enqueue_many('[{"job_type": "x"}, {"job_type": "x", "owner": "roles_ann"}]');
exception when insufficient_privilege then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    perform set_config('test.said', said || ' / ' || hinted, false);
end $$;
reset session authorization;
select is(current_setting('test.said'), 'jobs[1]: role "roles_bob" acts for owner "roles_bob", not for "roles_ann" / Leave the owner out. '
    'ganger.set_role_owner(role, owner) changes whom a role acts for.', 'the message names the entry and the owners, the hint the mend');
select is(pg_temp.owner_of(pg_temp.try('roles_kim', $$ select ganger.enqueue('x') $$)::bigint), 'roles_kim', 'an indirect member');
select is(pg_temp.try('roles_none', $$ select ganger.enqueue('x') $$), '42501', 'nobody special may not');
select is(pg_temp.try('roles_olga', $$ select ganger.enqueue('x') $$), '42501', 'nor an operator');
select is(pg_temp.owner_of(pg_temp.try('roles_walt', $$ select ganger.enqueue('x', owner => 'roles_ann') $$)::bigint), 'roles_ann',
    'a worker enqueues for any owner');
select is(pg_temp.owner_of(pg_temp.try('roles_walt', $$ select ganger.enqueue('x') $$)::bigint), null, 'or for nobody');
select is(pg_temp.owner_of(ganger.enqueue('x', owner => 'whoever')), 'whoever', 'the owner of the schema');
select is(pg_temp.owner_of(pg_temp.try('roles_both', $$ select ganger.enqueue('x', owner => 'roles_ann') $$)::bigint), 'roles_ann',
    'of several roles the most powerful counts');
select is(pg_temp.try('roles_rita', $$ select ganger.enqueue('x', owner => 'roles_ann') $$), '42501', 'seeing all is no right to act for all');
-- a membership that needs SET ROLE gives nothing without it
select is(pg_temp.try('roles_late', $$ select ganger.enqueue('x') $$), '42501', 'not inherited, not there');

-- ---- whose jobs a producer reaches
truncate ganger.job;
create temp table j (name text primary key, id bigint);
create function pg_temp.id(job_name text) returns bigint language sql as 'select id from j where name = job_name';
insert into j select n, ganger.enqueue('x', owner => o) from (values ('bob', 'roles_bob'), ('ann', 'roles_ann'), ('nobody', null),
    ('bob done', 'roles_bob'), ('ann done', 'roles_ann'), ('bob runs', 'roles_bob'), ('ann runs', 'roles_ann'), ('kim', 'roles_kim')) v (n, o);
update ganger.job set seq = null where id not in (select id from j where name ~ 'done|runs');
create temp table l as select id, lease_id from ganger.claim('w', max_jobs => 4);
select ganger.fail(l.id, lease_id, 'sorry', false) from l join j using (id) where name ~ 'done' \g /dev/null
update ganger.job set seq = id where id in (select id from j where name !~ 'done|runs');

create function pg_temp.check(call text, mine text, others text, label text) returns setof text language plpgsql as $$
declare
    which text;
begin
    foreach which in array '{bob, bob done, bob runs}'::text[] loop
        return next is(pg_temp.try('roles_bob', format(call, pg_temp.id(which))), mine, label || ': ' || which);
    end loop;
    foreach which in array '{ann, ann done, ann runs, nobody}'::text[] loop
        return next is(pg_temp.try('roles_bob', format(call, pg_temp.id(which))), others, label || ': ' || which);
    end loop;
    return next is(pg_temp.try('roles_bob', format(call, '987654321')), others, label || ': an unknown one looks the same');
end $$;
select pg_temp.check('select count(*) from ganger.get_job(%s)', '1', '0', 'get_job');
select pg_temp.check('select count(*) from ganger.jobs where id = %s', '1', '0', 'jobs');
select pg_temp.check('select count(*) > 0 from ganger.job_events(%s)', 'true', 'false', 'job_events');
select is(pg_temp.try('roles_bob', 'select string_agg(owner, '','') from ganger.list_jobs()'), 'roles_bob,roles_bob,roles_bob', 'list_jobs');
select is(pg_temp.try('roles_bob', $$ select count(*) from ganger.list_jobs('{"owner": ["roles_ann", "roles_bob"], "status": "failed"}') $$), '1',
    'with a filter');
select is(pg_temp.try('roles_bob', 'select ganger.count_jobs()'), '3', 'count_jobs');
select is(pg_temp.try('roles_bob', $$ select ganger.count_jobs('{"owner": "roles_ann"}') $$), '0', 'of another: none');
select is(pg_temp.try('roles_bob', $$ select ganger.count_jobs('{"owner": null}') $$), '0', 'of nobody: none');
select is(pg_temp.try('roles_bob', 'select count(*) from ganger.attempts'), '2', 'attempts');
select is(pg_temp.try('roles_bob', format('select ganger._error_history(%s)', pg_temp.id('ann done'))), '[]', 'what the views call shows no more');
select is(pg_temp.try('roles_bob', format('select jsonb_array_length(ganger._error_history(%s))', pg_temp.id('bob done'))), '1', 'than they do');
-- more rights see more
select is(pg_temp.try(who, 'select ganger.count_jobs() || '' '' || (select count(*) from ganger.jobs) || '' '' || (select count(*) from ganger.attempts)'),
    '8 8 4', who || ' sees all') from unnest('{roles_see, roles_rita, roles_olga, roles_both, roles_adam}'::text[]) who;
select is(pg_temp.try('roles_pat', 'select ganger.count_jobs() || '' '' || (select count(*) from ganger.jobs)'), '0 0',
    'not what a role of a role could see');
select is(pg_temp.try('roles_walt', format('select count(*) from ganger.get_job(%s)', pg_temp.id('ann'))), '1', 'a worker gets any job');
select is(pg_temp.try('roles_see', format('select ganger.cancel(%s)', pg_temp.id('ann'))), '42501', 'a reader cancels nothing');

select is(pg_temp.try('roles_bob', format('select ganger.cancel(%s)', pg_temp.id('ann'))), 'false', 'a producer does not cancel another''s job');
select is(pg_temp.try('roles_bob', format('select ganger.cancel(%s)', pg_temp.id('nobody'))), 'false', 'nor nobody''s');
select is(pg_temp.try('roles_bob', format('select ganger.cancel(%s, ''roles_ann'')', pg_temp.id('ann'))), '42501', 'nor in that one''s name');
select is(pg_temp.try('roles_rita', format('select ganger.cancel(%s)', pg_temp.id('ann'))), 'false', 'nor one that it can see');
select is((select status from ganger.jobs where id = pg_temp.id('ann')), 'pending', 'nothing has happened to it');
select is(pg_temp.try('roles_bob', format('select ganger.cancel(%s)', pg_temp.id('bob'))), 'true', 'its own it does');
select is(pg_temp.try('roles_olga', format('select ganger.cancel(%s)', pg_temp.id('ann'))), 'true', 'an operator any');

-- what an enqueue says about other jobs
create function pg_temp.depend(job_name text) returns text language sql as $$
    select pg_temp.try('roles_bob', format('select ganger.enqueue(''x'', depends_on => array[%s]) > 0', pg_temp.id(job_name))) $$;
select is(pg_temp.depend('bob runs'), 'true', 'a producer''s job waits for its own');
select is(pg_temp.depend('bob done'), '22023', 'not for one that has failed');
select is(pg_temp.depend(n), '42704', 'no other job is known: ' || n) from unnest('{ann runs, ann done, nobody}'::text[]) n;
select is(pg_temp.try('roles_bob', format($$ select ganger.enqueue_many('[{"job_type": "x", "depends_on": [%s]}]') $$, pg_temp.id('ann runs'))), '42704',
    'nor in enqueue_many');
select is(pg_temp.try('roles_walt', format('select ganger.enqueue(''x'', depends_on => array[%s]) > 0', pg_temp.id('ann runs'))), 'true',
    'a worker''s job waits for any');
insert into j select n, pg_temp.try('roles_ann', format('select ganger.enqueue(''x'', %s)', a))::bigint
from (values ('ann key', 'idempotency_key => ''k'''), ('ann unique', 'unique_key => ''u''')) v (n, a);
select is(pg_temp.owner_of(pg_temp.try('roles_bob', format('select ganger.enqueue(''x'', %s)', a))::bigint), 'roles_bob', 'another owner''s key is no key: ' || a)
from unnest(array['idempotency_key => ''k''', 'unique_key => ''u''', 'unique_key => ''u'', on_conflict => ''replace''']) a;
select is((select string_agg(status, ' ') from ganger.jobs where id in (pg_temp.id('ann key'), pg_temp.id('ann unique'))), 'pending pending',
    'and its job stays');
select is(pg_temp.try('roles_bob', format('select ganger.create_token(job_id => %s) is not null', pg_temp.id('bob runs'))), 'true',
    'a token for one''s own job');
select is(pg_temp.try('roles_bob', format('select ganger.create_token(job_id => %s)', pg_temp.id('ann runs'))),
    pg_temp.try('roles_bob', 'select ganger.create_token(job_id => 987654321)'), 'and for another''s as for one that is not there');
-- tags: a barrier of one who has an owner is for that owner's jobs
create function pg_temp.enqueue(who text, args text) returns bigint language sql as
    $$ select pg_temp.try(who, format('select ganger.enqueue(''x'', %s)', args))::bigint $$;
create function pg_temp.state(job bigint) returns text language sql as
    $$ select concat_ws(' ', j.status, j.pending_reason) from ganger.jobs j where j.id = job $$;
create temp table b as select pg_temp.enqueue('roles_ann', 'tags => ''{t}''') as ann, pg_temp.enqueue('roles_bob', 'depends_on_tags => ''{t}''') as free;
alter table b add bob bigint, add later bigint, add late bigint, add anyone bigint;
select is(pg_temp.state(free), 'pending', 'another owner''s tags keep nobody waiting') from b;
update b set bob = pg_temp.enqueue('roles_bob', 'tags => ''{t}''');
update b set later = pg_temp.enqueue('roles_bob', 'depends_on_tags => ''{t}''');
update b set anyone = pg_temp.enqueue('roles_walt', 'depends_on_tags => ''{t}''');
select is(pg_temp.state(later), 'pending blocked', 'one''s own do') from b;
select is(pg_temp.state(anyone), 'pending blocked', 'a job of nobody waits for all') from b;
select is(pg_temp.try('roles_ann', format('select ganger.cancel(%s)', pg_temp.enqueue('roles_ann', 'tags => ''{t}'''))), 'true', 'a job with such tags ends badly');
select is(pg_temp.state(later), 'pending blocked', 'which cancels no other owner''s barrier') from b;
select is(pg_temp.state(anyone), 'cancelled', 'but nobody''s') from b;
select is(pg_temp.try('roles_ann', 'select ganger.enqueue(''x'', tags => ''{u}'', depends_on_tags => ''{t}'') > 0'), 'true', 'a circle is one owner''s:')
from pg_temp.enqueue('roles_bob', 'tags => ''{t}'', depends_on_tags => ''{u}''');
select pg_temp.try('roles_bob', format('select ganger.cancel(%s)', bob)) from b \g /dev/null
select is(pg_temp.state(later), 'cancelled', 'one''s own do') from b;
delete from ganger.history where id > (select max(id) from j where name !~ 'ann (key|unique)');
delete from ganger.job where id > (select max(id) from j where name !~ 'ann (key|unique)');

-- ---- set_role_owner
select is(pg_temp.try('roles_olga', $$ select ganger.set_role_owner('roles_kim', 'roles_bob') $$), '42501', 'only an admin says whom a role acts for');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('roles_kim', 'roles_bob') $$), '', 'an admin does');
select is(pg_temp.owner_of(pg_temp.try('roles_kim', $$ select ganger.enqueue('x') $$)::bigint), 'roles_bob', 'kim acts for bob');
select is(pg_temp.try('roles_kim', 'select count(*) filter (where owner = ''roles_bob'') || '' of '' || count(*) from ganger.jobs'), '4 of 4', 'and sees his');
select is(pg_temp.try('roles_kim', $$ select ganger.enqueue('x', owner => 'roles_kim') $$), '42501', 'no longer its own');
alter role roles_kim rename to roles_kimberly;
select is(pg_temp.try('roles_kimberly', 'select ganger.count_jobs()'), '4', 'a new name of the role changes nothing');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('roles_kimberly', '*') $$), '', 'for any owner');
select is(pg_temp.owner_of(pg_temp.try('roles_kimberly', $$ select ganger.enqueue('x', owner => 'roles_ann') $$)::bigint), 'roles_ann', 'it acts for ann');
select is(pg_temp.owner_of(pg_temp.try('roles_kimberly', $$ select ganger.enqueue('x') $$)::bigint), null, 'and for nobody');
select is(pg_temp.try('roles_kimberly', 'select count(*) from ganger.jobs'), (select count(*)::text from ganger.jobs), 'and sees all');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('roles_kimberly', null) $$), '', 'none again');
select is(pg_temp.try('roles_kimberly', 'select ganger.count_jobs()'), '0', 'it is its own');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('ROLES_BOB', 'x') $$), '42704', 'an unknown role');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('roles_bob', '') $$), '22023', 'an empty owner');
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner(null, 'x') $$), '22023', 'no role');
create role "*" login in role ganger_producer;
select is(pg_temp.try('*', 'select ganger.count_jobs()'), '0', 'a role named * is nobody special');
select is(pg_temp.owner_of(pg_temp.try('*', $$ select ganger.enqueue('x') $$)::bigint), '*', 'and owns what it enqueues');
create role "Roles ""odd"".x" login in role ganger_producer;
select is(pg_temp.try('roles_adam', $$ select ganger.set_role_owner('Roles "odd".x', 'roles_bob') $$), '', 'any name of a role');
select is(pg_temp.owner_of(pg_temp.try('Roles "odd".x', $$ select ganger.enqueue('x') $$)::bigint), 'roles_bob', 'is found');
select ganger.set_role_owner('Roles "odd".x', null) \g /dev/null

-- ---- what does not help
create schema roles_evil authorization roles_bob;
grant usage on schema roles_evil to public;
-- a setting is no boundary: there is none to set
select is(pg_temp.try('roles_bob', $$ select set_config('role', 'roles_ann', false) $$), '42501', 'a role one is not in');
select is(pg_temp.try('roles_bob', $$ select set_config('role', 'ganger_admin', true) $$), '42501', 'nor a mightier one');
\set alien `psql -XqAt -d :'conninfo'" user=roles_bob" -c 'select ganger.count_jobs()' -c 'set session authorization roles_ann' 2>&1 | tr '\n' ' '`
select is(:'alien', (select count(*) from ganger.jobs where owner = 'roles_bob') || ' ERROR:  permission denied to set session authorization "roles_ann" ',
    'nor another login');
select is(pg_temp.try('roles_bob', $$ select set_config('is_superuser', 'on', false) $$), '55P02', 'nor that');
-- a role one is in, is one's own: SET ROLE goes down, not up
create function pg_temp.try_as(who text, role text, sql text) returns text language plpgsql as $$
declare
    me     constant text := session_user;
    answer text;
begin
    perform set_config('session_authorization', who, true);
    perform set_config('role', role, true);
    begin
        execute sql into answer;
    exception when others then
        answer := sqlstate;
    end;
    perform set_config('session_authorization', me, true);
    return answer;
end $$;
select is(pg_temp.try_as('roles_both', 'ganger_producer', 'select ganger.count_jobs()'), '0', 'SET ROLE: with that role''s rights only');
select is(pg_temp.owner_of(pg_temp.try_as('roles_kimberly', 'roles_team', $$ select ganger.enqueue('x') $$)::bigint), 'roles_team', 'and in its name');
select is(pg_temp.try_as('roles_late', 'ganger_producer', $$ select ganger.enqueue('x', owner => 'roles_ann') $$), '42501', 'not inherited, put on');
select is(pg_temp.try_as('roles_late', 'ganger_operator', 'select ganger.count_jobs()'), (select count(*)::text from ganger.jobs), 'and the other one');
select is(pg_temp.try(session_user, $$ select set_config('role', 'roles_bob', true) || ganger.count_jobs() $$),
    'roles_bob' || (select count(*) from ganger.jobs where owner = 'roles_bob'), 'a superuser who takes a role on has its rights');
reset role;
-- functions with the rights of who made them
create schema roles_office authorization roles_olga;
grant usage on schema roles_office to public;
set session authorization roles_olga;
create function roles_office.count() returns bigint language sql security definer as 'select ganger.count_jobs()';
create function roles_office.see() returns bigint language sql security definer as 'select count(*) from ganger.jobs';
reset session authorization;
select is(pg_temp.try('roles_bob', 'select roles_office.count()'), (select count(*)::text from ganger.jobs where owner = 'roles_bob'),
    'an operator''s function shows its caller no more than he may see');
select is(pg_temp.try('roles_bob', 'select roles_office.see()'), (select count(*)::text from ganger.jobs where owner = 'roles_bob'), 'by the view, too');
set session authorization roles_bob;
create function roles_evil.see() returns bigint language sql security definer as 'select count(*) from ganger.jobs';
create function roles_evil.other() returns bigint language sql set role = 'roles_bob' as 'select ganger.count_jobs()';
create function roles_evil.act(a integer) returns integer language plpgsql immutable as $$
    begin perform ganger.enqueue('x', owner => 'roles_ann'); return a; end $$;
create function roles_evil.spy(a integer) returns integer language plpgsql immutable as $$
    begin return ganger.count_jobs('{"owner": "roles_ann"}'); end $$;
create function roles_evil.look(a integer) returns integer language plpgsql immutable as $$
    begin return (select count(*) from ganger.jobs where owner = 'roles_ann'); end $$;
create table roles_evil.t (a integer);
create index trap on roles_evil.t (roles_evil.act(a)) where false;
reset session authorization;
select is(roles_evil.see(), (select count(*) from ganger.jobs where owner = 'roles_bob'), 'the view shows a producer''s function his jobs, whoever calls it');
select is(roles_evil.other(), (select count(*) from ganger.jobs where owner = 'roles_bob'), 'a function that takes on a role has that one''s');
select is(pg_temp.try('roles_ann', 'select roles_evil.other()'), '42501', 'and only if its caller is in it');
-- code that PostgreSQL runs in another's session: a superuser analyzes the table of a producer
insert into roles_evil.t values (1), (2);
set session authorization roles_bob;
drop index roles_evil.trap;
create index trap on roles_evil.t (roles_evil.look(a));
reset session authorization;
select ok(ganger.count_jobs('{"owner": "roles_ann"}') > 0, 'ann has jobs');
analyze roles_evil.t;
select is((select max(most_common_vals::text) from pg_stats where tablename = 'trap'), '{0}', 'the function of an index sees none of them, who ever analyzes');
truncate roles_evil.t;
set session authorization roles_bob;
drop index roles_evil.trap;
create index trap on roles_evil.t (roles_evil.spy(a));
reset session authorization;
-- (as his own he may: the row is there)
select is(pg_temp.try('roles_bob', 'insert into roles_evil.t values (1) returning a'), '1', 'the producer fills his table');
select throws_ok('analyze roles_evil.t', '42501', 'cannot execute UNLISTEN within security-restricted operation', 'nor does it by a function that reads');
truncate roles_evil.t;
select is(pg_temp.try('roles_bob', 'insert into roles_evil.t values (2) returning a'), '2', 'again');
select throws_ok('reindex table roles_evil.t', '42501', 'cannot execute UNLISTEN within security-restricted operation', 'REINDEX neither');
drop table roles_evil.t;
set session authorization roles_bob;
create materialized view roles_evil.m as select roles_evil.act(1) with no data;
reset session authorization;
select throws_ok('refresh materialized view roles_evil.m', '42501', 'cannot execute UNLISTEN within security-restricted operation',
    'nor one that enqueues, in a refresh');

-- a condition that tells what it was asked about
set session authorization roles_bob;
create table roles_evil.seen (owner text);
create function roles_evil.leak(owner text) returns boolean language plpgsql cost 0.0001 as $$
    begin insert into roles_evil.seen values (owner); return true; end $$;
select count(*) from ganger.jobs where roles_evil.leak(owner) \g /dev/null
reset session authorization;
select results_eq('select distinct owner from roles_evil.seen', $$ values ('roles_bob') $$, 'a condition of the caller''s sees only what he may');

-- ---- names that lie in wait: every function with its owner's rights finds its own
grant temp on database :"DBNAME" to public;
set session authorization roles_bob;
create temp table job as select 1 as id, 'roles_bob'::text as owner;
create temp table history as select 1 as id, 'roles_bob'::text as owner;
create temp table role_owner as select 'roles_bob'::regrole as role, '*'::text as owner;
create temp table pg_roles as select 'roles_bob'::name as rolname, 'roles_bob'::regrole::oid as oid;
create temp table setting as select 'payload_max'::text as name, '99999999'::text as value;
create function roles_evil.pg_has_role(name, name, text) returns boolean language sql as 'select true';
create function roles_evil.pg_has_role(name, text, text) returns boolean language sql as 'select true';
create function roles_evil.current_setting(text) returns text language sql as $$ select 'postgres' $$;
create function roles_evil._is_free(name, boolean) returns boolean language sql as 'select true';
create function roles_evil.yes(text, text) returns boolean language sql as 'select true';
create operator roles_evil.= (function = roles_evil.yes, leftarg = text, rightarg = text);
create domain roles_evil.text as pg_catalog.text;
select set_config('search_path', 'pg_temp, roles_evil, pg_catalog, ganger', false) \g /dev/null
select set_config('test.lured', pg_catalog.concat_ws(' ', ganger.count_jobs('{}'::jsonb), (select pg_catalog.count(*) from ganger.jobs),
    (select pg_catalog.count(*) from ganger.list_jobs('{}'::jsonb)), ganger.cancel((select id from ganger.get_job(1)))::pg_catalog.text), false) \g /dev/null
do $$ begin
    perform ganger.enqueue('x', owner => 'roles_ann');
    perform set_config('test.lured', 'enqueued for ann', false);
exception when insufficient_privilege then
    null;
end $$;
reset search_path;
reset session authorization;
select is(current_setting('test.lured'), (select concat_ws(' ', count(*), count(*), count(*), 'false') from ganger.jobs where owner = 'roles_bob'),
    'tables, functions, operators and types of the caller''s own are not looked at');

drop schema roles_evil cascade;
drop schema roles_office cascade;
drop owned by roles_bob;
revoke all on database :"DBNAME" from public;
drop role roles_bob, roles_ann, roles_kimberly, roles_team, roles_late, roles_rita, roles_see, roles_walt, roles_olga, roles_both, roles_adam,
    roles_none, roles_pat, roles_mid, "*", "Roles ""odd"".x";
select * from finish();
