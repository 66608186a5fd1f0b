-- SPDX-License-Identifier: MIT
-- Hostile arguments, for every function there is and every one that comes: what is text stays text, what is a number has bounds, a lease is
-- needed where one is asked for, and nobody learns of another owner's jobs. Nothing here names the functions: they are asked of the catalog.
select plan(25);

-- ---- calls of everything, with one argument chosen
create temp table parameter as
select p.oid, p.proname as function, p.prokind, a.ordinality as number, a.name, t.typname as type, p.pronargs - p.pronargdefaults as required
from pg_proc p, unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) with ordinality a (name, oid, ordinality), pg_type t
where p.pronamespace = 'ganger'::regnamespace and p.proname !~ '^_' and t.oid = a.oid;

create index on parameter (oid, name);
analyze parameter;

-- What any parameter of a type may be.
create function pg_temp.plain(type text, name text) returns text language sql as $$
    select case type when 'text' then case name when 'cron' then '''@daily''' when 'step' then '''s''' else '''x''' end
        when 'jsonb' then case name when 'items' then '''[1]''' when 'jobs' then '''[]''' else '''{}''' end
        when 'int4' then '1' when 'int8' then '1' when 'bool' then 'true' when 'uuid' then 'pg_catalog.gen_random_uuid()' when 'bytea' then '''\x00'''
        when 'interval' then '''1 h''' when 'timestamptz' then 'pg_catalog.now()' when '_text' then '''{x}''' when '_int8' then '''{}''' end $$;

-- A call by names: all that must be given, and `chosen` = `value`.
create function pg_temp.call(f oid, chosen text, value text) returns text language sql as $$
    select 'select pg_catalog.string_agg(r::pg_catalog.text, '','') from ganger.' || quote_ident(min(p.function)) || '('
        || string_agg(format('%I => %s', p.name, case when p.name = chosen then value else pg_temp.plain(p.type, p.name) end), ', ' order by p.number)
        || ') r' from parameter p where p.oid = f and (p.number <= p.required or p.name = chosen) $$;

-- What it answers, or the SQLSTATE, or 'slow'. Whatever it has done is undone.
create function pg_temp.try(sql text) returns text language plpgsql as $$
declare
    start constant timestamptz := clock_timestamp();
    answer text;
begin
    begin
        execute sql into answer;
        raise exception using errcode = 'T0001', message = coalesce(answer, '');
    exception
        when sqlstate 'T0001' then answer := 'answer ' || sqlerrm;
        when others then answer := sqlstate;
    end;
    return case when clock_timestamp() - start > interval '5 s' then 'slow' else answer end;
end $$;

create table canary (n integer);
insert into canary values (1);

-- ---- text is text
create temp table vector (v text, n integer generated always as identity);
insert into vector (v) values
    (''''), (''''''), ('"'), ('\'), ('\'''), ('$$'), ('--'), ('/*'), (';'), (')'), ('%s'), ('%I'), ('{}'), ('{"'), ('NULL'), ('null'),
    (''' or 1=1 --'), (''' or ''1''=''1'), ('x'' union select 1 --'), ('1; drop table canary'), ('''; drop table canary; --'),
    ('\''; drop table canary; --'), ('''); drop table canary; --'), ('$$; drop table canary; $$'), ('"; drop table canary; --'),
    ('''||(select pg_sleep(10))||'''), ('1 or pg_sleep(10) is null'), (e'\u00bf'' or 1=1 --'), (e'a\r\nb'), (e'\x1b[31m'),
    ('ganger.job'), ('pg_catalog.pg_sleep(10)'), ('x'', (select current_user), '''), ('%'' or true or ''%'), ('${jndi:ldap://x}'), ('../../etc/passwd');

-- Of the texts each parameter gets its share, a part of them each another one.
create temp table answered as
select p.function, p.name, v.v, 'text' as as_type, pg_temp.try(pg_temp.call(p.oid, p.name, quote_literal(v.v))) as answer
from parameter p, vector v where p.type = 'text' and v.n % 3 = p.number % 3
union all
select p.function, p.name, v.v, 'text[]', pg_temp.try(pg_temp.call(p.oid, p.name, quote_literal(array[v.v]::text)))
from parameter p, vector v where p.type = '_text'
union all
select p.function, p.name, v.v, 'value', pg_temp.try(pg_temp.call(p.oid, p.name,
    quote_literal(jsonb_build_object(k, case when k = 'tags' then jsonb_build_array(v.v) else to_jsonb(v.v) end))))
from parameter p, vector v, unnest('{status, job_type, queue, owner, priority, run_at, tags, group_key, batch, idempotency_key, search, error_group}'::text[]) k
where p.type = 'jsonb' and p.name in ('filter', 'changes') and (p.function = 'list_jobs' or v.n % 3 = ascii(k) % 3)
union all
select p.function, p.name, v.v, 'key', pg_temp.try(pg_temp.call(p.oid, p.name, quote_literal(jsonb_build_object(v.v, 1))))
from parameter p, vector v where p.type = 'jsonb' and v.n % 2 = p.number % 2
union all
select p.function, p.name, v.v, 'operator', pg_temp.try(pg_temp.call(p.oid, p.name, quote_literal(jsonb_build_object('run_at', jsonb_build_object(v.v, v.v)))))
from parameter p, vector v where p.type = 'jsonb' and p.name = 'filter';

select ok((select count(*) >= 2000 from answered), 'as many tries as there are parameters: ' || (select count(*) from answered));
select is_empty($$ select function, name, as_type, v, answer from answered where answer !~ '^answer '
    and answer not in ('22023', '22003', '22007', '22008', '42704', '42501', '23505', '0A000', 'GG002')
    and not (function = 'run_sql_handler' and answer in ('42601', '42602', '42883', '22P02', '42P01', '3F000', '42704')) $$,
    'each is taken as it is, or refused by a code that says so: no syntax error, no lookup of a name, no sleep');
select is_empty($$ select * from answered where as_type in ('value', 'key', 'operator') and function in ('list_jobs', 'count_jobs', 'cancel_jobs', 'retry_jobs', 'edit_jobs')
    and answer ~ '^answer [^0]' $$, 'and no filter matches anything by it');
select is((select count(*) from canary), 1::bigint, 'the table is still there');
select is((select count(*) from ganger.jobs), 0::bigint, 'and no job has come');
-- where a backslash is an escape
set standard_conforming_strings = off;
set escape_string_warning = off;
select is_empty($$ select v.v, a from vector v, pg_temp.try('select ganger.count_jobs(jsonb_build_object(''owner'', ' || quote_literal(v.v) || '))') a
    where a <> 'answer 0' $$, 'nor with another way to write texts');
select is_empty($$ select v.v, a from vector v, pg_temp.try('select ganger.count_jobs(jsonb_build_object(''tags'', jsonb_build_array(' || quote_literal(v.v) || ')))') a
    where a <> 'answer 0' $$, 'in lists, too');
reset standard_conforming_strings;
-- a text that is stored comes back as it was
select is_empty($$ select v.v from vector v cross join lateral (select ganger.enqueue(v.v, to_jsonb(v.v), queue => v.v, tags => array[v.v], owner => v.v,
        group_key => v.v, idempotency_key => v.v, unique_key => v.v, metadata => to_jsonb(v.v)) as id) e
    cross join lateral ganger.get_job(e.id) j
    where (j.job_type, j.payload #>> '{}', j.queue, j.tags[1], j.owner, j.group_key, j.idempotency_key, j.unique_key, j.metadata #>> '{}')
        is distinct from (v.v, v.v, v.v, v.v, v.v, v.v, v.v, v.v, v.v) $$, 'and is kept as it is');
select is((select sum(ganger.count_jobs(jsonb_build_object('owner', v))) from vector), (select count(*)::numeric from vector), 'and found by itself only');
truncate ganger.job, ganger.job_key cascade;

-- ---- numbers have bounds
create temp table extreme (type text, v text);
insert into extreme values
    ('int4', '2147483647'), ('int4', '-2147483648'), ('int4', '-1'), ('int4', '0'), ('int4', '1000000000'), ('int4', 'null'),
    ('int8', '9223372036854775807'), ('int8', '-9223372036854775808'), ('int8', '-1'), ('int8', '0'), ('int8', 'null'),
    ('interval', '''178000000 years'''), ('interval', '''-178000000 years'''), ('interval', '''-1 us'''), ('interval', '''0'''), ('interval', '''1 us'''),
    ('interval', '''999999999 hours'''), ('interval', 'null'),
    ('timestamptz', '''infinity'''), ('timestamptz', '''-infinity'''), ('timestamptz', '''294276-12-31'''), ('timestamptz', '''4713-01-01 BC'''),
    ('jsonb', '''1e400000'''), ('jsonb', '''null'''), ('jsonb', '''[]'''), ('jsonb', '''9223372036854775808'''), ('jsonb', '''{"priority": 1e99}'''),
    ('jsonb', '''{"priority": {"gt": 1e400}}'''), ('jsonb', '''{"run_at": {"gt": "infinity"}}'''), ('jsonb', '''{"max_attempts": -1}'''),
    ('jsonb', '''{"timeout": "-1 year"}'''), ('uuid', 'null'), ('bool', 'null'), ('text', 'null'), ('_text', 'null'), ('_text', '''{NULL}'''),
    ('_text', '''{}'''), ('_text', '''{{a},{b}}'''), ('_int8', '''{NULL}'''), ('_int8', '''{9223372036854775807}'''),
    ('text', 'repeat(''x'', 1000000)'), ('_text', 'array_fill(''x''::text, array[100000])');
create temp table bounded as
select p.function, p.name, e.v, pg_temp.try(pg_temp.call(p.oid, p.name, e.v)) as answer from parameter p join extreme e using (type);
select ok((select count(*) >= 300 from bounded), 'as many tries as there are numbers: ' || (select count(*) from bounded));
select is_empty($$ select * from bounded where answer !~ '^answer '
    and answer not in ('22023', '22003', '22007', '22008', '42704', '42501', '23505', '0A000', 'GG002')
    and not (function = 'run_sql_handler' and answer in ('42883', '42602')) $$, 'each is bounded or refused by a code that says so, within five seconds');
select is_empty($$ select * from bounded where name = 'max_rows' and v in ('2147483647', '-2147483648', '-1', '0', '1000000000') and answer <> '22003' $$,
    'no list is longer than its bound');

-- ---- names that lie in wait: a function of every name and signature that PostgreSQL has and our functions mention, operators, and a table for
-- each of ours; all before the real ones in the caller's search_path. Whoever is lured says GG666.
create schema lure;
create temp table lured as select distinct p.oid, p.proname, pg_get_function_identity_arguments(p.oid) as arguments, p.prorettype::regtype as result, p.proretset
from (select distinct m[1] as word from pg_proc o, regexp_matches(o.prosrc, '(\w+)\(', 'g') m where o.pronamespace = 'ganger'::regnamespace) w
join pg_proc p on p.proname = w.word
where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0;
create temp table laid (what text);
do $$
declare
    l record;
begin
    for l in select * from lured loop
        begin
            execute format('create function lure.%I(%s) returns %s %s language plpgsql as $f$ begin raise exception using errcode = ''GG666'', message = %L; end $f$',
                           l.proname, l.arguments, case when l.proretset then 'setof' else '' end, l.result, l.proname);
            insert into laid values (l.proname);
        exception when others then
            null; -- pseudo-types, and the like
        end;
    end loop;
    for l in select o.oprname, o.oprleft::regtype as l, o.oprright::regtype as r, o.oprresult::regtype as result from pg_operator o
             where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprleft in ('text'::regtype, 'bigint'::regtype, 'integer'::regtype, 'jsonb'::regtype, 'interval'::regtype,
                   'timestamptz'::regtype, 'boolean'::regtype, 'uuid'::regtype, 'text[]'::regtype, 'bigint[]'::regtype, 'anyarray'::regtype) and o.oprright = o.oprleft
               and o.oprname in ('=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '@>', '<@', '&&', '~') loop
        begin
            execute format('create function lure.op(%s, %s) returns %s language plpgsql as $f$ begin raise exception using errcode = ''GG666''; end $f$',
                           l.l, l.r, l.result);
        exception when duplicate_function then
            null;
        end;
        begin
            execute format('create operator lure.%s (function = lure.op, leftarg = %s, rightarg = %s)', l.oprname, l.l, l.r);
            insert into laid values (l.oprname);
        exception when others then
            null; -- of the same types with another result
        end;
    end loop;
    for l in select c.relname from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p', 'v') loop
        execute format('create temp table %I (lured integer)', l.relname);
        insert into laid values (l.relname);
    end loop;
    for l in select unnest('{text,int8,int4,jsonb,uuid,timestamptz,interval,bool,name}'::text[]) as t loop
        execute format('create domain lure.%I as pg_catalog.text check (value is null)', l.t);
        insert into laid values (l.t);
    end loop;
end $$;
create function pg_temp.try_lured(sql text) returns text language plpgsql set search_path = pg_catalog as $$
declare
    answer pg_catalog.text;
begin
    begin
        perform pg_catalog.set_config('search_path', 'pg_temp, lure, pg_catalog, ganger', true);
        execute sql into answer;
        raise exception using errcode = 'T0001';
    exception
        when sqlstate 'T0001' then return 'answer';
        when others then return sqlstate;
    end;
end $$;
create temp table with_lures as
select p.oid, p.function, left(pg_temp.try(c.sql), 6) as plain, left(pg_temp.try_lured(c.sql), 6) as lured
from (select distinct p.oid, p.function from parameter p where p.function <> 'run_sql_handler') p, lateral (select pg_temp.call(p.oid, null, null) as sql) c;
create function unpinned() returns text language plpgsql security definer as 'begin return octet_length(''x''::pg_catalog.text); end';
select is(pg_temp.try_lured('select public.unpinned()'), 'GG666', 'a function without a search_path of its own is lured');
select ok((select count(*) >= 200 from laid), 'names that lie in wait: ' || (select count(*) from laid));
select is_empty($$ select * from with_lures where lured = 'GG666' or lured <> plain $$, 'none of them is looked at');
drop schema lure cascade;
do $$
declare
    l record;
begin
    for l in select c.relname from pg_class c where c.relnamespace = pg_my_temp_schema() and exists (select from pg_class o
             where o.relnamespace = 'ganger'::regnamespace and o.relname = c.relname) loop
        execute format('drop table pg_temp.%I', l.relname);
    end loop;
end $$;

-- ---- a lease: foreign, old, or made up
select ganger.enqueue('x', retry_delay => '0', retry_backoff => false) as old_id \gset
select ganger.enqueue('x') as other_id \gset
select lease_id as old_lease from ganger.claim('w', max_jobs => 1) where id = :old_id \gset
select ganger.fail(:old_id, :'old_lease', 'once') \g /dev/null
select ganger.maintain() \g /dev/null
create temp table held as select id, lease_id from ganger.claim('w', max_jobs => 2);
select is((select count(*) from held), 2::bigint, 'two jobs are held');
create temp table leased as select distinct oid, function from parameter where name = 'lease_id';
create temp table before as select j.id, j.xmin::text as version, j.ctid::text as place from ganger.job j;
select max(id) as last_event from ganger.event \gset
create temp table stale (function text, lease text, done text, calls integer);
-- Without a rollback: nothing shall be left to undo.
create function pg_temp.stale(f oid, job bigint, lease uuid, kind text, times integer) returns void language plpgsql as $$
declare
    sql constant text := (select 'select string_agg(r::text, '','') from ganger.' || quote_ident(min(p.function)) || '(' || string_agg(
        format('%I => %s', p.name, case p.name when 'id' then '$1' when 'lease_id' then '$2' when 'percent' then '50'
               when 'function' then '''app_handler''' else pg_temp.plain(p.type, p.name) end), ', ') || ') r'
        from parameter p where p.oid = f and p.number <= p.required);
    answer text;
    other  text;
begin
    for i in 1 .. times loop
        begin
            execute sql into other using job, coalesce(lease, gen_random_uuid());
        exception when others then
            other := sqlstate;
        end;
        answer := case when i = 1 or answer is not distinct from other then other else 'now this, now that' end;
    end loop;
    insert into stale select p.proname, kind, answer, times from pg_proc p where p.oid = f;
end $$;
create function app_handler(payload jsonb, job ganger.jobs) returns jsonb language sql as 'select null::jsonb';
select pg_temp.stale(l.oid, a.id, b.lease_id, 'of another job', 1) from leased l, held a, held b where a.id <> b.id \g /dev/null
select pg_temp.stale(oid, :old_id, :'old_lease', 'of an earlier attempt', 1) from leased \g /dev/null
select pg_temp.stale(l.oid, h.id, null, 'made up', 10000 / (2 * (select count(*)::integer from leased)) + 1) from leased l, held h \g /dev/null
select ok((select sum(calls) >= 10000 from stale where lease = 'made up'), 'made up leases: ' || (select sum(calls) from stale where lease = 'made up'));
-- (the end of an attempt may be told twice: the second time it is known already)
select is_empty($$ select function, lease, done from stale where done is not null and done not in ('f', 'false', 'GG002')
    and not (function = 'fail' and lease = 'of an earlier attempt') and not (function = 'wait_for_token' and done = '42704') $$, 'none of them does anything');
select results_eq('select j.id, j.xmin::text, j.ctid::text from ganger.job j order by 1', 'select * from before order by 1', 'not a row has changed');
select is((select count(*) from ganger.event where id > :last_event), 0::bigint, 'and nothing has happened');

-- ---- another owner's jobs
set client_min_messages = error;
drop role if exists security_ann, security_bob;
create role security_ann login in role ganger_producer;
create role security_bob login in role ganger_producer;
create function pg_temp.as_role(who text, sql text) returns text language plpgsql as $$
declare
    me     constant text := session_user;
    answer text;
begin
    perform set_config('session_authorization', who, true);
    begin
        execute sql into answer;
    exception when others then
        answer := sqlstate || ' ' || sqlerrm;
    end;
    perform set_config('session_authorization', me, true);
    return answer;
end $$;
truncate ganger.job, ganger.job_key cascade;
create temp table ann as select n, pg_temp.as_role('security_ann', format('select ganger.enqueue(''annsecret'', ''"annsecret"'', queue => ''annqueue'', '
    'idempotency_key => ''annkey%s'', unique_key => ''annunique%s'', tags => ''{anntag}'', group_key => ''anngroup'', metadata => ''"annsecret"'')', n, n))::bigint as id
from generate_series(1, 3) n;
select ganger.maintain() \g /dev/null
create temp table annheld as select id, lease_id from ganger.claim('w', queues => '{annqueue}', max_jobs => 2);
select ganger.fail(id, lease_id, 'annsecret', false) from annheld order by id limit 1 \g /dev/null
create function pg_temp.all_of_ann() returns text language sql as $$
    select md5(concat((select string_agg(j::text || j.xmin::text, ',' order by j.id) from ganger.job j where owner = 'security_ann'),
        (select string_agg(h::text, ',' order by h.id) from ganger.history h where owner = 'security_ann'),
        (select string_agg(e::text, ',' order by e.id) from ganger.event e where e.job_id in (select id from ann)),
        (select string_agg(k::text, ',' order by k::text) from ganger.job_key k where k.job_id in (select id from ann)))) $$;
select pg_temp.all_of_ann() as before \gset
-- every function that a producer may call and that takes the id of a job, by each of ann's jobs, and by one that does not exist
create function pg_temp.ask(f oid, which text, job bigint) returns text language sql as $$
    select pg_temp.as_role('security_bob', pg_temp.call(f, which, case p.type when '_int8' then format('array[%s]', job) else job::text end))
    from parameter p where p.oid = f and p.name = which $$;
create temp table asked as
select p.function, p.name, a.id, replace(coalesce(pg_temp.ask(p.oid, p.name, a.id), ''), a.id::text, 'ID') as answer,
    replace(coalesce(pg_temp.ask(p.oid, p.name, 987654321), ''), '987654321', 'ID') as unknown
from parameter p, ann a
where has_function_privilege('security_bob', p.oid, 'EXECUTE') and p.type in ('int8', '_int8') and p.name ~ '^(id|job_id|depends_on)$';
select ok((select count(distinct function) >= 6 from asked), 'what takes an id: ' || (select string_agg(distinct function, ' ') from asked));
select is_empty($$ select * from asked where answer is distinct from unknown or answer ~ 'ann' $$, 'another owner''s job is a job that is not there');
-- every function and view, whatever it takes: her texts are not in what it gives; nor is a key of hers a key of his
select is_empty($$ select c.relname from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind = 'v' and has_table_privilege('security_bob', c.oid, 'SELECT')
    and pg_temp.as_role('security_bob', format('select string_agg(v::text, '','') from ganger.%I v', c.relname)) ~ 'ann' $$, 'no view shows one');
-- what is said of a name of hers is what is said of any other
create function pg_temp.said(f oid, which text, name text) returns text language sql as $$
    select regexp_replace(replace(coalesce(pg_temp.as_role('security_bob', pg_temp.call(f, which, quote_literal(name))), ''), name, 'NAME'),
                          '[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+', 'N', 'g') $$;
select is_empty($$ select p.function, p.name, v, pg_temp.said(p.oid, p.name, v), pg_temp.said(p.oid, p.name, 'zzz' || v)
    from parameter p, unnest(array['annqueue', 'annkey1', 'annunique1', 'anngroup', 'annsecret', 'security_ann', 'anntag']) v
    where has_function_privilege('security_bob', p.oid, 'EXECUTE') and p.type = 'text'
      and pg_temp.said(p.oid, p.name, v) is distinct from pg_temp.said(p.oid, p.name, 'zzz' || v) $$, 'no name of hers says anything');
select is(pg_temp.all_of_ann(), :'before', 'and all of hers is as it was');
drop owned by security_ann, security_bob;
drop role security_ann, security_bob;
select * from finish();
