-- SPDX-License-Identifier: MIT
-- Does the commit of this call wait for the disk and a synchronous standby? It does for a transaction that has a number and has written to the
-- WAL. Called twice: nextval alone writes for one number in 32.
create function pg_temp.is_waiter(call text) returns boolean language plpgsql as $$
declare
    plan jsonb;
begin
    for i in 1 .. 2 loop
        execute 'explain (analyze, wal, costs off, format json) ' || call into plan;
        if (plan #>> '{0,Plan,WAL Records}')::integer = 0 then
            return false;
        end if;
    end loop;
    return pg_current_xact_id_if_assigned() is not null;
end $$;
