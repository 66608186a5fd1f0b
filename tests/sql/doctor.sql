-- SPDX-License-Identifier: MIT
-- doctor(): each thing it can find in a database: made, named, mended (by what the finding says, where that is a statement), gone. What
-- concerns the whole server is in tests/system/test_doctor.c.
select plan(100);
create extension dblink;

-- One check alone: all of them take long.
create function pg_temp.look(what text, patience interval) returns setof ganger.finding language plpgsql as $$
begin
    return query execute format('select * from ganger._doctor_%s($1)', what) using patience;
end $$;
-- What it says, one line for each finding; lengths of time are shown as T.
create function pg_temp.says(what text, patience interval default '1 min') returns text language sql as $$
    select string_agg(d.severity || ' ' || coalesce(d.subject || ': ', '') || regexp_replace(d.finding, '\d+ (s|min|h|days)\M', 'T', 'g'), E'\n' order by d.severity, d.subject)
    from pg_temp.look(what, patience) d where d.check_name = what
$$;
-- Does what its findings say. How many statements that were.
create function pg_temp.mend(what text, patience interval default '1 min') returns bigint language plpgsql as $$
declare
    n bigint := 0;
    one text;
begin
    for one in select d.mend from pg_temp.look(what, patience) d loop
        execute one;
        n := n + 1;
    end loop;
    return n;
end $$;
create function pg_temp.is_fine(what text, patience interval default '1 min') returns boolean language sql as $$
    select not exists (select from pg_temp.look(what, patience))
$$;
create function pg_temp.settle() returns void language plpgsql as $$
begin
    while ganger._work_signals() > 0 loop null; end loop;
end $$;

select throws_ok('select * from ganger.doctor(null)', '22023', 'patience is missing');
select throws_ok($$ select * from ganger.doctor('-1 s') $$, '22023');

-- ---- nothing is wrong
select is(pg_temp.says('nodes'), 'notice gangerd: no node is alive: nothing is run', 'a new database has no node');
select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0') as node \gset
select ganger._register_worker(:node, 'p', 2, 1, false) as worker \gset
select ganger._note_service(:node, '{default}', '{a, g}') \gset
select ganger._take_duty(:node) \gset
create temp table fine as select * from ganger.doctor();
select is_empty($$ select * from fine where severity <> 'ok' and check_name not in ('server', 'snapshots', 'slots', 'connections', 'archive') $$, 'with one all is well');
select is((select count(*) from fine where severity = 'ok' and subject is null and mend is null) >= 19, true, 'a line for each check');
select is_empty($$ select * from fine where finding like 'it could not be made%' $$, 'and each can be made');

-- ---- the server, as far as this database goes
alter database :DBNAME set synchronous_commit = off;
select matches(pg_temp.says('server'), 'warning synchronous_commit of database .*: it is off', 'commits that do not wait, by the database');
create role doctor_role;
alter role doctor_role set synchronous_commit = off;
select matches(pg_temp.says('server'), 'warning synchronous_commit of role doctor_role: it is off', 'and by a role');
select is((select count(*) from ganger._doctor_server('1 s') d where d.subject like 'synchronous_commit of %'), 2::bigint, 'two findings');
create procedure pg_temp.mend_commits() language plpgsql as $$ declare one text; begin
    for one in select d.mend from ganger._doctor_server('1 s') d where d.subject like 'synchronous_commit of %' loop execute one; end loop; end $$;
call pg_temp.mend_commits();
drop role doctor_role;
select unalike(pg_temp.says('server'), '%synchronous_commit of%', 'mended');

-- ---- transactions
select dblink_connect('other', :'conninfo') \g /dev/null
select dblink_exec('other', 'begin isolation level repeatable read') \g /dev/null
select r.pid as other from dblink('other', 'select pg_backend_pid()') as r (pid integer) \gset
select ok(pg_temp.is_fine('snapshots'), 'a transaction that is new');
select matches(pg_temp.says('snapshots', '0 s'), '(?n)^warning session ' || :other || ': open for T, a session \(.*\) of role ".*" is idle in transaction: dead rows of the last \d+ transactions', 'one that is open for longer');
select pg_temp.mend('snapshots', '0 s') \gset
do $$ begin
    for i in 1..500 loop
        perform pg_stat_clear_snapshot();
        exit when not exists (select from pg_stat_activity where state = 'idle in transaction' and datname = current_database());
        perform pg_sleep(0.01);
    end loop;
end $$;
select unalike(coalesce(pg_temp.says('snapshots', '0 s'), ''), '%session ' || :other || ':%', 'ended');
select dblink_disconnect('other') \g /dev/null

-- ---- autovacuum, bloat
alter table ganger.job set (autovacuum_enabled = off);
select is(pg_temp.says('autovacuum'), 'warning ganger.job: autovacuum is switched off for this table', 'switched off for a table');
select pg_temp.mend('autovacuum') \gset
select ok(pg_temp.is_fine('autovacuum'), 'mended');
create function pg_temp.await_stats(dead bigint) returns void language plpgsql as $$
begin
    for i in 1..500 loop
        perform pg_stat_clear_snapshot();
        exit when (select pg_stat_get_dead_tuples('ganger.rate_use'::regclass)) >= dead;
        perform pg_sleep(0.01);
    end loop;
end $$;
alter table ganger.rate_use set (autovacuum_enabled = off);
insert into ganger.rate_use (kind, key, jobs) select 'queue', repeat('x', 1000), 1 from generate_series(1, 72000);
delete from ganger.rate_use where ctid > '(10,1)';
select pg_stat_force_next_flush() \gset
select pg_temp.await_stats(60000) \gset
select matches(pg_temp.says('autovacuum'), 'warning ganger.rate_use: \d+ dead rows beside \d+ live ones, and it has never been vacuumed', 'far behind');
select matches(pg_temp.says('bloat'), 'notice ganger.rate_use: \d+ MB for \d+ live rows', 'much larger than its rows');
alter table ganger.rate_use set (autovacuum_enabled = on);
vacuum (full, analyze) ganger.rate_use;
vacuum ganger.rate_use;
select pg_temp.await_stats(0) \gset
select ok(pg_temp.is_fine('autovacuum') and pg_temp.is_fine('bloat'), 'mended');
delete from ganger.rate_use;

-- ---- partitions
select format('ganger.history_completed%s', to_char(date_trunc('week', now() at time zone 'UTC')::date + 7, '_IYYY_IW')) as next_week \gset
drop table :next_week;
select is(pg_temp.says('partitions'), 'warning ' || :'next_week' || ': it is missing: what ends in that week goes to the default partition, which cannot be dropped', 'next week''s is missing');
select pg_temp.mend('partitions') \gset
select ok(pg_temp.is_fine('partitions'), 'mended');
insert into ganger.history (id, finish_id, created_at, finished_at, max_attempts, attempts, status, priority, crashes, queue, job_type, payload)
    values (1, 1, now(), now() + interval '300 days', 1, 1, 'completed', 0, 0, 'q', 'a', '{}'), (2, 2, now(), now() + interval '300 days', 1, 1, 'failed', 0, 0, 'q', 'a', '{}');
select is(pg_temp.says('partitions'), 'notice ganger.history_completed_default: it has rows: they go one by one when their retention is over
notice ganger.history_ended_default: it has rows: they go one by one when their retention is over', 'rows in the default partitions');
delete from ganger.history where id < 3;
select ok(pg_temp.is_fine('partitions'), 'gone');

-- ---- the schema, rights
alter function ganger._span(interval) stable;
select is(pg_temp.says('schema'), 'warning function ganger._span(interval): it is not what the migrations have made', 'a function altered by hand');
select ganger._note_fingerprints() \gset
select ok(pg_temp.is_fine('schema'), 'a migration would say so');
alter function ganger._span(interval) immutable;
select ganger._note_fingerprints() \gset
drop index ganger.job_tags;
alter table ganger.setting add column mine integer;
create index mine on ganger.job (created_at);
create or replace view ganger._barriers as select * from ganger.job j where j.depends_on_tags is not null;
select is(pg_temp.says('schema'), 'error index ganger.job_tags: it is missing
notice index ganger.mine: it is not ganger''s: a later version may want the name, and an index costs each enqueue
warning table ganger.setting: it is not what the migrations have made
warning view ganger._barriers: it is not what the migrations have made', 'an index dropped, one of somebody''s own, a column, a view');
update pg_index set indisvalid = false where indexrelid = 'ganger.mine'::regclass;
select matches(pg_temp.says('schema'), 'error index ganger.mine: it is invalid: nobody uses it', 'an invalid index');
drop index ganger.mine;
alter table ganger.setting drop column mine;
create index job_tags on ganger.job using gin (tags) where tags is not null;
create or replace view ganger._barriers as select j.* from ganger.job j
where j.pending_reason = 'blocked' and j.depends_on_tags is not null and j.cancel_requested is null;
select ok(pg_temp.is_fine('schema'), 'mended');
grant execute on function ganger.cleanup to public;
grant select on ganger.job to public;
revoke usage on schema ganger from ganger_reader;
create role doctor_stranger;
alter function ganger.stats(text) owner to doctor_stranger;
select is(pg_temp.says('rights'), 'error role "ganger_reader": it may not use the schema
warning function ganger.cleanup(interval): everybody may call it
warning function ganger.stats(text): it runs with the rights of "doctor_stranger", who does not own the schema
warning table ganger.job: everybody may read or change it', 'rights too many and too few');
select pg_temp.mend('rights') \gset
drop role doctor_stranger;
select ok(pg_temp.is_fine('rights'), 'mended');

-- ---- schedules, time zones
select ganger.create_schedule('s', '* * * * *', 'a') \gset
select ok(pg_temp.is_fine('schedules'), 'a schedule that is in time');
update ganger.schedule set next_at = now() - interval '1 h';
select matches(pg_temp.says('schedules'), '^error schedule "s": its tick of .*Z has made no job$', 'one that did not run');
select ganger.maintain() \gset
select ok(pg_temp.is_fine('schedules'), 'mended');
update ganger.schedule set last_error = 'boom', timezone = 'Nowhere/City';
select is(pg_temp.says('schedules'), 'warning schedule "s": its last tick failed: boom', 'one that fails');
select is(pg_temp.says('timezones'), 'error schedule "s": the server knows no time zone "Nowhere/City": it makes no jobs', 'in a zone that nobody knows');
update ganger.schedule set last_error = null, timezone = 'UTC', job_type = 'nobody';
select ok(pg_temp.is_fine('timezones'), 'mended');
select is(pg_temp.says('schedules'), 'warning schedule "s": no live node has a handler for its job type "nobody"', 'of a type without a handler');
select ganger.delete_schedule('s') \gset
select count(*) from ganger.cancel_jobs('{"job_type": ["a"]}') \gset
select ok(pg_temp.is_fine('schedules'), 'gone');

-- ---- nodes
update ganger.node set seen_at = now() - interval '40 s' where id = :node;
select is(pg_temp.says('nodes'), 'warning node "n": silent for T: after T others take its jobs', 'no heartbeat');
update ganger.node set seen_at = now() - interval '90 s' where id = :node;
select is(pg_temp.says('nodes'), 'error node "n": silent for T, and nobody has buried it: what it holds stays with it', 'dead, and not buried');
select ganger._heartbeat_node(:node) \gset
select ok(pg_temp.is_fine('nodes'), 'alive again');
update ganger.duty set until = now() - interval '1 min';
update ganger.node set started_at = now() - interval '1 h' where id = :node;
select is(pg_temp.says('nodes'), 'error cluster duties: no node has done them for T: nothing due is let go, nothing is taken back', 'no leader');
select ganger._take_duty(:node) \gset
select ganger._mark_worker_dead(:worker) \gset
select is(pg_temp.says('nodes'), 'warning node "n": no worker of it is there', 'no worker');
select ganger._register_worker(:node, 'p', 3, 1, false) as worker \gset
select ganger._register_node('m', 'h', 'b', 9, 1, '60 s', '1') as other \gset
select is(pg_temp.says('nodes'), 'notice versions: nodes of several versions are alive: 0, 1', 'two versions');
select ganger._stop_node(:other) \gset
select ok(pg_temp.is_fine('nodes'), 'mended');
select ganger._heartbeat_node(:node, interval '-3 s') \gset
select is(pg_temp.says('clocks'), 'warning node "n": its clock is T behind that of the database', 'a clock behind');
select ganger._heartbeat_node(:node, interval '3605 s'), ganger._heartbeat_node(:node) \gset
select is(pg_temp.says('clocks'), 'warning node "n": its clock is T before that of the database', 'and before; not known once is no news');
select is((select clock_offset from ganger.nodes where id = :node), interval '3605 s', 'as the view shows');
select ganger._heartbeat_node(:node, interval '1 s') \gset
select ok(pg_temp.is_fine('clocks'), 'mended');
select ganger._register_worker(:node, 'p', 4, 1, true) as pooled \gset
select matches(pg_temp.says('poolers'), '^notice node "n": a pooler stands between', 'behind a pooler');
select ganger._mark_worker_dead(:pooled) \gset
select ok(pg_temp.is_fine('poolers'), 'no more');

-- ---- running jobs
select ganger.enqueue('a', timeout => '1 s') as late, ganger.enqueue('a') as asked, ganger.enqueue('a') as orphan \gset
select count(*) from ganger._take_jobs(:worker, 1, null, null, '{default}', '{a}', 10, null, null) \gset
select ok(pg_temp.is_fine('running'), 'all is in order');
update ganger.job set started_at = now() - interval '10 min' where id = :late;
select is(pg_temp.says('running'), format('error job %s: type "a", past its time limit for T, and still running on node "n"', :late), 'past its time limit');
select ganger._note_prolonged(:late, j.lease_id, 3600000) from ganger.job j where j.id = :late \gset
select ok(pg_temp.is_fine('running'), 'it was given more time');
update ganger.event set data = jsonb_build_object('ms', 1000, 'until', now() - interval '61 s') where job_id = :late and event = 'prolonged';
select ok(pg_temp.is_fine('running'), 'which is just over: its time to stop is not');
update ganger.event set data = jsonb_build_object('ms', 1000, 'until', now() - interval '5 min') where job_id = :late and event = 'prolonged';
select matches(pg_temp.says('running'), format('^error job %s: .* past its time limit', :late), 'which is over, too');
update ganger.event set at = now() - interval '1 h', data = jsonb_build_object('ms', 1000, 'until', now() + interval '1 h') where job_id = :late and event = 'prolonged';
select matches(pg_temp.says('running'), format('^error job %s: .* past its time limit', :late), 'which an earlier run was given');
update ganger.job set started_at = now() where id = :late;
update ganger.job set cancel_requested = true, last_cancelled_at = now() - interval '5 min' where id = :asked;
select is(pg_temp.says('running'), format('error job %s: type "a", was asked to stop T ago, and is still running on node "n"', :asked), 'does not stop');
update ganger.job set cancel_requested = null, last_cancelled_at = null where id = :asked;
select ok(pg_temp.is_fine('running'), 'in order again');
select ganger._mark_worker_dead(:worker) \gset
select ok(pg_temp.is_fine('running'), 'a worker that has just died');
update ganger.worker set ended_at = now() - interval '2 min' where id = :worker;
select is(pg_temp.says('running'), format('error 3 jobs (%s, %s, %s): held by worker %s of node "n", which is dead', :late, :asked, :orphan, :worker), 'one that has been dead for long');
select pg_temp.mend('running') \gset
select ok(pg_temp.is_fine('running'), 'mended');
select count(*) from ganger.cancel_jobs('{"job_type": ["a"]}') \gset
select ganger._register_worker(:node, 'p', 5, 1, false) as worker \gset
select ganger.enqueue('o', queue => 'out') as outside \gset
select lease_id from ganger.claim('me', '{out}', lease => '10 s') \gset
update ganger.job set lease_until = now() - interval '5 min' where id = :outside;
select is(pg_temp.says('running'), format('warning job %s: the lease of outside worker "me" has been over for T', :outside), 'an outside worker''s lease is over');
select ganger.maintain() \gset
select ok(pg_temp.is_fine('running'), 'mended');
select ganger.cancel(:outside) \gset

-- ---- what is due
select ganger.enqueue('a', run_at => now() + interval '1 h') as due, ganger.create_token(timeout => '1 h') as token \gset
select ok(pg_temp.is_fine('due'), 'nothing is due yet');
update ganger.job set due_at = now() - interval '10 min' where id = :due;
update ganger.token set timeout_at = now() - interval '10 min';
select is(pg_temp.says('due'), format(E'error job %s: due for T, and nobody lets them go on\nerror token %s: timed out T ago, and who waits for it still does', :due, :'token'), 'a job and a token');
select ganger.maintain() \gset
select ok(pg_temp.is_fine('due'), 'mended');

-- ---- what waits
select ganger.enqueue('g', group_key => 'k') as place, ganger.enqueue('g', group_key => 'k') as placeless, ganger.enqueue('a', depends_on => array[:due]) as blocked \gset
select ganger.set_group_limit('k', concurrency => 1) \gset
select pg_temp.settle() \gset
select ok(pg_temp.is_fine('waiting'), 'with something to wait for');
select ganger.set_group_limit('k', concurrency => 2) \gset
select ok(pg_temp.is_fine('waiting'), 'with a signal');
delete from ganger.signal;
update ganger.dependency set prerequisite_id = -5 where job_id = :blocked;
select is(pg_temp.says('waiting'), format(E'error group "k": a place is free, and job %s does not get it\nerror job %s: blocked, and nothing that it depends on is left', :placeless, :blocked), 'signals that were lost');
update ganger.dependency set prerequisite_id = :due where job_id = :blocked;
select ganger._signal('group', 'k') \gset
select pg_temp.settle() \gset
select ok(pg_temp.is_fine('waiting'), 'mended');
select ganger.create_batch('b', 'a', '[1,2]', concurrency => 1) \gset
select ganger.start_batch('b') \gset
delete from ganger.signal;
select is(pg_temp.says('waiting'), 'error batch "b": a place is free, and no item gets it', 'a batch');
select pg_temp.mend('waiting') \gset
select pg_temp.settle() \gset
select ok(pg_temp.is_fine('waiting'), 'mended');
select ganger.cancel_batch('b') \gset
select pg_temp.settle() \gset
select count(*) from ganger.cancel_jobs('{"job_type": ["a", "g"]}') \gset
select pg_temp.settle() \gset

-- ---- runnable jobs
select ganger.enqueue('a') as idle, ganger.enqueue('a') as second \gset
select ganger.maintain() \gset
select ok(pg_temp.is_fine('runnable') and pg_temp.is_fine('backlog'), 'a job that is new');
update ganger.job set created_at = now() - interval '10 min' where id = :idle;
select is(pg_temp.says('backlog'), 'warning queue "default": its oldest job has waited for T; in the last minute 1 came and 0 ended', 'one that is old');
select ok(pg_temp.is_fine('runnable'), 'while all are busy');
select ganger._set_idle(:node, true) \gset
select is(pg_temp.says('runnable'), format('error job %s: type "a" of queue "default", runnable for T, while node "n" has idle workers', :idle), 'and while somebody has nothing to do');
select ganger._register_worker(:node, 'elsewhere', 6, 1, false) as unfit \gset
select matches(pg_temp.says('runnable'), format('^error job %s: .* while node "n" has idle workers$', :idle), 'the same where all pools have nothing to do');
insert into ganger.stat_rate values (1, date_trunc('second', now()), 'g', 1, 0)
on conflict (span, began_at, job_type) do update set completed = 1;
select is(pg_temp.says('runnable'), format('notice job %s: type "a" of queue "default", runnable for T, and node "n" has idle workers, maybe only of pools that do not serve it', :idle), 'one of them may only be between two jobs');
delete from ganger.stat_rate where job_type = 'g';
select ganger.enqueue('g') as other \gset
select count(*) from ganger._take_jobs(:worker, 1, null, null, '{default}', '{g}', 10, null, null) \gset
select matches(pg_temp.says('runnable'), format('^notice job %s: .* maybe only of pools that do not serve it$', :idle), 'one of them is busy, and may be the one for it');
select ganger._mark_worker_dead(:unfit) \gset
select matches(pg_temp.says('runnable'), format('^error job %s: ', :idle), 'with one pool it is sure');
insert into ganger.stat_rate values (1, date_trunc('second', now()), 'a', 5, 0)
on conflict (span, began_at, job_type) do update set completed = 5;
select matches(pg_temp.says('backlog'), '^notice queue "default": .* 1 came and 5 ended', 'a backlog that shrinks');
select ganger.pause_queue('default'), ganger.pause_job_type('a') \gset
select is(pg_temp.says('paused'), E'notice job type "a": it is stopped, and jobs wait, the oldest for T\nnotice queue "default": it is stopped, and jobs wait, the oldest for T', 'paused');
select ok(pg_temp.is_fine('runnable') and pg_temp.is_fine('backlog'), 'then nobody is expected to take it');
select pg_temp.mend('paused') \gset
select ok(pg_temp.is_fine('paused'), 'resumed');
select ganger.set_queue('default', concurrency => 0) \gset
select is(pg_temp.says('paused'), 'notice queue "default": it is stopped, and jobs wait, the oldest for T', 'stopped by a limit');
update ganger.queue set concurrency = null;
select ok(pg_temp.is_fine('paused'), 'mended');
update ganger.lane set frontier = 1000000 where lane_id = (select lane_id from ganger.job where id = :idle);
delete from ganger.epoch;
select matches(pg_temp.says('runnable'), format('^error job %s: runnable since .*, but claims of queue "default" begin behind it$', :idle), 'passed by');
select pg_temp.mend('runnable') \gset
select unalike(pg_temp.says('runnable'), '%begin behind it', 'mended');
select ganger._note_service(:node, '{other}', '{a}') \gset
select ok(pg_temp.is_fine('queues'), 'a queue that an outside worker may be at');
delete from ganger.outside_claim;
select is(pg_temp.says('queues'), 'warning queue "default": no live node serves it, and jobs wait, the oldest for T', 'that nobody serves');
select ganger._note_service(:node, '{default}', '{b}') \gset
select ok(pg_temp.is_fine('queues'), 'mended');
update ganger.lane set state = 'idle' where job_type = 'g';
select ganger._find_unhandled(clock_timestamp()) \gset
select is(pg_temp.says('handlers'), 'warning job type "a": no live node that serves queue "default" has a handler for it: its jobs fail, reason no_handler, in T', 'a type nobody handles');
select ganger._note_service(:node, '{default}', '{a}') \gset
select ganger._find_unhandled(clock_timestamp()) \gset
select ok(pg_temp.is_fine('handlers'), 'mended');
select count(*) from ganger.cancel_jobs('{"job_type": ["a"]}') \gset
select ok(pg_temp.is_fine('runnable') and pg_temp.is_fine('backlog'), 'and when they are gone');

-- ---- results that cannot be written
insert into ganger.late_result (job_id, lease_id, outcome, ended_at) values (:idle, gen_random_uuid(), 'completed', now() - interval '10 min');
select is(pg_temp.says('results'), format('warning job %s: its result has waited for T: an open transaction holds the job', :idle), 'a result that waits');
select ganger.maintain() \gset
select ok(pg_temp.is_fine('results'), 'applied');

-- ---- nobody at all
select ganger._stop_node(:node) \gset
select ganger.enqueue('a') \gset
select is(pg_temp.says('nodes'), 'error gangerd: no node is alive: nothing is run', 'jobs, and no node');
select count(*) from ganger.claim('me', '{none}') \gset
select matches(pg_temp.says('nodes'), '^notice gangerd: no node is alive: outside workers are alone', 'outside workers are alone');

-- ---- one that cannot be made
create or replace function ganger._doctor_slots(patience interval) returns setof ganger.finding language plpgsql as $$ begin perform 1 / 0; end $$;
create temp table seen as select * from ganger.doctor();
select results_eq($$ select severity, subject, finding from seen where check_name = 'slots' $$,
    $$ values ('error', 'this check', 'it could not be made: division by zero') $$, 'a check that fails');
select is((select count(distinct check_name) from seen), 24::bigint, 'does not hide the others');

select * from finish();
