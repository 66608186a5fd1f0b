-- SPDX-License-Identifier: MIT
-- Limits of queues from a configuration file.
select plan(12);

create function pg_temp.apply(node text, wanted jsonb) returns text language sql as $$
    select string_agg(coalesce(name, '-') || ' ' || action, ', ' order by name) from ganger._apply_configured('queue', node, wanted)
$$;
create view pg_temp.limits as
    select name, concurrency, group_concurrency, rate, rate_period, retention from ganger.queue;

select is(pg_temp.apply('n1', '{"mail": {"concurrency": 4, "rate": 100, "rate_period": "60000 milliseconds", "retention": "86400000 milliseconds"},
    "plain": {"rate_period": "1000 milliseconds"}}'), 'mail changed', 'what it names is made so; no limits are what a queue has anyway');
select results_eq($$ select * from limits where name = 'mail' $$,
    $$ values ('mail', 4, null::integer, 100, interval '1 min', interval '1 day') $$, 'so');
select is(pg_temp.apply('n2', '{"mail": {"concurrency": 4, "rate": 100, "rate_period": "60000 milliseconds", "retention": "86400000 milliseconds"},
    "plain": {}}'), null, 'the same file of another node');
select is(pg_temp.apply('n1', '{"mail": {"group_concurrency": 1}, "plain": {}}'), 'mail changed', 'a change');
select results_eq($$ select * from limits where name = 'mail' $$,
    $$ values ('mail', null::integer, 1, null::integer, null::interval, null::interval) $$, 'what is not said is no limit');
select ganger.set_queue('mail', 9, null, null, null, null) \gset
select is(pg_temp.apply('n1', '{"mail": {"group_concurrency": 1}, "plain": {}}'), 'mail changed', 'the file wins over a change in SQL');
select ganger.set_queue('by_hand', 7, null, null, null, null) \gset
select is(pg_temp.apply('n2', null), null, 'a node without the section does not touch what others brought');
select is(pg_temp.apply('n1', '{"other": {"concurrency": 2}}'), 'mail lifted, other changed, plain lifted', 'what it no longer names has no limits');
select results_eq($$ select group_concurrency from limits where name = 'mail' $$, $$ values (null::integer) $$, 'indeed');
select is(pg_temp.apply('n1', null), 'other lifted', 'the one that brought it takes it back');
select results_eq($$ select concurrency from limits where name = 'by_hand' $$, $$ values (7) $$, 'what was set in SQL stays');
select is_empty('select from ganger.configured', 'nothing is left of it');

select * from finish();
