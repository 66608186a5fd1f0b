-- SPDX-License-Identifier: MIT
-- What the planner believes of the tables. Included after measure.sql.
--
--   grown     plans that were made while there were a few thousand rows, and analyzed; nobody has looked at the tables since
--   missing   never vacuumed, never analyzed
--   empty     vacuumed when the last row was gone, while the file could not be made shorter: it has pages, and no rows. So it is after
--             a queue was worked off under a held snapshot; the planner then takes every row it may meet for the only one
--   analyzed  as autovacuum leaves it

create function pg_temp.believe(state text) returns void language plpgsql as $$
declare
    one record;
begin
    if state = 'analyzed' then
        for one in select c.oid::regclass as name from pg_class c where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'p') loop
            execute format('analyze %s', one.name);
        end loop;
    elsif state in ('missing', 'empty') then
        delete from pg_statistic s using pg_class c where c.oid = s.starelid and c.relnamespace = 'ganger'::regnamespace;
        -- tells every session to plan anew, too
        update pg_class c
        set reltuples = case state when 'missing' then -1 else 0 end, relpages = case state when 'missing' then 0 else 1 end, relallvisible = 0
        where c.relnamespace = 'ganger'::regnamespace and c.relkind in ('r', 'i');
    end if;
end $$;
