-- SPDX-License-Identifier: MIT
-- A session that has bound itself to an owner or to queues, as the HTTP API does for a token that is bound: it reaches no more than that,
-- whatever its role may do. To bind itself is all that anybody can do with these settings.
select plan(154);

-- What a statement answers in such a session, or the SQLSTATE; all it does is undone. `next`: one about the answer, whose answer it is then.
create function pg_temp.bound(role text, owner text, queues text, statement text, next text default null) returns text language plpgsql as $$
declare
    answer text;
begin
    perform set_config('role', role, true), set_config('ganger.bound_owner', owner, true), set_config('ganger.bound_queues', queues, true);
    execute statement into answer;
    if next is not null then
        execute format(next, answer) into answer;
    end if;
    raise exception using errcode = 'T0001', message = coalesce(answer, 'null');
exception
    when sqlstate 'T0001' then return sqlerrm;
    when others then return sqlstate;
end $$;

-- live jobs that have had an attempt, one for each owner and queue, and as many that have ended: in the order ann a, ann b, bob a, bob b, a, b
select array_agg(ganger.enqueue('t', '{}', q, owner => o, retry_delay => '0 s') order by o nulls last, q) as live
from unnest('{ann,bob,null}'::text[]) o, unnest('{a,b}'::text[]) q \gset
select count(ganger.fail(c.id, c.lease_id, 'x')) as n from ganger.claim('w', '{a,b}', max_jobs => 10) c \gset
select array_agg(ganger.enqueue('t', '{}', q, priority => 9, owner => o) order by o nulls last, q) as ended
from unnest('{ann,bob,null}'::text[]) o, unnest('{a,b}'::text[]) q \gset
select count(ganger.discard(c.id, c.lease_id, 'x')) as n from ganger.claim('w', '{a,b}', max_jobs => 6) c \gset
select is((select array_agg(status order by id) from ganger.jobs where id = any (:'live'::bigint[] || :'ended'::bigint[])),
          array_fill('pending'::text, '{6}') || array_fill('failed'::text, '{6}'), 'six are live, six have ended');

create temp table binding (owner text, queues text, places integer[]);
insert into binding values ('ann', '', '{1,2}'), ('', '{a}', '{1,3,5}'), ('', '{a,b}', '{1,2,3,4,5,6}'), ('bob', '{b,c}', '{4}'), ('eve', '', '{}'),
    ('', '{c}', '{}'), ('', '', '{1,2,3,4,5,6}');
create temp table way (name text, statement text);
insert into way values
    ('jobs', 'select array_agg(j.id order by j.id) from ganger.jobs j where j.id = any (%L)'),
    ('attempts', 'select array_agg(distinct a.job_id order by a.job_id) from ganger.attempts a where a.job_id = any (%L)'),
    ('get_job', 'select array_agg(j.id order by j.id) from unnest(%L::bigint[]) x, ganger.get_job(x) j'),
    ('list_jobs', 'select array_agg(j.id order by j.id) from ganger.list_jobs() j where j.id = any (%L)'),
    ('job_events', 'select array_agg(distinct x order by x) from unnest(%L::bigint[]) x, ganger.job_events(x) e'),
    ('GET /api/jobs/{id}/events', 'select array_agg(distinct x order by x) from unnest(%L::bigint[]) x where (ganger._job_page(x, ''events'', null, null, 10)).rows <> ''[]'''),
    ('explain_job', 'select array_agg(x order by x) from unnest(%L::bigint[]) x where ganger.explain_job(x) not like ''There is no job%%'''),
    ('GET /api/jobs/{id}', 'select array_agg(x order by x) from unnest(%L::bigint[]) x where ganger._api_job_text(x) is not null'),
    ('GET /api/jobs', 'select array_agg((x ->> ''id'')::bigint order by (x ->> ''id'')::bigint) from jsonb_array_elements((ganger._api_page(''{}'', 100, null)).jobs::jsonb) x
                      where (x ->> ''id'')::bigint = any (%L)'),
    ('GET /api/jobs?status=pending,failed', 'select array_agg((x ->> ''id'')::bigint order by (x ->> ''id'')::bigint) from jsonb_array_elements(
                      (ganger._api_page(''{"status": ["pending", "failed"]}'', 100, null)).jobs::jsonb) x where (x ->> ''id'')::bigint = any (%L)');

-- ---- what is seen
create function pg_temp.at(ids bigint[], places integer[]) returns text language sql as
$$ select coalesce(array_agg(ids[p] order by ids[p])::text, 'null') from unnest(places) p $$;
select is(pg_temp.bound('ganger_operator', b.owner, b.queues, format(w.statement, :'live'::bigint[] || :'ended'::bigint[])),
          pg_temp.at(:'live'::bigint[] || :'ended'::bigint[], b.places || array(select p + 6 from unnest(b.places) p)),
          format('%s, bound to owner "%s", queues "%s"', w.name, b.owner, b.queues))
from binding b, way w;
select is(pg_temp.bound('ganger_reader', b.owner, b.queues, 'select ganger.count_jobs()'), (2 * cardinality(b.places))::text, 'count_jobs')
from binding b;
select is(pg_temp.bound('ganger_reader', b.owner, b.queues, 'select (ganger._api_total(''{}'')).total'), (2 * cardinality(b.places))::text, 'the total')
from binding b;

-- ---- what is changed
select is(pg_temp.bound('ganger_operator', b.owner, b.queues, format('select array_agg(x order by x) from unnest(%L::bigint[]) x where %s', w.ids, w.call)),
          pg_temp.at(w.ids, b.places), format('%s, bound to owner "%s", queues "%s"', w.call, b.owner, b.queues))
from binding b, (values (:'live'::bigint[], 'ganger.cancel(x)'), (:'live', 'ganger.edit(x, ''{"payload": 1}'')'), (:'ended', 'ganger.retry(x)'),
                        (:'ended', 'ganger.delete_job(x)')) w (ids, call)
where b.owner <> 'eve';
select is(pg_temp.bound('ganger_operator', w.owner, w.queues, format('select ganger.edit(%s, %L)', (:'live'::bigint[])[w.place], w.changes)), w.answer, w.changes)
from (values ('ann', '', 1, '{"owner": "bob"}', '42501'), ('ann', '', 1, '{"owner": null}', '42501'), ('ann', '', 1, '{"owner": "ann"}', 'true'),
             ('', '{a}', 1, '{"queue": "b"}', '42501'), ('', '{a}', 1, '{"queue": null}', '42501'), ('', '{a}', 1, '{"queue": "a"}', 'true')) w (owner, queues, place, changes, answer);

-- ---- what is made
select is(pg_temp.bound('ganger_api_producer', w.owner, w.queues, format('select ganger.enqueue(%s)', w.args),
                        'select coalesce(owner, ''nobody'') from ganger.get_job(%s)'), w.answer,
          format('enqueue(%s) bound to owner "%s", queues "%s"', w.args, w.owner, w.queues))
from (values ('ann', '', '''t''', 'ann'), ('ann', '', '''t'', owner => ''bob''', '42501'), ('ann', '', '''t'', owner => ''ann'', priority => 3', 'ann'),
             ('', '{a}', '''t''', '42501'), ('', '{a}', '''t'', queue => ''a''', 'nobody'), ('', '{a}', '''t'', queue => ''b'', timeout => ''1 s''', '42501'),
             ('ann', '{a}', '''t'', queue => ''a''', 'ann'), ('', '{a}', '''t'', queue => ''a'', owner => ''zoe''', 'zoe'), ('', '', '''t'', owner => ''zoe''', 'zoe')) w (owner, queues, args, answer);
select is(pg_temp.bound('ganger_api_producer', w.owner, w.queues, format('select max(x) from ganger.enqueue_many(%L) x', w.jobs),
                        'select coalesce(owner, ''nobody'') from ganger.get_job(%s)'), w.answer, w.jobs)
from (values ('ann', '', '[{"job_type": "t"}]', 'ann'), ('ann', '', '[{"job_type": "t", "owner": "bob"}]', '42501'), ('', '{a}', '[{"job_type": "t", "queue": "a"}]', 'nobody'),
             ('', '{a}', '[{"job_type": "t", "queue": "a"}, {"job_type": "t"}]', '42501')) w (owner, queues, jobs, answer);
select is(pg_temp.bound('ganger_api_producer', 'ann', '', format('select ganger.enqueue(''t'', depends_on => array[%s])', (:'live'::bigint[])[3])), '42704', 'it cannot wait for another''s job');
select is(pg_temp.bound('ganger_api_producer', '', '{a}', format('select ganger.enqueue(''t'', queue => ''a'', depends_on => array[%s])', (:'live'::bigint[])[2])), '42704', 'nor for one of another queue');
select ganger.enqueue('t', idempotency_key => 'k', owner => 'bob') as held \gset
select isnt(pg_temp.bound('ganger_api_producer', 'ann', '', 'select ganger.enqueue(''t'', idempotency_key => ''k'')'), :'held', 'it has keys of its own');
select is(pg_temp.bound('ganger_api_producer', '', '{a}', $$ select (ganger._api_create_job('{}', '{"job_type": "t", "queue": "a", "idempotency_key": "k"}')).status $$), '409',
          'a key that leads out of its queues is taken, and no more is told');

select is(pg_temp.bound('ganger_api_producer', '', '{a}', format('select (ganger._api_create_jobs(''{}'', %L)).status', w.jobs)), w.answer, w.jobs)
from (values ('[{"job_type": "t", "queue": "a"}, {"job_type": "t", "queue": "a", "idempotency_key": "k"}]', '409'),
             ('[{"job_type": "t", "queue": "a"}, {"job_type": "t", "queue": "a", "idempotency_key": "own"}]', '201')) w (jobs, answer);
select is(pg_temp.bound('ganger_api_producer', '', '{a}', $$ select (ganger._api_create_jobs('{}', '[{"job_type": "t", "queue": "a"}, {"job_type": "t", "queue": "a", "idempotency_key": "k"}]')).body $$) ~ format('\m%s\M', :'held'),
          false, 'nor is it told whose');
select is(pg_temp.bound('ganger_api_producer', '', '{a}', $$ select (ganger._api_create_jobs('{}', '[{"job_type": "many", "queue": "a"}, {"job_type": "t", "queue": "a", "idempotency_key": "k"}]')).status $$,
                        $$ select count(*) + %s from ganger.list_jobs('{"job_type": "many"}') $$), '409', 'and none of the others is made');

-- ---- what explain_job tells of others
select ganger.enqueue('t', '{}', 'b') as other, ganger.enqueue('t', '{}', 'b', tags => '{x}') as tagged, ganger.enqueue('t', '{}', 'b', group_key => 'g') as first \gset
select ganger.enqueue('t', '{}', 'a', depends_on => array[:other]) as by_id, ganger.enqueue('t', '{}', 'a', depends_on_tags => '{x}') as by_tags \gset
select ganger.set_group_limit('g', 1) \g /dev/null
select ganger.maintain() \g /dev/null
select ganger.enqueue('t', '{}', 'a', group_key => 'g') as limited \gset
select is(array[ganger.explain_job(w.id) ~ format('\m%s\M', w.hidden), pg_temp.bound('ganger_reader', '', '{a}', format('select ganger.explain_job(%s)', w.id)) ~ format('\m%s\M', w.hidden)],
          '{t, f}', format('job %s without the id %s', w.id, w.hidden))
from (values (:by_id, :other), (:by_tags, :tagged), (:limited, :first)) w (id, hidden);
select ok(pg_temp.bound('ganger_reader', '', '{a}', format('select ganger.explain_job(%s)', w.id)) ~ '1 job\M', 'but how many there are')
from (values (:by_id), (:by_tags), (:limited)) w (id);

-- ---- what is claimed
select is(pg_temp.bound('ganger_worker', w.owner, w.queues, format('select string_agg(distinct queue, '','') from ganger.claim(''w'', %L, max_jobs => 100)', w.claimed)), w.answer,
          format('claim of %s bound to owner "%s", queues "%s"', w.claimed, w.owner, w.queues))
from (values ('ann', '', '{a}', '42501'), ('', '{a}', '{a}', 'a'), ('', '{a}', '{a,b}', '42501'), ('', '{a,b}', '{a,b}', 'a,b')) w (owner, queues, claimed, answer);
select is(pg_temp.bound('ganger_worker', '', '{a}', 'select count(*) from ganger.claim(''w'')'), '42501', 'the queue it does not name is `default`');

-- ---- it only takes away
create role bound_shop login in role ganger_producer;
select is(pg_temp.bound('bound_shop', 'ann', '', 'select count(*) from ganger.jobs'), '0', 'a producer does not get another''s jobs by it');
select is(pg_temp.bound('bound_shop', 'ann', '', w), '42501', w)
from unnest(array['select ganger.enqueue(''t'')', 'select ganger.count_jobs()', format('select count(*) from ganger.get_job(%s)', (:'live'::bigint[])[1])]) w;
select is(pg_temp.bound('bound_shop', 'bound_shop', '', 'select ganger.enqueue(''t'')', 'select owner from ganger.get_job(%s)'), 'bound_shop', 'and loses nothing of its own');
select is(pg_temp.bound('ganger_api_producer', '', '', 'select ganger.retry(1)'), '42501', 'nor any right');
select is(pg_temp.bound('ganger_reader', '', '{', 'select ganger.count_jobs()'), '22P02', 'what is no array is refused');
drop role bound_shop;
select * from finish();
