-- SPDX-License-Identifier: MIT
-- What each call reads in each state. psql variables: jobs, history, states (comma-separated), only, limit, explain. See run.
\set wanted_jobs :jobs
\set wanted_history :history
\set jobs 2000
\set history 2000
\ir load.sql
\ir calls.sql
\ir measure.sql
\ir states.sql
select pg_temp.believe('analyzed') \g /dev/null
delete from calls where name not like :'only';
set plan_cache_mode = force_generic_plan;
\set state small
\ir one.sql
\set jobs :wanted_jobs
\set history :wanted_history
\ir load.sql
delete from measured;
\if :{?explain}
load 'auto_explain';
set auto_explain.log_nested_statements = on;
set auto_explain.log_analyze = on;
set auto_explain.log_timing = off;
set auto_explain.log_level = notice;
set auto_explain.log_min_duration = 0;
set client_min_messages = notice;
\endif
set statement_timeout = :'limit';
\ir report.sql
select x.command
from unnest(string_to_array(:'states', ',')) with ordinality s (state, place)
cross join lateral (select 0 as n, format('do $$ begin perform pg_temp.believe(%L); end $$', s.state) as command
                    union all
                    select c.n, format('insert into measured select m.* from calls c cross join lateral pg_temp.measure(%L, c) m where c.n = %s', s.state, c.n)
                    from calls c
                    union all
                    select 1000000, format('select * from pg_temp.report where state = %L', s.state)) x
order by s.place, x.n \gexec
