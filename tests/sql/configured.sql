-- SPDX-License-Identifier: MIT
-- Schedules of a configuration file: what it names is made so, what it no longer names is deleted, all else is left alone.
select plan(31);

create function pg_temp.apply(node text, wanted jsonb) returns text language sql as $$
    select string_agg(coalesce(name, '-') || ' ' || action, ', ' order by name) from ganger._apply_configured('schedule', node, wanted)
$$;
\set a '"a": {"cron": "0 3 * * *", "job_type": "x"}'
\set b '"b": {"cron": "@hourly", "job_type": "y", "payload": [1], "timezone": "Europe/Berlin", "overlap": "allow", "catch_up": "last", "options": {"priority": 5, "timeout": "60000 milliseconds"}}'

select is(pg_temp.apply('n1', null), null, 'a file without the section');
select is(pg_temp.apply('n1', '{}'), null, 'one with nothing in it');
select is(pg_temp.apply('n1', ('{' || :'a' || ',' || :'b' || '}')::jsonb), 'a created, b created', 'what it names is made');
select results_eq('select name, cron, job_type, payload, timezone, overlap, catch_up, options from ganger.schedules order by name',
    $$ values ('a', '0 3 * * *', 'x', '{}'::jsonb, 'UTC', 'skip', 'none', '{}'::jsonb),
              ('b', '@hourly', 'y', '[1]', 'Europe/Berlin', 'allow', 'last', '{"priority": 5, "timeout": "60000 milliseconds"}') $$, 'so');
select xmin as row_version from ganger.schedule where name = 'a' \gset
select is(pg_temp.apply('n1', ('{' || :'a' || ',' || :'b' || '}')::jsonb), null, 'nothing to do the next time');
select is(pg_temp.apply('n2', ('{' || :'a' || ',' || :'b' || '}')::jsonb), null, 'nor for another node with the same file');
select is((select xmin::text from ganger.schedule where name = 'a'), :'row_version', 'nothing was written');

-- changes
select ganger.pause_schedule('a') \gset
select is(pg_temp.apply('n1', ('{"a": {"cron": "0 4 * * *", "job_type": "x", "payload": {"k": 1}},' || :'b' || '}')::jsonb), 'a changed', 'a change');
select results_eq($$ select cron, payload, paused from ganger.schedules where name = 'a' $$, $$ values ('0 4 * * *', '{"k": 1}'::jsonb, true) $$,
    'is made; a pause survives');
select is(pg_temp.apply('n1', ('{' || :'a' || ',' || :'b' || '}')::jsonb), 'a changed', 'what is not said is the default again');
select is((select payload from ganger.schedules where name = 'a'), '{}'::jsonb, 'indeed');
select ganger.edit_schedule('a', '{"overlap": "allow"}') \gset
select is(pg_temp.apply('n1', ('{' || :'a' || ',' || :'b' || '}')::jsonb), 'a changed', 'the file wins over a change in SQL');
select ok((select paused from ganger.schedules where name = 'a'), 'the pause has survived all that');

-- one that PostgreSQL refuses
select is((select string_agg(name || ' ' || action, ', ' order by name) from ganger._apply_configured('schedule', 'n1',
           ('{' || :'a' || ',' || :'b' || ', "bad": {"cron": "0 0 30 2 *", "job_type": "x"}, "c": {"cron": "@daily", "job_type": "z"}}')::jsonb)),
          'bad refused, c created', 'a bad one is refused, the others are applied');
select matches((select error from ganger._apply_configured('schedule', 'n1', ('{' || :'a' || ',' || :'b' || ', "c": {"cron": "99 * * * *", "job_type": "z"}}')::jsonb)),
    '99', 'the error says why');
select is((select cron from ganger.schedules where name = 'c'), '@daily', 'it stays as it was');
select matches((select error from ganger._apply_configured('schedule', 'n1', ('{' || :'a' || ',' || :'b' || ', "c": {"cron": "@daily", "job_type": "z", "timezone": "Mars/Olympus"}}')::jsonb)),
    'Mars/Olympus', 'a zone that PostgreSQL does not know');

-- what is no longer there
select ganger.create_schedule('by_hand', '@daily', 'h') \gset
select is(pg_temp.apply('n1', ('{' || :'a' || '}')::jsonb), 'b deleted, c deleted', 'what it no longer names is deleted');
select bag_eq('select name from ganger.schedules', $$ values ('a'), ('by_hand') $$, 'and nothing else');
select is(pg_temp.apply('n2', null), null, 'a node without the section does not touch what others brought');
select is(pg_temp.apply('n1', null), 'a deleted', 'the one that brought it takes it back');
select bag_eq('select name from ganger.schedules', $$ values ('by_hand') $$, 'what was made in SQL stays');
select is_empty('select from ganger.configured', 'nothing is left of it');

-- one made in SQL that the file names is the file's from then on
select is(pg_temp.apply('n1', '{"by_hand": {"cron": "@daily", "job_type": "h"}}'), null, 'adopted as it is');
select is(pg_temp.apply('n1', '{}'), 'by_hand deleted', 'and deleted with its entry');

-- one that was deleted, and made anew in SQL, is its maker's
select is(pg_temp.apply('n1', ('{' || :'a' || '}')::jsonb), 'a created', 'from the file');
select ganger.delete_schedule('a') \gset
select ganger.create_schedule('a', '@weekly', 'mine') \gset
select is(pg_temp.apply('n1', '{}'), null, 'not deleted');
select is((select job_type from ganger.schedules where name = 'a'), 'mine', 'it is there');
select ganger.delete_schedule('a') \gset
select is(pg_temp.apply('n1', ('{' || :'a' || '}')::jsonb), 'a created', 'one that an operator deleted');
select ganger.delete_schedule('a') \gset
select is(pg_temp.apply('n1', ('{' || :'a' || '}')::jsonb), 'a created', 'is made again, as long as the file names it');
select is(pg_temp.apply('n1', '{"a": {"cron": "@daily", "job_type": "x", "options": {"prio": 1}}}'), 'a refused', 'an option that enqueue does not have');

select * from finish();
