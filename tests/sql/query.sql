-- SPDX-License-Identifier: MIT
-- get_job, list_jobs, count_jobs: every filter, every tag mode, the cursor; what is refused.
select plan(140);

-- twelve jobs, one of each kind; `name` is payload.n
create function pg_temp.put(name text, job_type text default 'a', queue text default 'default', priority integer default 0,
    tags text[] default null, owner text default null, run_at timestamptz default now(), key text default null) returns void
language sql as $$ select ganger.enqueue(job_type, jsonb_build_object('n', name, 'deep', jsonb_build_object('l', '[1, 2]'::jsonb)),
    queue, priority, run_at, tags => tags, owner => owner, idempotency_key => key); $$;
select pg_temp.put('done', 'will', tags => '{red}', owner => 'bob');
select pg_temp.put('failed', 'will', tags => '{red,blue}');
select pg_temp.put('cancelled', 'will', tags => '{blue}');
create temp table c as select * from ganger.claim('w', max_jobs => 3);
select ganger.complete(id, lease_id) from c where payload ->> 'n' = 'done' \gset
select ganger.fail(id, lease_id, 'no', false) from c where payload ->> 'n' = 'failed' \gset
select ganger.cancel(id) from c where payload ->> 'n' = 'cancelled' \gset
select ganger.complete(id, lease_id) from c where payload ->> 'n' = 'cancelled' \gset
select pg_temp.put('running', 'run', tags => '{}');
select id as running from ganger.claim('w') \gset
select pg_temp.put('plain');
select pg_temp.put('b', 'b', tags => '{red,blue,green}');
select pg_temp.put('q', queue => 'other', tags => '{green}');
select pg_temp.put('high', priority => 10, owner => 'ann', tags => '{red,red}');
select pg_temp.put('low', priority => -10, owner => 'bob');
select pg_temp.put('later', run_at => '2090-01-01 00:00+00', key => 'the key');

create function pg_temp.found(filter jsonb) returns text language sql as $$
    select string_agg(payload ->> 'n', ' ' order by payload ->> 'n') from ganger.list_jobs(filter) $$;
create function pg_temp.check(filter text, wanted text) returns setof text language plpgsql as $$
begin
    return next is(pg_temp.found(filter::jsonb), wanted, filter);
    return next is(ganger.count_jobs(filter::jsonb), coalesce(cardinality(string_to_array(wanted, ' ')), 0)::bigint, 'counted: ' || filter);
end $$;

create function pg_temp.plan(condition text) returns text language plpgsql as $$
declare
    line text;
    plan text := '';
begin
    for line in execute 'explain select from ganger.job j where ' || condition loop
        plan := plan || line || E'\n';
    end loop;
    return plan;
end $$;

select pg_temp.check('{}', 'b cancelled done failed high later low plain q running');
select pg_temp.check('{"status": "pending"}', 'b high later low plain q');
select pg_temp.check('{"status": ["failed", "cancelled"]}', 'cancelled failed');
select pg_temp.check('{"status": "processing"}', 'running');
select pg_temp.check('{"status": "completed"}', 'done');
select pg_temp.check('{"status": "waiting"}', null);
select pg_temp.check('{"job_type": "will"}', 'cancelled done failed');
select pg_temp.check('{"job_type": ["b", "run"]}', 'b running');
select pg_temp.check('{"job_type": []}', null);
select pg_temp.check('{"queue": "other"}', 'q');
select pg_temp.check('{"owner": "bob"}', 'done low');
select pg_temp.check('{"owner": ["bob", "ann"], "status": "pending"}', 'high low');
select pg_temp.check('{"priority": 10}', 'high');
select pg_temp.check('{"priority": {"lt": 0}}', 'low');
select pg_temp.check('{"priority": {"gte": 0, "lte": 9}, "status": "pending"}', 'b later plain q');
select pg_temp.check('{"run_at": {"gt": "2080-01-01T00:00:00Z"}}', 'later');
select pg_temp.check('{"run_at": {"eq": "2090-01-01T00:00:00Z"}}', 'later');
select pg_temp.check('{"created_at": {"gt": "2080-01-01"}}', null);
select pg_temp.check('{"finished_at": {"gt": "2000-01-01"}}', 'cancelled done failed');
select pg_temp.check('{"idempotency_key": "the key"}', 'later');
select pg_temp.check('{"search": {"n": "plain"}}', 'plain');
select pg_temp.check('{"search": {"deep": {"l": [2]}}, "status": "completed"}', 'done');
select pg_temp.check('{"tags": ["red"]}', 'b done failed high');
select pg_temp.check('{"tags": {"values": ["red", "blue"]}}', 'b failed');
select pg_temp.check('{"tags": {"values": ["red", "blue"], "mode": "all"}}', 'b failed');
select pg_temp.check('{"tags": {"values": ["red", "blue"], "mode": "any"}}', 'b cancelled done failed high');
select pg_temp.check('{"tags": {"values": ["red", "blue"], "mode": "none"}}', 'later low plain q running');
select pg_temp.check('{"tags": {"values": ["blue", "red"], "mode": "exact"}}', 'failed');
select pg_temp.check('{"tags": {"values": ["red"], "mode": "exact"}}', 'done high');
select pg_temp.check('{"tags": {"values": [], "mode": "exact"}}', 'later low plain running');
select pg_temp.check('{"owner": null, "queue": "other"}', 'q');
select pg_temp.check('{"owner": null, "status": ["completed", "failed"]}', 'failed');
select pg_temp.check('{"idempotency_key": "no such key"}', null);
-- text from outside stays text
select pg_temp.check($f${"owner": "x' or true --", "idempotency_key": "%s \\' $$"}$f$, null);

-- refused
select throws_ok(format('select count(*) from ganger.list_jobs(%L)', v[1]), v[2], null, v[1]) from (values
    (array['[]', '22023']), (array['"x"', '22023']), (array['{"statsu": "pending"}', '22023']), (array['{"status": "open"}', '22023']),
    (array['{"status": 1}', '22023']), (array['{"status": [null]}', '22023']), (array['{"priority": "high"}', '22023']),
    (array['{"priority": {"above": 1}}', '22023']), (array['{"priority": {"gt": "x"}}', '22023']),
    (array['{"run_at": "2020-01-01"}', '22023']), (array['{"run_at": {"gt": "soon"}}', '22023']),
    (array['{"tags": "red"}', '22023']), (array['{"tags": {"values": ["red"], "mode": "some"}}', '22023']),
    (array['{"tags": {"value": ["red"]}}', '22023']), (array['{"tags": {"mode": "all"}}', '22023']),
    (array['{"group_key": 1}', '22023']), (array['{"batch": {}}', '22023']), (array['{"group_key": null}', '22023']),
    (array['{"batch": null}', '22023']), (array['{"statsu": null}', '22023']), (array['{"status": null}', '22023']),
    (array['{"job_type": null}', '22023']), (array['{"queue": null}', '22023']), (array['{"priority": null}', '22023']),
    (array['{"tags": null}', '22023']), (array['{"search": null}', '22023']), (array['{"run_at": null}', '22023']),
    (array['{"idempotency_key": null}', '22023']), (array['{"idempotency_key": {"x": 1}}', '22023']),
    (array['{"priority": {"eq": null}}', '22023']), (array['{"run_at": {"gt": null}}', '22023']), (array['{"priority": {"eq": [1]}}', '22023']),
    (array['{"tags": [1, null]}', '22023']), (array['{"tags": {"values": [null]}}', '22023'])) x (v);
select throws_ok($$ select ganger.count_jobs('{"x": 1}') $$, '22023', null, 'count_jobs refuses the same');
select throws_ok(format('select count(*) from ganger.list_jobs(%L, %s)', '{}', v), '22003', null, 'max_rows ' || v)
from unnest(array['0', '-1', '10001']) v;
select is((select count(*) from ganger.list_jobs(null)), 10::bigint, 'a null filter is none');

-- order and cursor
select results_eq($$ select id from ganger.list_jobs() $$, $$ select id from ganger.jobs order by id desc $$, 'id descending, live and ended');
create temp table pages (page integer, id bigint);
do $$
declare
    last bigint;
begin
    for n in 1..6 loop
        insert into pages select n, j.id from ganger.list_jobs('{}', 3, last) j;
        select coalesce(min(p.id), 0) into last from pages p where p.page = n;
        -- a job that arrives between two pages disturbs none of them
        perform ganger.enqueue('new');
    end loop;
end $$;
select results_eq($$ select page, count(*) from pages group by page order by page $$,
    $$ values (1, 3::bigint), (2, 3), (3, 3), (4, 1) $$, 'pages of three');
select is((select count(distinct id) from pages), 10::bigint, 'do not overlap');

-- group, batch, and the same key of two owners
select ganger.enqueue('g', '{"n": "g1"}', group_key => 'g'), ganger.enqueue('g', '{"n": "g2"}', group_key => 'g', run_at => now() + interval '1 h'),
    ganger.enqueue('g', '{"n": "h"}', group_key => 'h') \gset
select ganger.create_batch('b1', 'i', '[{"n": "i1"}, {"n": "i2"}, {"n": "i3"}]', 2), ganger.create_batch('b2', 'i', '[{"n": "k"}]'), ganger.start_batch('b1') \gset
select ganger.maintain() \g /dev/null
select ganger.complete(id, lease_id) from ganger.claim('w', job_types => '{i}') where payload ->> 'n' = 'i1' \gset
select pg_temp.check('{"group_key": "g"}', 'g1 g2');
select pg_temp.check('{"group_key": ["g", "h", "none"]}', 'g1 g2 h');
select pg_temp.check('{"batch": "b1"}', 'i1 i2 i3');
select pg_temp.check('{"batch": "b1", "status": "pending"}', 'i2 i3');
select pg_temp.check('{"batch": ["b1", "b2"]}', 'i1 i2 i3 k');
select pg_temp.check('{"batch": "none"}', null);
insert into ganger.job_key select 'idempotency', 'the key', 'somebody', id from ganger.job where payload ->> 'n' = 'h';
select pg_temp.check('{"idempotency_key": "the key"}', 'h later');
select is((select count(*) from ganger.list_jobs('{"tags": {"values": []}}')), ganger.count_jobs('{}'), 'every job has no tags at least');
select pg_temp.check('{"tags": {"values": [], "mode": "any"}}', null);
set enable_seqscan = off;
select ok(exists (select from (select pg_temp.plan(ganger._filter_sql(f, 'job'))) p (plan) where plan like '%' || i || '%'), f::text || ' uses an index')
from (values ('{"batch": "b1"}'::jsonb, 'job_batch'), ('{"tags": ["red"]}', 'job_tags'), ('{"tags": {"values": ["red"], "mode": "any"}}', 'job_tags'),
      ('{"tags": {"values": ["red"], "mode": "exact"}}', 'job_tags'), ('{"idempotency_key": "x"}', 'job_pkey')) x (f, i);
reset enable_seqscan;

-- get_job
select is((select status from ganger.get_job(:running)), 'processing', 'get_job');
select is((select status from ganger.get_job((select id from c where payload ->> 'n' = 'done'))), 'completed', 'an ended one');
select is_empty('select * from ganger.get_job(987654321)', 'an unknown one: no row');
select is_empty('select * from ganger.get_job(null)', 'null: no row');

-- ---- an owner's page and count read that owner's jobs, not all that is kept
select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 'owned', 'owner', 'o' || i % 500)) from generate_series(1, 10000) i)) \g /dev/null
select ganger._finish(array_agg(id), array_agg(null::uuid), array_agg('cancelled'::ganger.job_status), unheld => true)
from (select id from ganger.job where job_type = 'owned' order by id limit 8000) x \g /dev/null
vacuum analyze ganger.job;
analyze ganger.history;
create function pg_temp.rows_read(call text) returns bigint language plpgsql as $$
declare
    total constant text := 'select sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid)) from pg_class c
                            where c.relnamespace = ''ganger''::regnamespace and c.relkind = ''r''';
    before bigint;
    after  bigint;
begin
    execute total into before;
    execute call;
    execute total into after;
    return after - before;
end $$;
select is((select count(*) from ganger.list_jobs('{"owner": "o7"}', 100)), 20::bigint, 'an owner''s jobs, live and ended');
select cmp_ok(pg_temp.rows_read(c), '<', 1000::bigint, 'few are read: ' || c) from unnest(array[
    $$ select ganger.list_jobs('{"owner": "o7"}', 10) $$, $$ select ganger.count_jobs('{"owner": "o7"}') $$,
    $$ select ganger.list_jobs('{"owner": "nobody of them"}') $$]) c;

select * from finish();
