-- What a configuration file says of schedules and queues, brought into the database by the node that has read it.

-- What came from a file. What is not here was made in SQL and is nobody's but its maker's.
create table ganger.configured (
    kind text not null,                                -- schedule, queue
    name text not null,
    node text not null,                                -- the node whose file brought it
    id   bigint,                                       -- of a schedule: one made anew in SQL is another
    primary key (kind, name)
);

-- Makes a schedule be what `spec` says: an object of create_schedule's parameters, without name. A pause is not its business. Returns
-- what it took: created, changed, or null when nothing was to be done. Errors: as create_schedule and edit_schedule.
create function ganger._apply_schedule(node text, name text, spec jsonb) returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    was     record;
    wanted  constant jsonb := '{"payload": {}, "timezone": "UTC", "overlap": "skip", "catch_up": "none", "options": {}}'::jsonb || spec;
    changes jsonb;
    action  text;
begin
    select s.id, jsonb_build_object('cron', s.cron, 'job_type', s.job_type, 'payload', s.payload, 'timezone', s.timezone,
                                    'overlap', s.overlap, 'catch_up', s.catch_up, 'options', s.options) as spec
    into was from ganger.schedules s where s.name = _apply_schedule.name;
    if not found then
        was.id := ganger.create_schedule(name, wanted ->> 'cron', wanted ->> 'job_type', wanted -> 'payload', wanted ->> 'timezone',
                                         wanted ->> 'overlap', wanted ->> 'catch_up', wanted -> 'options');
        action := 'created';
    else
        select jsonb_object_agg(w.key, w.value) into changes from jsonb_each(wanted) w
        where w.value is distinct from was.spec -> w.key;
        if changes is not null then
            perform ganger.edit_schedule(name, changes);
            action := 'changed';
        end if;
    end if;
    insert into ganger.configured as c (kind, name, node, id) values ('schedule', _apply_schedule.name, _apply_schedule.node, was.id)
    on conflict on constraint configured_pkey do update set node = excluded.node, id = excluded.id where c.id <> excluded.id;
    return action;
end $$;

-- The same of a queue: an object of set_queue's parameters; what is missing is no limit.
create function ganger._apply_queue(node text, name text, spec jsonb) returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    w record;
    q record;
begin
    select * into w from jsonb_to_record(spec)
        x (concurrency integer, group_concurrency integer, rate integer, rate_period interval, retention interval);
    if w.rate is null then
        w.rate_period := null;
    end if;
    select x.concurrency, x.group_concurrency, x.rate, x.rate_period, x.retention into q
    from ganger.queue x where x.name = _apply_queue.name;
    insert into ganger.configured (kind, name, node) values ('queue', _apply_queue.name, _apply_queue.node) on conflict do nothing;
    if (q.concurrency, q.group_concurrency, q.rate, q.rate_period, q.retention)
       is not distinct from (w.concurrency, w.group_concurrency, w.rate, w.rate_period, w.retention) then
        return null;
    end if;
    perform ganger.set_queue(name, w.concurrency, w.group_concurrency, w.rate, w.rate_period, w.retention);
    return 'changed';
end $$;

-- Takes back what came from a file and stands there no longer. Returns deleted (a schedule), lifted (the limits of a queue), or null:
-- an operator was quicker.
create function ganger._withdraw(kind text, name text) returns text
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    c ganger.configured;
    action text;
begin
    delete from ganger.configured x where x.kind = _withdraw.kind and x.name = _withdraw.name returning * into c;
    if c.kind = 'queue' then
        perform ganger.set_queue(name, null, null, null, null, null);
        action := 'lifted';
    elsif exists (select from ganger.schedules s where s.id = c.id and s.name = c.name) then
        perform ganger.delete_schedule(name);
        action := 'deleted';
    end if;
    return action;
end $$;

-- Brings one section of the file of `node` into the database.
--
--   kind    schedule or queue
--   wanted  an object of objects by name: all that came from files shall be these; null: the file has no such section, and what this
--           node brought is withdrawn
-- Returns a row for each that was not as it should be: action is created, changed, deleted, lifted; refused, with the error, where
-- PostgreSQL does not take it (it stays as it was, the others are applied); busy where somebody's open transaction holds it, or another
-- node is at it (name null): call again.
create function ganger._apply_configured(kind text, node text, wanted jsonb)
returns table (name text, action text, error text)
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms' as $$
declare
    item record;
    hint text;
begin
    if not pg_try_advisory_xact_lock(1196312402, -24) then
        action := 'busy';
        return next;
        return;
    end if;
    for item in
        select w.key as name, w.value as spec, true as is_wanted from jsonb_each(wanted) w
        union all
        select c.name, null, false from ganger.configured c
        where c.kind = _apply_configured.kind and case when wanted is null then c.node = _apply_configured.node else not wanted ? c.name end
        order by 3, 1
    loop
        name := item.name;
        error := null;
        begin
            action := case when not item.is_wanted then ganger._withdraw(kind, name)
                           when kind = 'queue' then ganger._apply_queue(node, name, item.spec)
                           else ganger._apply_schedule(node, name, item.spec) end;
        exception
            when lock_not_available then
                action := 'busy';
            when others then
                get stacked diagnostics error = message_text, hint = pg_exception_hint;
                error := error || coalesce(nullif(' (' || hint || ')', ' ()'), '');
                action := 'refused';
        end;
        if action is not null then
            return next;
        end if;
    end loop;
end $$;
