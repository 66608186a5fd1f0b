-- SPDX-License-Identifier: MIT
-- enqueue_many: order, all or none, the place of a bad entry, 100,000 entries.
select plan(65);

select is_empty($$ select ganger.enqueue_many('[]') $$, 'nothing in, nothing out');
select is((select count(*) from ganger.enqueue_many('[{"job_type": "a"}, {"job_type": "b"}]')), 2::bigint, 'an id for each');
select results_eq($$ select job_type from ganger.jobs order by id $$, $$ values ('a'), ('b') $$, 'in the order given');

create temp table got as
select place, id from ganger.enqueue_many($$ [
    {"job_type": "x", "payload": {"n": 0}, "queue": "q1", "priority": 9, "max_attempts": 5, "timeout": "30s", "kill_grace": "0s",
     "retry_delay": "2s", "retry_backoff": false, "retry_delay_max": "1h", "tags": ["a", "b"], "owner": "bob",
     "metadata": {"m": 1}, "idempotency_key": "one"},
    {"job_type": "y", "payload": {"n": 1}, "run_at": "2099-01-01T00:00:00Z"},
    {"job_type": "x", "payload": {"n": 2}},
    {"job_type": "z", "payload": {"n": 3}, "idempotency_key": "one"},
    {"job_type": "z", "payload": {"n": 4}, "queue": null, "priority": null, "payload": null, "max_attempts": null}
] $$) with ordinality g (id, place);
select is((select id from got where place = 4), (select id from got where place = 1), 'an equal key within the call: one job');
select results_eq($$ select (select payload -> 'n' from ganger.jobs j where j.id = g.id)::text from got g where place <> 5 order by place $$,
    $$ values ('0'), ('1'), ('2'), ('0') $$, 'ids stand where their entries stood');
select results_eq($$ select queue, priority, max_attempts, timeout, kill_grace, retry_delay, retry_backoff from ganger.jobs
                     where idempotency_key = 'one' $$,
    $$ values ('q1', 9, 5, '30 s'::interval, '0 s'::interval, '2 s'::interval, false) $$, 'every key is read, first part');
select results_eq($$ select retry_delay_max, tags, owner, metadata from ganger.jobs where idempotency_key = 'one' $$,
    $$ values ('1 h'::interval, '{a,b}'::text[], 'bob', '{"m": 1}'::jsonb) $$, 'every key is read, second part');
select results_eq($$ select pending_reason, run_at from ganger.jobs where job_type = 'y' $$,
    $$ values ('scheduled', '2099-01-01 00:00+00'::timestamptz) $$, 'run_at');
select results_eq($$ select queue, priority, payload, max_attempts from ganger.jobs where job_type = 'z' $$,
    $$ values ('default', 0, 'null'::jsonb, 3) $$, 'a null means the default, but of a payload: that is one');
select ganger.enqueue_many('[{"job_type": "z"}]') as none \gset
select is((select payload from ganger.jobs where id = :none), '{}', 'no payload: an empty object');
select is((select ganger.enqueue_many('[{"job_type": "w", "idempotency_key": "one"}]')), (select id from got where place = 1),
    'a key known from an earlier call');
select is_empty($$ select from ganger.jobs where job_type = 'w' $$, 'adds nothing');
\ir ../support/is_waiter.sql
select ok(pg_temp.is_waiter($$ select ganger.enqueue_many('[{"job_type": "w", "idempotency_key": "one"}]') $$),
          'but waits at its commit as if it did');
select ok(pg_temp.is_waiter($$ select ganger.enqueue_many('[{"job_type": "w", "idempotency_key": "one"},
                                                            {"job_type": "w", "idempotency_key": "one"}]') $$),
          'also where a key stands twice');

-- what is refused names its place; nothing of the call remains
create temp table before as select count(*) as n from ganger.job;
create function pg_temp.many(entry text) returns text language sql as
    $$ select format('select ganger.enqueue_many(%L)', '[{"job_type": "ok"}, {"job_type": "ok"}, ' || entry || ']') $$;
select throws_ok(pg_temp.many(v[1]), v[2], v[3], v[1]) from (values
    (array['{}', '22023', 'jobs[2]: job_type is missing']),
    (array['{"job_type": ""}', '22023', 'jobs[2]: job_type is empty']),
    (array['{"job_type": null}', '22023', 'jobs[2]: job_type is missing']),
    (array['7', '22023', 'jobs[2] is a JSON number, not an object']),
    (array['null', '22023', 'jobs[2] is a JSON null, not an object']),
    (array['[]', '22023', 'jobs[2] is a JSON array, not an object']),
    (array['{"job_type": "a", "prio": 1}', '22023', 'jobs[2]: unknown key "prio"']),
    (array['{"job_type": "a", "priority": 40000}', '22003', 'jobs[2]: priority must be between -32768 and 32767, not 40000']),
    (array['{"job_type": "a", "max_attempts": 0}', '22003', 'jobs[2]: max_attempts must be between 1 and 1000, not 0']),
    (array['{"job_type": "a", "tags": [""]}', '22023', 'jobs[2]: tags has an empty tag in it']),
    (array['{"job_type": "a", "tags": [null]}', '22023', 'jobs[2]: tags has a null in it']),
    (array['{"job_type": "a", "timeout": "0s"}', '22023', 'jobs[2]: timeout must be more than zero, not 00:00:00']),
    (array['{"job_type": "a", "depends_on": [1000000]}', '42704', 'jobs[2]: depends_on: there is no job 1000000']),
    (array['{"job_type": "a", "depends_on": [-3]}', '22023', 'jobs[2]: depends_on: -3 is not an earlier entry of this call']),
    (array['{"job_type": "a", "depends_on": [null]}', '22023', 'jobs[2]: depends_on has a null in it']),
    (array['{"job_type": "a", "unique_key": ""}', '22023', 'jobs[2]: unique_key is empty']),
    (array['{"job_type": "a", "unique_for": "1h"}', '22023', 'jobs[2]: unique_for without unique_key']),
    (array['{"job_type": "a", "group_key": ""}', '22023', 'jobs[2]: group_key is empty']),
    (array['{"job_type": "a", "expires_at": "infinity"}', '22023', 'jobs[2]: expires_at must be a point in time, not infinity']),
    (array['{"job_type": "a", "on_conflict": "error"}', '22023', 'jobs[2]: on_conflict without unique_key']),
    (array['{"job_type": "a", "depends_on_tags": [""]}', '22023', 'jobs[2]: depends_on_tags has an empty tag in it']),
    (array['{"job_type": "a", "dead_letter_job_type": ""}', '22023', 'jobs[2]: dead_letter_job_type is empty'])) x (v);
select throws_like(pg_temp.many(v[1]), v[2], v[1]) from (values
    (array['{"job_type": "a", "priority": "high"}', 'jobs[2]: %']),
    (array['{"job_type": "a", "priority": 1.5}', 'jobs[2]: %']),
    (array['{"job_type": "a", "run_at": "soon"}', 'jobs[2]: %']),
    (array['{"job_type": "a", "timeout": "a while"}', 'jobs[2]: %']),
    (array['{"job_type": "a", "tags": "a"}', 'jobs[2]: %']),
    (array['{"job_type": "a", "retry_backoff": "perhaps"}', 'jobs[2]: %'])) x (v);
select throws_ok(pg_temp.many('{"job_type": "a", "priority": 99999999999}'), '22003', null, 'beyond an integer is out of range');
select throws_ok(pg_temp.many('{"job_type": "a", "priority": "high"}'), '22023', null, 'not a number is a bad value');
select throws_ok($$ select ganger.enqueue_many('{"job_type": "a"}') $$, '22023', 'jobs must be a JSON array of objects', 'an object');
select throws_ok($$ select ganger.enqueue_many(null) $$, '22023', 'jobs must be a JSON array of objects', 'null');
select is((select count(*) from ganger.job), (select n from before), 'all or none: nothing of these calls remains');

-- what could be taken for something else is refused, and the key is named
select throws_ok(pg_temp.many(v[1]), '22023', v[2], v[1])
from (values (array['{"job_type": "a", "timeout": 30}', 'jobs[2]: timeout is a JSON number, not a string']),
             (array['{"job_type": "a", "timeout": "30"}', 'jobs[2]: timeout has no unit: "30"']),
             (array['{"job_type": "a", "retry_delay": "1.5"}', 'jobs[2]: retry_delay has no unit: "1.5"']),
             (array['{"job_type": 5}', 'jobs[2]: job_type is a JSON number, not a string']),
             (array['{"job_type": ["x"]}', 'jobs[2]: job_type is a JSON array, not a string']),
             (array['{"job_type": "a", "queue": {}}', 'jobs[2]: queue is a JSON object, not a string']),
             (array['{"job_type": "a", "priority": "high"}',
                    'jobs[2]: priority: invalid input syntax for type integer: "high"']),
             (array['{"job_type": "a", "kill_grace": "soon"}',
                    'jobs[2]: kill_grace: invalid input syntax for type interval: "soon"'])) x (v);
select lives_ok(pg_temp.many('{"job_type": "a", "queue": null, "timeout": null, "kill_grace": "0", "retry_delay": "5 s"}'),
    'null is the default, and zero needs no unit');

-- unknown keys are met in every entry, also beside many good ones
select throws_ok($$ select ganger.enqueue_many((select jsonb_agg(case when i = 777 then '{"job_type": "a", "x": 1}'::jsonb
    else '{"job_type": "a"}' end) from generate_series(0, 999) i)) $$, '22023', 'jobs[777]: unknown key "x"', 'far into the call');

-- 100,000 entries
create temp table bulk as
select place, id from ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 'bulk' || i % 5, 'payload', i,
    'priority', i % 3) order by i) from generate_series(1, 100000) i)) with ordinality b (id, place);
select is((select count(*) from bulk), 100000::bigint, '100,000 entries');
select is((select count(*) from bulk b join ganger.job j using (id) where j.payload = to_jsonb(b.place)), 100000::bigint,
    'each id is that of its entry');
select ok((select bool_and(id > previous) from (select id, lag(id, 1, 0::bigint) over (order by place) as previous from bulk) x),
    'ids grow in input order');
select is((select count(*) from ganger.job where job_type ~ '^bulk' and seq = id), 100000::bigint, 'all are runnable');
select is((select count(distinct lane_id) from ganger.job where job_type ~ '^bulk'), 15::bigint, 'in a lane per type and priority');
select ok((select count(*) <= 40 from ganger.lane_signal), 'with a signal per lane, not per job');

-- many keys in one call
select is((select count(distinct id) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', 'keyed',
    'idempotency_key', 'key' || i % 500)) from generate_series(1, 2000) i)) id), 500::bigint, '2,000 entries with 500 keys');
select is((select count(*) from ganger.job where job_type = 'keyed'), 500::bigint, 'make 500 jobs');

select * from finish();
