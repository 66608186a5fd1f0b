-- Ending a worker process because somebody wants it gone.

-- Ends a worker of gangerd: its running job is asked to stop, and killed with the process when it has not done so by the end of its
-- kill_grace; it counts as crashed, "its worker was ended by an operator", unless it completes in that time. Jobs it has claimed and not
-- begun go back uncounted. gangerd starts another worker in its place. True: the worker is alive, and its node will hear of this within
-- a poll (about a second); false: it is dead, or there is none of this id. Once more is as good as once. Nobody waits for the caller's
-- transaction: the wish is a row of its own.
-- Errors: 22023 id missing.
create function ganger.kill_worker(id bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    if id is null then
        raise exception 'id is missing' using errcode = '22023', column = 'id';
    end if;
    if not exists (select from ganger.worker w where w.id = kill_worker.id and w.state = 'alive') then
        return false;
    end if;
    if not exists (select from ganger.unwanted_worker u where u.worker_id = kill_worker.id) then
        insert into ganger.unwanted_worker (worker_id) values (kill_worker.id);
        perform pg_notify('ganger', 'kill');
    end if;
    return true;
end $$;
