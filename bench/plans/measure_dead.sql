-- SPDX-License-Identifier: MIT
-- What each call reads before and after `dead` rows have come and gone in each small table, while a session holds a snapshot, so that
-- none of them can be taken away. A fiftieth as often the node's row is updated and a worker unwanted. psql
-- variables: dead, only, limit. See run.
\ir calls.sql
\ir measure.sql
delete from calls where name not like :'only';
set statement_timeout = :'limit';
\set state clean
\ir one.sql
set statement_timeout = 0;
set synchronous_commit = off;
insert into ganger.lane_signal (lane_id, priority, returned, queue, job_type)
select 1000 + i % 5000, 0, false, 'dead', 'd' || i % 5000 from generate_series(1, :dead) i;
insert into ganger.signal (kind, key, made_in) select 'group', 'g' || i % 1000, '1' from generate_series(1, :dead) i;
insert into ganger.epoch (epoch, lo, hi) select -i, 0, 0 from generate_series(1, :dead) i;
insert into ganger.late_result (job_id, lease_id, outcome) select i, gen_random_uuid(), 'completed' from generate_series(1, :dead) i;
insert into ganger.rate_use (kind, key, jobs) select 'queue', 'q1', 1 from generate_series(1, :dead) i;
insert into ganger.stat_delta select 't' || i % 20, 'completed', 1, 1, now(), '{1}' from generate_series(1, :dead) i;
insert into ganger.batch_delta (batch_id, completed, failed, cancelled) select 'b' || i % 1000, 1, 0, 0 from generate_series(1, :dead) i;
insert into ganger.worker (node_id, pool, pid, process_start, backend_pid)
select 1, 'main', 1, 1, 1 from generate_series(1, :dead / 10) i;
insert into ganger.unwanted_worker select 1 from generate_series(1, :dead / 50) i;
delete from ganger.lane_signal;
delete from ganger.signal;
delete from ganger.epoch;
delete from ganger.late_result;
delete from ganger.rate_use;
delete from ganger.stat_delta;
delete from ganger.batch_delta;
delete from ganger.worker where id > 16;
delete from ganger.unwanted_worker;
select format('update ganger.node set heartbeat = heartbeat + 1 where id = 1') from generate_series(1, :dead / 50) \gexec
select ganger._tick() \g /dev/null -- which raises the floors, as it does once a second
set statement_timeout = :'limit';
\set state dead
\ir one.sql
\ir report.sql
select * from pg_temp.report;
