-- SPDX-License-Identifier: MIT
-- The operations of the HTTP API as the server calls them: (request, body) to (status, body, headers). What each of them does to jobs is
-- tested with the functions they call; here it is what comes in and what goes out.
create extension dblink;
select plan(212);

-- An answer, or the error as problem+json would have it: {status, field, detail}.
create function pg_temp.ask(statement text, request jsonb default '{}', sent text default null, out status integer, out body jsonb, out headers jsonb)
language plpgsql as $$
declare
    field  text;
    detail text;
    text_of_body text;
begin
    execute format('select a.status, a.body, a.headers from ganger.%s as a where a.status is not null',
                   replace(statement, '(', '($1, $2' || case when statement like '%()' then '' else ', ' end))
    into status, text_of_body, headers using request, sent;
    body := text_of_body::jsonb;
exception when others then
    get stacked diagnostics field = column_name, detail = message_text;
    status := case when sqlstate like '22%' or sqlstate = '0A000' then 400 when sqlstate = '42501' then 403 when sqlstate = '42704' then 404
                   when sqlstate = '23505' then 409 else 500 end;
    body := jsonb_build_object('field', field, 'detail', detail, 'code', sqlstate);
end $$;
create function pg_temp.path(key text, value text, query jsonb default '{}', headers jsonb default '{}') returns jsonb language sql as
$$ select jsonb_build_object('path', jsonb_build_object(key, value), 'query', query, 'headers', headers) $$;
create function pg_temp.job(id bigint, headers jsonb default '{}') returns jsonb language sql as
$$ select pg_temp.path('id', id::text, '{}', headers) $$;
create function pg_temp.query(params jsonb) returns jsonb language sql as $$ select jsonb_build_object('query', params) $$;
create function pg_temp.head(headers jsonb) returns jsonb language sql as $$ select jsonb_build_object('headers', headers) $$;
\set create '_api_create_job()'

-- ---- one job
select * from pg_temp.ask(:'create', '{}', '{"job_type": "mail", "payload": {"to": "x"}, "priority": 5, "timeout": "30s", "tags": ["a"]}') \gset r_
select is(:'r_status'::text, '201', 'a job is created');
select (:'r_body'::jsonb ->> 'id')::bigint as job \gset
select is(:'r_headers'::jsonb, jsonb_build_object('Location', '/api/jobs/' || :job), 'and it says where it is');
select is(:'r_body'::jsonb, (select to_jsonb(j) from ganger.jobs j where j.id = :job), 'as the view jobs has it');
-- the usual job takes a short way
create function pg_temp.usual(sent text, out text text) language plpgsql as $$
begin
    select r.body into text from pg_temp.ask('_api_create_job()', '{"path": {}, "query": {}, "headers": {}}', sent) r;
    select is(text::jsonb, to_jsonb(j), sent) into text from ganger.jobs j where j.id = (text::jsonb ->> 'id')::bigint;
end $$;
select pg_temp.usual('{"job_type": "usual"}');
select pg_temp.usual('{"job_type": "usual", "payload": {"a": "é\\u0022"}, "queue": "other", "priority": -7}');
set ganger.bound_owner = 'ann';
select pg_temp.usual('{"job_type": "usual", "payload": "of ann"}');
reset ganger.bound_owner;
select is((select j.owner from ganger.jobs j where j.payload = '"of ann"'), 'ann', 'also that of an owner');
set intervalstyle = 'iso_8601';
select r.body ->> 'retry_delay' as made, r.body ->> 'id' as styled from pg_temp.ask('_api_create_job()', '{}', '{"job_type": "x"}') r \gset
select is(array[:'made', g.body::jsonb ->> 'retry_delay'], '{00:01:00, 00:01:00}', 'durations are written alike, wherever the session is')
from ganger._api_get_job(pg_temp.job(:styled), null) g;
reset intervalstyle;
select ganger.pause_queue('other');
select pg_temp.usual('{"job_type": "usual", "queue": "other"}');
select is((select count(distinct j.pending_reason) from ganger.jobs j where j.queue = 'other'), 1::bigint, 'of a paused queue it says so');
select ganger.set_job_type('usual', concurrency => 0);
select pg_temp.usual('{"job_type": "usual", "payload": null}');
select is((select string_agg(distinct j.pending_reason, ' ') from ganger.jobs j where j.job_type = 'usual'), 'limited paused', 'and of a limit that is full');
select is((select array_agg(k order by n) from json_object_keys((select a.body from ganger._api_get_job(pg_temp.job(:job), null) a)::json)
           with ordinality x (k, n)),
          (select array_agg(a.attname::text order by a.attnum) from pg_attribute a where a.attrelid = 'ganger.jobs'::regclass and a.attnum > 0),
          'with its columns in their order');
select is((select body -> 'created_at' #>> '{}' from pg_temp.ask('_api_get_job()', pg_temp.job(:job)) where body ->> 'created_at' like '%+00:00') is not null,
          true, 'instants are UTC, wherever the session is');
select is(r.status, null, 'what nobody knows is not there') from pg_temp.ask('_api_get_job()', pg_temp.job(999999)) r;
select is(r.status, 400, 'an id above bigint is refused') from pg_temp.ask('_api_get_job()', pg_temp.path('id', '99999999999999999999')) r;
select is(r.body -> 'payload', '{"to": "y"}', 'request_data is another name of payload')
from pg_temp.ask(:'create', '{}', '{"job_type": "mail", "request_data": {"to": "y"}}') r;
select is(r.body -> 'payload', 'null', 'JSON null is a payload') from pg_temp.ask(:'create', '{}', '{"job_type": "mail", "payload": null}') r;
select is(r.body ->> 'pending_reason', 'scheduled', 'every parameter of enqueue') from pg_temp.ask(:'create', '{}',
    '{"job_type": "mail", "run_at": "2090-01-01T00:00:00Z", "depends_on": [], "group_key": "g", "unique_key": "u", "unique_for": "1 h", "metadata": {"a": 1}}') r;
-- what is wrong is named
select is(array[r.status::text, r.body ->> 'field', r.body ->> 'detail'], array['400', w.field, w.detail], w.sent)
from (values
    ('{}', 'job_type', 'job_type is missing'),
    ('{"job_type": ""}', 'job_type', 'job_type is empty'),
    ('{"job_type": 5}', 'job_type', 'job_type is a JSON number, not a string'),
    ('{"job_type": "x", "priority": 99999}', 'priority', 'priority must be between -32768 and 32767, not 99999'),
    ('{"job_type": "x", "priority": "high"}', 'priority', 'priority: invalid input syntax for type integer: "high"'),
    ('{"job_type": "x", "priority": 1e40}', 'priority', 'priority: value "10000000000000000000000000000000000000000" is out of range for type integer'),
    ('{"job_type": "x", "timeout": 30}', 'timeout', 'timeout is a JSON number, not a string'),
    ('{"job_type": "x", "timeout": "30"}', 'timeout', 'timeout has no unit: "30"'),
    ('{"job_type": "x", "tags": "a"}', 'tags', 'tags: malformed array literal: "a"'),
    ('{"job_type": "x", "prio": 1}', 'prio', 'unknown key "prio"'),
    ('{"job_type": "x", "payload": 1, "request_data": 2}', 'request_data', 'payload and request_data are two names of the same'),
    ('[]', '', 'the body is a JSON array, not an object'),
    ('5', '', 'the body is a JSON number, not an object'),
    ('{"job_type": ', '', 'the body is not JSON that can be stored'),
    ('{"job_type": "\u0000"}', '', 'the body is not JSON that can be stored'),
    (repeat('[', 100000), '', 'the body is not JSON that can be stored')) w (sent, field, detail),
    pg_temp.ask(:'create', '{}', w.sent) r;
select is(array[r.status::text, r.body ->> 'field'], '{400, x}', 'an unknown query parameter is refused')
from pg_temp.ask(:'create', pg_temp.query('{"x": "1"}'), '{"job_type": "x"}') r;
select is(r.status, 201, 'wait is known') from pg_temp.ask(:'create', pg_temp.query('{"wait": "1s"}'), '{"job_type": "x"}') r;
-- once
select (body ->> 'id')::bigint as once, status as once_status
from pg_temp.ask(:'create', pg_temp.head('{"idempotency-key": "k1"}'), '{"job_type": "mail"}') \gset
select is(array[:once_status, r.status, (r.body ->> 'id')::integer], array[201, 200, :once], 'the same Idempotency-Key: the same job, and 200')
from pg_temp.ask(:'create', pg_temp.head('{"idempotency-key": "k1"}'), '{"job_type": "mail"}') r;
select ganger.cancel(:once) \gset
select is(array[r.status::text, r.body ->> 'status'], '{200, cancelled}', 'also when it has ended')
from pg_temp.ask(:'create', pg_temp.head('{"idempotency-key": "k1"}'), '{"job_type": "mail"}') r;
select is(array[r.status::text, r.body ->> 'field'], '{400, idempotency_key}', 'two keys are one too many')
from pg_temp.ask(:'create', pg_temp.head('{"idempotency-key": "k1"}'), '{"job_type": "mail", "idempotency_key": "k2"}') r;
-- traces
\set trace '{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}'
select is(r.body -> 'metadata', :'trace'::jsonb || '{"mine": 1}', 'traceparent and tracestate go to the metadata')
from pg_temp.ask(:'create', pg_temp.head(:'trace'), '{"job_type": "mail", "metadata": {"mine": 1}}') r;
select is(r.body -> 'metadata', 'null', 'one that is malformed does not')
from pg_temp.ask(:'create', pg_temp.head('{"traceparent": "00-zz"}'), '{"job_type": "mail"}') r;
-- the other name
select is(array[r.status::text, r.body ->> 'job_type', r.body ->> 'payload', r.body ->> 'metadata', r.headers ->> 'Location'],
          array['201', 'thumb', '{"a": 1}', '{"a": 1}', '/api/v1/collections/jobs/' || (r.body ->> 'id')], 'type and metadata of a collection')
from pg_temp.ask('_api_make_job(true)', '{}', '{"type": "thumb", "metadata": {"a": 1}}') r;
-- many
select is(array[r.status::text, jsonb_array_length(r.body -> 'ids')::text], '{201, 2}', 'many jobs')
from pg_temp.ask('_api_create_jobs()', '{}', '[{"job_type": "a", "request_data": 5}, {"job_type": "b", "depends_on": [-1]}]') r;
select is(r.status, 201, 'also as an object') from pg_temp.ask('_api_create_jobs()', '{}', '{"jobs": [{"job_type": "a"}]}') r;
select is(array[r.status::text, r.body ->> 'field'], '{400, jobs[1].priority}', 'a wrong entry is named')
from pg_temp.ask('_api_create_jobs()', '{}', '[{"job_type": "a"}, {"job_type": "b", "priority": 99999}]') r;
select is(r.status, 400, 'no array') from pg_temp.ask('_api_create_jobs()', '{}', '{}') r;

-- ---- lists
select unnest(array[is(array(select x ->> 'id' from jsonb_array_elements(r.body -> 'jobs') x), array(select j.id::text from ganger.jobs j order by j.id desc limit 3), 'newest first'),
       is((r.body ->> 'total')::bigint, (select count(*) from ganger.jobs), 'the total'), is(r.body -> 'total_is_exact', 'true', 'is exact'),
       is((r.body ->> 'next')::bigint, (select min(id) from (select id from ganger.jobs order by id desc limit 3) x), 'and where the next page begins')])
from pg_temp.ask('_api_list_jobs()', pg_temp.query('{"limit": "3"}')) r;
with recursive page (n, ids, next) as (
    select 1, array(select (x ->> 'id')::bigint from jsonb_array_elements(r.body -> 'jobs') x), r.body ->> 'next'
    from pg_temp.ask('_api_list_jobs()', pg_temp.query('{"limit": "3"}')) r
    union all
    select p.n + 1, array(select (x ->> 'id')::bigint from jsonb_array_elements(r.body -> 'jobs') x), r.body ->> 'next'
    from page p, pg_temp.ask('_api_list_jobs()', pg_temp.query(jsonb_build_object('limit', '3', 'after', p.next))) r where p.next is not null)
select is(array_agg(i order by p.n, o), array(select id from ganger.jobs order by id desc), 'page by page they are all, once')
from page p, unnest(p.ids) with ordinality u (i, o);
select unnest(array[is((select count(*) from jsonb_array_elements(r.body -> 'jobs')), (select count(*) from ganger.list_jobs(w.filter)), w.query::text),
       is((r.body ->> 'total')::bigint, ganger.count_jobs(w.filter), 'total of ' || w.query::text)])
from (values
    ('{"status": "pending,cancelled"}'::jsonb, '{"status": ["pending", "cancelled"]}'::jsonb),
    ('{"status": ["pending", "cancelled"], "job_type": "mail"}', '{"status": ["pending", "cancelled"], "job_type": "mail"}'),
    ('{"job_type": ["mail", "a"]}', '{"job_type": ["mail", "a"]}'),
    ('{"tag": "a"}', '{"tags": ["a"]}'), ('{"search": "{\"to\": \"x\"}"}', '{"search": {"to": "x"}}'), ('{"priority": "5"}', '{"priority": 5}'),
    ('{"group_key": "g"}', '{"group_key": "g"}'), ('{"idempotency_key": "k1"}', '{"idempotency_key": "k1"}'),
    ('{"created_after": "2090-01-01"}', '{"created_at": {"gte": "2090-01-01"}}'),
    ('{"created_after": "2020-01-01", "created_before": "2090-01-01"}', '{"created_at": {"gte": "2020-01-01", "lt": "2090-01-01"}}'),
    ('{"queue": "nowhere"}', '{"queue": "nowhere"}')) w (query, filter),
    pg_temp.ask('_api_list_jobs()', pg_temp.query(w.query)) r;
select is((r.body ->> 'count')::bigint, ganger.count_jobs('{"job_type": "mail"}'), 'the exact count') from pg_temp.ask('_api_count_jobs()', pg_temp.query('{"job_type": "mail"}')) r;
select is(array[r.status::text, r.body ->> 'field'], array['400', w.field], 'a list with ' || w.query::text)
from (values ('{"limit": "0"}'::jsonb, 'limit'), ('{"limit": "1001"}', 'limit'), ('{"limit": "x"}', 'limit'), ('{"after": "-1"}', 'after'), ('{"page": "2"}', 'page'),
             ('{"status": "done"}', 'status'), ('{"search": "{"}', 'search'), ('{"created_after": "yesterdayish"}', 'created_after'),
             ('{"created_after": "2030-01-31T12:00:00 Nowhere/Land"}', 'created_after'), ('{"search": ["1", "2"]}', 'search'),
             ('{"priority": "high"}', 'priority'), ('{"limit": ["1", "2"]}', 'limit')) w (query, field),
     pg_temp.ask('_api_list_jobs()', pg_temp.query(w.query)) r;

select is(r.body ->> 'detail', w.detail, 'it says what: ' || w.query)
from (values ('{"search": ["1", "2"]}', 'search was given several times'), ('{"run_before": ["2030-01-01", "2031-01-01"]}', 'run_before was given several times'),
             ('{"run_before": "soon"}', 'run_before must be an instant, not "soon"')) w (query, detail),
     pg_temp.ask('_api_list_jobs()', pg_temp.query(w.query::jsonb)) r;

-- a window of two rows: what is rare is found all the same, on later pages; a total says that it is not exact
create or replace function ganger._api_window() returns integer language sql immutable parallel safe return 2;
select bag_eq(format($$
    with recursive page (ids, next) as (
        select array(select (x ->> 'id')::bigint from jsonb_array_elements(p.jobs::jsonb) x), p.next from ganger._api_page(%1$L, 3, null) p
        union all
        select array(select (x ->> 'id')::bigint from jsonb_array_elements(p.jobs::jsonb) x), p.next from page g, ganger._api_page(%1$L, 3, g.next) p
        where g.next is not null)
    select unnest(ids) from page $$, w.filter), format('select id from ganger.list_jobs(%L)', w.filter), 'page by page: ' || w.filter)
from unnest(array['{}', '{"job_type": "b"}', '{"job_type": ["a", "thumb"]}', '{"status": ["cancelled", "pending"], "priority": 5}', '{"status": "cancelled"}', '{"tags": ["a"]}',
                  '{"owner": "nobody"}']) w (filter);
select is((t.total <= ganger.count_jobs('{"search": {"to": "x"}}'))::text || t.is_exact, 'truefalse', 'at least so many') from ganger._api_total('{"search": {"to": "x"}}') t;
select is(array_agg(t.is_ended order by f), '{f, t, f}', 'that none of them is live is known only when all were looked at')
from (values (1, '{"job_type": "usual"}'), (2, '{"status": "cancelled"}'), (3, '{"search": {"nobody": "x"}}')) w (f, filter), ganger._api_total(w.filter::jsonb) t;
select is(t.total::text || t.is_exact, ganger.count_jobs('{"status": "cancelled"}') || 'true', 'ended ones are kept counted') from ganger._api_total('{"status": "cancelled"}') t;
-- one that ends between the look at the live jobs and that at the ended ones
select ganger.enqueue('twin') as twin \gset
create temp sequence looks;
create or replace function ganger._api_window() returns integer language plpgsql volatile as $$
begin
    perform ganger.cancel(j.id) from ganger.job j where j.job_type = 'twin' and nextval('pg_temp.looks') > 1;
    return 20000;
end $$;
select is(array(select (x ->> 'id')::bigint from jsonb_array_elements(p.jobs::jsonb) x), array[:twin]::bigint[], 'a job that ends meanwhile is there once')
from ganger._api_page('{"job_type": "twin"}', 3, null) p;
select is(j.status, 'cancelled', 'it did') from ganger.get_job(:twin) j;
create or replace function ganger._api_window() returns integer language sql immutable parallel safe return 20000;

-- ---- changes, and what is stale
select r.headers ->> 'ETag' as etag from pg_temp.ask('_api_get_job()', pg_temp.job(:job)) r \gset
select is(array[r.status::text, r.body ->> 'priority'], '{200, 7}', 'If-Match with the job as it is')
from pg_temp.ask('_api_change_job(''edit'')', pg_temp.job(:job, jsonb_build_object('if-match', :'etag')), '{"priority": 7}') r;
select is(array[r.status::text, r.body ->> 'code'], '{412, changed}', 'with one that has changed since')
from pg_temp.ask('_api_change_job(''edit'')', pg_temp.job(:job, jsonb_build_object('if-match', :'etag')), '{"priority": 8}') r;
select is(array[r.status::text, r.body ->> 'field'], '{400, id}', 'what cannot be edited is named') from pg_temp.ask('_api_change_job(''edit'')', pg_temp.job(:job), '{"id": 8}') r;
select is(array[r.status::text, r.body ->> 'code'], '{409, wrong_state}', 'a live job is not deleted') from pg_temp.ask('_api_change_job(''delete'')', pg_temp.job(:job)) r;
select is(array[r.status::text, r.body ->> 'status'], '{200, cancelled}', 'cancelled') from pg_temp.ask('_api_change_job(''cancel'')', pg_temp.job(:job)) r;
select is(r.status, 200, 'and once more') from pg_temp.ask('_api_change_job(''cancel'')', pg_temp.job(:job)) r;
select is(array[r.status::text, r.body ->> 'status'], '{200, pending}', 'retried') from pg_temp.ask('_api_change_job(''retry'')', pg_temp.job(:job)) r;
select is(r.status, 409, 'not twice') from pg_temp.ask('_api_change_job(''retry'')', pg_temp.job(:job)) r;
select ganger.cancel(:job) \gset
select is(r.status, 204, 'deleted') from pg_temp.ask('_api_change_job(''delete'')', pg_temp.job(:job)) r;
select is(r.status, null, 'and gone') from pg_temp.ask('_api_change_job(''delete'')', pg_temp.job(:job)) r;
select is(r.body ->> 'field', 'filter', 'of many: a filter must be given') from pg_temp.ask('_api_change_jobs(''cancel'')', '{}', '{}') r;
select is(r.body ->> 'field', 'changes', 'and what to change') from pg_temp.ask('_api_change_jobs(''edit'')', '{}', '{"filter": {}}') r;
select is((r.body ->> 'count')::bigint, 3::bigint, 'cancelled by a filter') from pg_temp.ask('_api_change_jobs(''cancel'')', '{}', '{"filter": {"job_type": ["a", "thumb"]}}') r;
select is((r.body ->> 'count')::bigint, 3::bigint, 'deleted by a filter') from pg_temp.ask('_api_change_jobs(''delete'')', '{}', '{"filter": {"job_type": ["a", "thumb"], "status": "cancelled"}}') r;

-- ---- a worker
select ganger.cancel_jobs('{}') \gset
select ganger.enqueue('w', queue => 'q') as w1, ganger.enqueue('w', queue => 'q', max_attempts => 1) as w2 \gset
select unnest(array[is(jsonb_array_length(r.body), 2, 'claimed'), is(array(select k from jsonb_object_keys(r.body -> 0) k order by k),
    (select array_agg(x order by x) from unnest('{id, lease_id, job_type, payload, attempt, max_attempts, queue, priority, timeout, tags, group_key, owner, metadata, lease_until}'::text[]) x), 'with all that claim() gives')])
from pg_temp.ask('_api_claim()', '{}', '{"worker": "w", "queues": ["q"], "max_jobs": 2, "lease": "1 min"}') r;
select is(r.body, '[]', 'nothing more') from pg_temp.ask('_api_claim()', '{}', '{"worker": "w", "queues": ["q"]}') r;
-- those that run have a list of their own: they are found, and counted, behind any number of others
create or replace function ganger._api_window() returns integer language sql immutable parallel safe return 3;
select ganger.enqueue('behind') from generate_series(1, 4) \g /dev/null
select is(t.total || ' ' || t.is_exact, '2 true', 'all that run are counted') from ganger._api_total('{"status": "processing", "priority": 0}') t;
select is((select array_agg((x ->> 'id')::bigint) from jsonb_array_elements(p.jobs::jsonb) x), array[:w2, :w1]::bigint[], 'and on the first page')
from ganger._api_page('{"status": ["processing"], "priority": 0}', 3, null) p;
create or replace function ganger._api_window() returns integer language sql immutable parallel safe return 20000;
select ganger.cancel_jobs('{"job_type": "behind"}') \g /dev/null
select is(array[r.status::text, r.body ->> 'field'], array['400', w.field], w.sent)
from (values ('{}', 'worker'), ('{"worker": "w", "lease": 30}', 'lease'), ('{"worker": "w", "max_jobs": 0}', 'max_jobs'), ('{"worker": "w", "lease": "1 week"}', 'lease'), ('{"worker": "w", "queue": "q"}', 'queue')) w (sent, field),
     pg_temp.ask('_api_claim()', '{}', w.sent) r;
select lease_id as lease1 from ganger.job where id = :w1 \gset
select lease_id as lease2 from ganger.job where id = :w2 \gset
select is(r.status, 200, w.what) from (values ('heartbeat', '{"extend": "2 min"}'::jsonb), ('progress', '{"percent": 30, "message": "m"}'), ('progress', '{"progress": 40}'),
    ('output', '{"output": {"a": 1}}'), ('log', '{"line": "one"}'), ('complete', '{"output": {"b": 2}}')) w (what, sent),
    pg_temp.ask(format('_api_report(%L)', w.what), pg_temp.job(:w1), (w.sent || jsonb_build_object('lease_id', :'lease1'))::text) r;
select is(array[j.status, j.output::text, j.stage], array['completed', '{"b": 2}', null], 'it has completed') from ganger.get_job(:w1) j;
select is(array[r.status::text, r.body ->> 'code'], '{409, stale_lease}', 'a stale lease: ' || w) from unnest('{fail, heartbeat, discard, release, progress}'::text[]) w,
    pg_temp.ask(format('_api_report(%L)', w), pg_temp.job(:w1), jsonb_build_object('lease_id', :'lease1')::text) r;
select is(r.status, 200, 'complete again has the same answer') from pg_temp.ask('_api_report(''complete'')', pg_temp.job(:w1), jsonb_build_object('lease_id', :'lease1')::text) r;
select is(r.body ->> 'field', 'lease_id', 'a lease must be given') from pg_temp.ask('_api_report(''complete'')', pg_temp.job(:w2), '{}') r;
select is(array[r.status::text, r.body ->> 'field'], array['400', w.field], w.what || ' ' || w.sent)
from (values ('progress', '{"percent": 101}'::jsonb, 'percent'), ('snooze', '{}', 'delay'), ('heartbeat', '{"extend": "1 week"}', 'extend'), ('wait', '{}', 'duration')) w (what, sent, field),
    pg_temp.ask(format('_api_report(%L)', w.what), pg_temp.job(:w2), (w.sent || jsonb_build_object('lease_id', :'lease2'))::text) r;
select is(r.status, 200, 'failed') from pg_temp.ask('_api_report(''fail'')', pg_temp.job(:w2), jsonb_build_object('lease_id', :'lease2', 'error', 'no')::text) r;
select is(r.body ->> 'log', 'one' || e'\n', 'the log') from pg_temp.ask('_api_look(''log'')', pg_temp.job(:w1)) r;
select is(r.body #>> '{attempts,0,error}', 'no', 'the attempts') from pg_temp.ask('_api_look(''attempts'')', pg_temp.job(:w2)) r;
select is(r.body #>> '{events,0,event}', 'added', 'the events') from pg_temp.ask('_api_look(''events'')', pg_temp.job(:w2)) r;
select is(r.body -> 'next', 'null', 'all of its ' || w) from unnest('{attempts, events}'::text[]) w, pg_temp.ask(format('_api_look(%L)', w), pg_temp.job(:w2)) r;
select is(array[r.status::text, r.body ->> 'field', r.body ->> 'detail'], array['400', w.field, w.detail], w.sent)
from (values ('{"limit": "0"}', 'limit', 'limit must be a whole number between 1 and 1000, not "0"'),
             ('{"before": "soon"}', 'before', 'before must be an instant, not "soon"'),
             ('{"upto": "1"}', 'upto', 'there is no query parameter "upto" here')) w (sent, field, detail),
    pg_temp.ask('_api_look(''attempts'')', pg_temp.path('id', :'w2', w.sent::jsonb)) r;

-- a job with many of both: pages, of which none reads the others
select ganger.enqueue('many', run_at => '2090-01-01') as many \gset
insert into ganger.attempt (job_id, attempt, outcome, started_at, finished_at)
select :many, n, 'error', t.at, t.at + interval '1 s' from generate_series(1, 3000) n, make_interval(mins => n) i, lateral (select '2089-01-01Z'::timestamptz + i) t (at);
insert into ganger.event (id, job_id, event, at, data)
select nextval('ganger.seq'), :many, 'failed', '2089-01-01 00:00:01Z'::timestamptz + make_interval(mins => n), jsonb_build_object('n', n) from generate_series(1, 3000) n;
update ganger.job set last_failed_at = '2089-01-03Z' where id = :many; -- so that get_job() would tell of each failed attempt
create function pg_temp.page(what text, params jsonb, out first text, out last text, out n integer, out next text) language sql as $$
    select r.body #>> array[what, '0', k.key], r.body #>> array[what, '-1', k.key], jsonb_array_length(r.body -> what), r.body ->> 'next'
    from (select case what when 'attempts' then 'attempt' else 'at' end) k (key),
         pg_temp.ask(format('_api_look(%L)', what), pg_temp.path('id', (select max(id)::text from ganger.job where job_type = 'many'), params)) r
$$;
create function pg_temp.fetched() returns bigint language sql as
$$ select pg_stat_get_xact_tuples_fetched('ganger.attempt_job'::regclass) + pg_stat_get_xact_tuples_fetched('ganger.event_job'::regclass) $$;
begin;
select is(p::text, '(2901,3000,100,2089-01-03T00:21:00.000000Z)', 'the newest 100 attempts, oldest first') from pg_temp.page('attempts', '{}') p;
select is(p::text, '(2896,2900,5,2089-01-03T00:16:00.000000Z)', 'those before them') from pg_temp.page('attempts', '{"before": "2089-01-03T00:21:00.000000Z", "limit": "5"}') p;
select is(p::text, '(1,3,3,)', 'the first ones of all') from pg_temp.page('attempts', '{"before": "2089-01-01T00:04:00Z", "limit": "3"}') p;
select is(p::text, '(2901,2903,3,2089-01-03T00:23:00.000000Z)', 'those after one') from pg_temp.page('attempts', '{"after": "2089-01-03T00:20:00Z", "limit": "3"}') p;
select is(p.n || p.last, '23000', 'to the end') from pg_temp.page('attempts', '{"after": "2089-01-03T01:58:00Z"}') p;
select is(p::text, '(2089-01-03T01:59:00+00:00,2089-01-03T02:00:01+00:00,4,2089-01-03T01:59:00.000000Z)', 'the newest events') from pg_temp.page('events', '{"limit": "4"}') p;
select is(p::text, '(2089-01-03T01:57:00+00:00,2089-01-03T01:58:01+00:00,4,2089-01-03T01:57:00.000000Z)', 'and those before')
from pg_temp.page('events', '{"limit": "4", "before": "2089-01-03T01:59:00Z"}') p;
select ok(pg_temp.fetched() between 100 and 1500, 'no more is read than the pages: ' || pg_temp.fetched());
rollback;
select is(p.n, 1000, 'at most 1,000') from pg_temp.page('events', '{"limit": "1000"}') p;

-- ---- the rest: names in paths, and what is not there
select is(array[r.status::text, r.body ->> 'concurrency', r.body ->> 'rate'], '{200, 3, 5}', 'limits of a queue')
from pg_temp.ask('_api_set(''queue'', ''set'')', pg_temp.path('queue', 'ü/1'), '{"concurrency": 3, "rate": 5, "rate_period": "1 min"}') r;
select is(array[r.body ->> 'concurrency', r.body ->> 'rate'], '{9, 5}', 'PATCH changes what is sent')
from pg_temp.ask('_api_set(''queue'', ''patch'')', pg_temp.path('queue', 'ü/1'), '{"concurrency": 9}') r;
select is(array[r.body ->> 'concurrency', r.body ->> 'rate'], '{9, null}'::text[], 'PUT sets all')
from pg_temp.ask('_api_set(''queue'', ''set'')', pg_temp.path('queue', 'ü/1'), '{"concurrency": 9}') r;
select is(r.body -> 'paused', 'true', 'paused') from pg_temp.ask('_api_set(''queue'', ''pause'')', pg_temp.path('queue', 'ü/1')) r;
select is(array[r.body ->> 'name', r.body ->> 'paused', r.body ->> 'concurrency', r.body ->> 'timeout'], '{zip, false, 2, null}'::text[], 'a type, of which nothing was said before')
from pg_temp.ask('_api_set(''job_type'', ''patch'')', pg_temp.path('job_type', 'zip'), '{"concurrency": 2}') r;
select is(array[r.body ->> 'concurrency', r.body ->> 'timeout'], '{2, 00:00:05}', 'and then more')
from pg_temp.ask('_api_set(''job_type'', ''patch'')', pg_temp.path('job_type', 'zip'), '{"timeout": "5 s"}') r;
select is(r.status, 200, 'a ' || w.what || ' goes on') from (values ('queue', 'ü/1'), ('job_type', 'zip')) w (what, key),
    pg_temp.ask(format('_api_set(%L, ''resume'')', w.what), pg_temp.path(w.what, w.key)) r;
select is(r.status, null, 'one that nobody knows does not: ' || w) from unnest('{queue, job_type}'::text[]) w,
    pg_temp.ask(format('_api_set(%L, ''resume'')', w), pg_temp.path(w, 'nowhere')) r;
select ganger.enqueue('t', group_key => 'gü') \g /dev/null
select r.body as set from pg_temp.ask('_api_set(''group'', ''patch'')', pg_temp.path('group_key', 'gü'), '{"rate": 7, "rate_period": "1 s"}') r \gset
select is(:'set'::jsonb, to_jsonb(g), 'a group as the view has it') from ganger.groups g where g.group_key = 'gü';
select is(r.body, (select jsonb_agg(to_jsonb(q) order by q.name) from ganger.queues q), 'queues as the view has them')
from pg_temp.ask('_api_show(''queues'')') a, lateral (select a.body -> 'queues' as body) r;
select is(r.body, (select jsonb_agg(to_jsonb(t) order by t.name) from ganger.job_types t), 'job types as the view has them')
from pg_temp.ask('_api_show(''job_types'')') a, lateral (select a.body -> 'job_types' as body) r;

-- two at once: the second reads what the first has set, and nobody else waits
create function pg_temp.patch(queue text, sent text) returns text language sql as
$$ select format('select (ganger._api_set(%L, %L, ''queue'', ''patch'')).status', pg_temp.path('queue', queue), sent) $$;
select dblink_connect('one', :'conninfo'), dblink_connect('two', :'conninfo') \g /dev/null
select r.pid as two from dblink('two', 'select pg_backend_pid()') as r (pid integer) \gset
select dblink_exec('one', 'begin') \g /dev/null
select r.status from dblink('one', pg_temp.patch('both', '{"concurrency": 9}')) as r (status integer) \g /dev/null
select dblink_send_query('two', pg_temp.patch('both', '{"group_concurrency": 4}')) \g /dev/null
create function pg_temp.await_lock(pid integer) returns boolean language plpgsql as $$
begin
    for i in 1 .. 1200 loop
        perform pg_stat_clear_snapshot();
        if exists (select from pg_stat_activity a where a.pid = await_lock.pid and a.wait_event_type = 'Lock') then
            return true;
        end if;
        perform pg_sleep(0.05);
    end loop;
    return false;
end $$;
select ok(pg_temp.await_lock(:two), 'a second one waits');
set lock_timeout = '20 s';
select is(r.status, 200, 'of another queue it does not') from pg_temp.ask('_api_set(''queue'', ''patch'')', pg_temp.path('queue', 'third'), '{"concurrency": 1}') r;
reset lock_timeout;
select dblink_exec('one', 'commit') \g /dev/null
select r.status from dblink_get_result('two') as r (status integer) \g /dev/null
select is((q.concurrency, q.group_concurrency), (9, 4), 'neither is lost') from ganger.queues q where q.name = 'both';
-- nor is what the command line sets
select r.status from dblink_get_result('two') as r (status integer) \g /dev/null
\set of_queue `cat ../../common/sql/cli_queue_set.sql`
select dblink_exec('two', 'prepare of_queue (text, text) as ' || :'of_queue') \g /dev/null
select dblink_exec('one', 'begin') \g /dev/null
select r.status from dblink('one', pg_temp.patch('both', '{"concurrency": 8}')) as r (status integer) \g /dev/null
select dblink_send_query('two', $$execute of_queue ('both', '{"rate": 5, "rate_period": "1 s"}')$$) \g /dev/null
select ok(pg_temp.await_lock(:two), 'the command line waits, too');
select dblink_exec('one', 'commit') \g /dev/null
select r.done from dblink_get_result('two') as r (done text) \g /dev/null
select is((q.concurrency, q.group_concurrency, q.rate), (8, 4, 5), 'and loses nothing') from ganger.queues q where q.name = 'both';
select dblink_disconnect('one'), dblink_disconnect('two') \g /dev/null

select is(array[r.status::text, r.headers ->> 'Location', jsonb_array_length(r.body -> 'next_runs')::text], '{201, /api/schedules/n%C3%BC%2F1, 5}', 'a schedule, and its next ticks')
from pg_temp.ask('_api_change_schedule(''create'')', '{}', '{"name": "nü/1", "cron": "0 3 * * *", "job_type": "r"}') r;
select is(r.status, 409, 'its name is taken') from pg_temp.ask('_api_change_schedule(''create'')', '{}', '{"name": "nü/1", "cron": "0 3 * * *", "job_type": "r"}') r;
select is(array[r.status, coalesce((r.body ->> 'next_runs')::jsonb = '[]', false)::integer], '{200, 1}', 'paused, it has none') from pg_temp.ask('_api_change_schedule(''pause'')', pg_temp.path('name', 'nü/1')) r;
select is(r.status, 201, 'run now') from pg_temp.ask('_api_change_schedule(''run'')', pg_temp.path('name', 'nü/1')) r;
select is(r.status, null, 'an unknown one: ' || w) from unnest('{get, edit, delete, pause, resume, run}'::text[]) w,
    pg_temp.ask(format('_api_change_schedule(%L)', w), pg_temp.path('name', 'none'), '{}') r;
select is(array[r.status::text, r.body ->> 'total'], '{201, 2}', 'a batch') from pg_temp.ask('_api_change_batch(''create'')', '{}', '{"id": "b/1", "job_type": "x", "items": [1, 2]}') r;
select is(array_agg(r.status order by w.n), '{200, 409, 200, 200, 200, 200, 409, 204, null}'::integer[], 'its life')
from unnest('{start, start, pause, resume, get, cancel, cancel, clear, clear}'::text[]) with ordinality w (what, n),
    lateral pg_temp.ask(format('_api_change_batch(%L)', w.what), pg_temp.path('batch', 'b/1')) r;
select r.body ->> 'token' as token, r.status as token_status from pg_temp.ask('_api_token(''create'')', '{}', '{"timeout": "1 h"}') r \gset
select is(array[:token_status, r.status], '{201, 200}', 'a wait token') from pg_temp.ask('_api_token(''complete'')', pg_temp.path('token', :'token'), '{"data": {"by": "ann"}}') r;
select is(r.status, 409, 'the first one wins') from pg_temp.ask('_api_token(''complete'')', pg_temp.path('token', :'token')) r;
select is(r.status, null, 'an unknown one') from pg_temp.ask('_api_token(''complete'')', pg_temp.path('token', 'tok_x')) r;
select is(array[r.status, jsonb_array_length(r.body -> w)], array[200, 0], w) from unnest('{nodes, workers}'::text[]) w, pg_temp.ask(format('_api_show(%L)', w)) r;
select is(array[r.status::text, r.body ->> 'completed'], '{200, 1}', 'stats of one type') from pg_temp.ask('_api_show(''stats'')', pg_temp.path('job_type', 'w')) r;

-- ---- the tokens of the API
select r.body ->> 'token' as secret, r.body ->> 'id' as token_id from pg_temp.ask('_api_api_token(''create'')', '{}', '{"name": "ci", "scopes": ["read", "enqueue"], "queues": ["q"], "expires_in": "90 days"}') r \gset
select matches(:'secret'::text, '^gng_[0-9a-f]{64}$', 'a token is told once');
select is((select sha256 from ganger._api_tokens()), sha256(:'secret'::text::bytea), 'only its digest is kept');
select is(array[r.status, strpos(r.body::text, :'secret'), strpos(r.body::text, encode(sha256(:'secret'::text::bytea), 'hex'))], '{200, 0, 0}', 'and nobody is told it again') from pg_temp.ask('_api_api_token(''list'')') r;
select is(r.status, 409, 'one of a name') from pg_temp.ask('_api_api_token(''create'')', '{}', '{"name": "ci", "scopes": ["read"]}') r;
select is(array[r.status::text, r.body ->> 'field'], array['400', w.field], w.sent)
from (values ('{"name": "x"}', 'scopes'), ('{"name": "x", "scopes": ["reed"]}', 'scopes'), ('{"scopes": ["read"]}', 'name'), ('{"name": "x", "scopes": ["read"], "queues": []}', 'queues'),
             ('{"name": "x", "scopes": ["read"], "expires_at": "2001-01-01"}', 'expires_at')) w (sent, field), pg_temp.ask('_api_api_token(''create'')', '{}', w.sent) r;
select is(array_agg(r.status order by n), '{204, null}'::integer[], 'revoked, once') from generate_series(1, 2) n,
    lateral pg_temp.ask('_api_api_token(''revoke'')', pg_temp.path('id', :'token_id', '{}', jsonb_build_object('n', n))) r;
select is_empty('select * from ganger._api_tokens()', 'and worth nothing any more');
select is(r.status, 201, 'its name is free again') from pg_temp.ask('_api_api_token(''create'')', '{}', '{"name": "ci", "scopes": ["read"]}') r;
update ganger.api_token set expires_at = now() - interval '1 s' where revoked_at is null;
select is_empty('select * from ganger._api_tokens()', 'one that has expired is worth nothing');
select is(r.status, 201, 'and makes room for the next of its name') from pg_temp.ask('_api_api_token(''create'')', '{}', '{"name": "ci", "scopes": ["read"]}') r;
select * from finish();
