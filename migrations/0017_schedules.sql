-- Schedules: at the ticks of a cron expression a job is enqueued, once for each tick with any number of nodes.

create table ganger.schedule (
    id         bigint generated always as identity primary key,
    name       text not null unique,
    cron       text not null,
    timezone   text not null,
    job_type   text not null,
    payload    jsonb not null,
    overlap    text not null,                          -- allow, skip, queue_one, cancel_running
    catch_up   text not null,                          -- none, last, all
    options    jsonb not null,                         -- enqueue's other parameters
    paused     boolean not null default false,
    next_at    timestamptz,                            -- when the duty looks at it; null: paused
    tick_at    timestamptz,                            -- the tick it looks for then, if that is another instant (one that was put off);
                                                       -- infinity: there is none, the next has to be found out
    last_error text,
    created_at timestamptz not null default statement_timestamp(),
    updated_at timestamptz not null default statement_timestamp() -- of the same instant until it is edited
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index schedule_next on ganger.schedule (next_at) where next_at is not null;

-- The last job of each schedule; of several rows the newest counts. Apart, as run_schedule() in somebody's open transaction must not
-- hold what the duty needs: whoever adds a row deletes those that are free.
create table ganger.schedule_run (
    id          bigint generated always as identity primary key,
    schedule_id bigint not null,
    job_id      bigint not null,
    at          timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index schedule_run_schedule on ganger.schedule_run (schedule_id);

-- Jobs that cancel_running has met locked by somebody's open transaction: cancelled as soon as they are free.
create table ganger.schedule_cancel (
    job_id bigint not null
);

create view ganger.schedules with (security_barrier) as
select s.name, s.cron, s.job_type, s.payload, s.timezone, s.overlap, s.catch_up, s.options, s.paused,
       nullif(coalesce(s.tick_at, s.next_at), 'infinity') as next_run_at, r.at as last_run_at, r.job_id as last_job_id, s.last_error,
       s.created_at, s.updated_at, s.id
from ganger.schedule s
left join lateral (select x.at, x.job_id from ganger.schedule_run x where x.schedule_id = s.id order by x.id desc limit 1) r on true;

-- The job a tick makes, in its JSON form.
create function ganger._schedule_entry(s ganger.schedule) returns jsonb language sql immutable parallel safe as $$
    select s.options || jsonb_build_object('job_type', s.job_type, 'payload', s.payload)
$$;

-- What is wrong with the options of a schedule, as 'SQLSTATE message'; null: nothing.
create function ganger._options_problem(s ganger.schedule) returns text language plpgsql stable as $$
declare
    known constant text[] := array(select a.attname::text from pg_attribute a
        where a.attrelid = 'ganger.job_input'::regclass and a.attnum > 0
          and a.attname not in ('job_type', 'payload', 'run_at', 'idempotency_key') order by a.attnum);
    entry constant jsonb := ganger._schedule_entry(s);
    bad   text;
    input ganger.job_input;
begin
    select k into bad from jsonb_object_keys(s.options) k where k <> all (known) limit 1;
    if bad in ('job_type', 'payload') then
        return format(E'22023 "%s" cannot be given\nIt is a parameter of its own.', bad);
    elsif bad in ('run_at', 'idempotency_key') then
        return format(E'22023 "%s" cannot be given\nThe schedule says when; each of its ticks makes one job.', bad);
    elsif bad is not null then
        return format(E'22023 unknown key %s\nKeys are %s.', to_json(bad), array_to_string(known, ', '));
    end if;
    begin
        input := jsonb_populate_record(null::ganger.job_input, entry);
    exception when data_exception or datatype_mismatch then
        return format('%s %s%s', case when sqlstate in ('22003', '22008', '22015') then '22003' else '22023' end,
                      ganger._blame_key(s.options), replace(sqlerrm, E'\n', ' '));
    end;
    return coalesce(ganger._json_misfit(s.options), ganger._input_problem(input), case when exists (
        select from unnest(input.depends_on) d where d < 0) then '22023 depends_on has a negative number: there is no such job' end);
end $$;

-- Raises what is wrong with a schedule that is to be written.
create function ganger._check_schedule(s ganger.schedule) returns void language plpgsql stable as $$
declare
    job ganger.job_input;
begin
    job.job_type := s.job_type;
    job.payload := s.payload;
    perform ganger._raise_problem(case when s.name is null then E'22023 name is missing\nA schedule is known by its name.'
                                       else ganger._name_problem('name', s.name) end);
    perform ganger._cron_plan(s.cron);
    perform ganger._raise_problem(coalesce(ganger._zone_problem(s.timezone), ganger._input_problem(job),
        case when s.overlap not in ('allow', 'skip', 'queue_one', 'cancel_running')
             then format(E'22023 overlap: there is no way "%s"\nThey are allow, skip, queue_one, cancel_running.', s.overlap)
             when s.catch_up not in ('none', 'last', 'all')
             then format(E'22023 catch_up: there is no way "%s"\nThey are none, last, all.', s.catch_up)
             when jsonb_typeof(s.options) <> 'object'
             then format(E'22023 options is a JSON %s, not an object\nFor example {"queue": "reports", "priority": 5}.',
                         jsonb_typeof(s.options)) end));
    perform ganger._raise_problem(ganger._options_problem(s), 'options: ');
end $$;

create function ganger._schedule_next(s ganger.schedule, after timestamptz) returns timestamptz language sql stable as $$
    select ganger._cron_next(ganger._cron_plan(s.cron), s.timezone, after)
$$;

-- Creates a schedule and returns its id. The first tick is the first after now. A null argument means its default.
--
--   name      1..255 bytes, unique
--   cron      see next_cron()
--   job_type, payload, options   the job of each tick; options: an object of enqueue's other parameters by name, but run_at and
--             idempotency_key
--   timezone  a full name that PostgreSQL knows
--   overlap   when a tick comes and an earlier job of this schedule is not over (running, or waiting for whatever it may be):
--             skip: no job; allow: one more; queue_one: one more, unless one that has not started waits already;
--             cancel_running: the live ones are cancelled, and one more
--   catch_up  for ticks that nobody was there for: none: a tick more than 60 s late is dropped, and so is one when a later one is
--             due; last: one job for all of them; all: one for each
-- Errors: 23505 the name is taken; 22023 a bad value, an expression that never fires; what enqueue raises for the job.
create function ganger.create_schedule(
    name text, cron text, job_type text, payload jsonb default '{}', timezone text default 'UTC', overlap text default 'skip',
    catch_up text default 'none', options jsonb default '{}')
returns bigint language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    s ganger.schedule;
begin
    s.name := create_schedule.name;
    s.cron := create_schedule.cron;
    s.job_type := create_schedule.job_type;
    s.payload := coalesce(create_schedule.payload, '{}');
    s.timezone := coalesce(create_schedule.timezone, 'UTC');
    s.overlap := coalesce(create_schedule.overlap, 'skip');
    s.catch_up := coalesce(create_schedule.catch_up, 'none');
    s.options := coalesce(create_schedule.options, '{}');
    perform ganger._check_schedule(s);
    s.next_at := ganger._schedule_next(s, clock_timestamp());
    insert into ganger.schedule as x (name, cron, timezone, job_type, payload, overlap, catch_up, options, next_at)
    values (s.name, s.cron, s.timezone, s.job_type, s.payload, s.overlap, s.catch_up, s.options, s.next_at)
    on conflict do nothing returning x.id into s.id;
    if not found then
        raise exception 'there is a schedule "%" already', s.name using errcode = '23505',
            hint = 'Change it with edit_schedule(), or take another name.';
    end if;
    perform ganger._notify_due(s.next_at);
    return s.id;
end $$;

-- `was` with the changes that edit_schedule takes; a null is the default. Raises for what is none.
create function ganger._edited_schedule(was ganger.schedule, changes jsonb) returns ganger.schedule language plpgsql stable as $$
declare
    s   ganger.schedule := was;
    bad text;
begin
    select k into bad from jsonb_object_keys(changes) k
    where k not in ('cron', 'timezone', 'job_type', 'payload', 'overlap', 'catch_up', 'options') limit 1;
    if found then
        raise exception 'changes: "%" cannot be edited', bad using errcode = '22023',
            hint = 'Keys are cron, timezone, job_type, payload, overlap, catch_up, options.';
    end if;
    select format('22023 changes: %s is a JSON %s, not a string', e.key, jsonb_typeof(e.value)) into bad from jsonb_each(changes) e
    where e.key not in ('payload', 'options') and jsonb_typeof(e.value) not in ('string', 'null') limit 1;
    perform ganger._raise_problem(bad);
    if changes ? 'cron' then s.cron := changes ->> 'cron'; end if;
    if changes ? 'job_type' then s.job_type := changes ->> 'job_type'; end if;
    if changes ? 'timezone' then s.timezone := coalesce(changes ->> 'timezone', 'UTC'); end if;
    if changes ? 'overlap' then s.overlap := coalesce(changes ->> 'overlap', 'skip'); end if;
    if changes ? 'catch_up' then s.catch_up := coalesce(changes ->> 'catch_up', 'none'); end if;
    if changes ? 'payload' then s.payload := coalesce(nullif(changes -> 'payload', 'null'), '{}'); end if;
    if changes ? 'options' then s.options := coalesce(nullif(changes -> 'options', 'null'), '{}'); end if;
    return s;
end $$;

-- Changes a schedule: cron, timezone, job_type, payload, overlap, catch_up, options (all of them: they are not merged); with the meaning
-- they have in create_schedule(), a null is the default. Another cron or timezone: the next tick is the first after now. Jobs that exist
-- stay as they are. All or nothing. False: there is no such schedule. Errors: 22023 unknown key or bad value, and as create_schedule.
create function ganger.edit_schedule(name text, changes jsonb) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    was ganger.schedule;
    s   ganger.schedule;
begin
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'changes must be a JSON object' using errcode = '22023', hint = 'For example {"cron": "0 4 * * *"}.';
    end if;
    select * into was from ganger.schedule x where x.name = edit_schedule.name for update;
    if not found then
        return false;
    end if;
    s := ganger._edited_schedule(was, changes);
    if s = was then
        return true;
    end if;
    perform ganger._check_schedule(s);
    if not s.paused and (s.cron <> was.cron or s.timezone <> was.timezone) then
        s.next_at := ganger._schedule_next(s, clock_timestamp());
        s.tick_at := null;
    end if;
    update ganger.schedule x
    set cron = s.cron, timezone = s.timezone, job_type = s.job_type, payload = s.payload, overlap = s.overlap, catch_up = s.catch_up,
        options = s.options, next_at = s.next_at, tick_at = s.tick_at, updated_at = clock_timestamp(),
        last_error = case when s.tick_at = 'infinity' then x.last_error end
    where x.id = s.id;
    perform ganger._notify_due(s.next_at);
    return true;
end $$;

-- Stops a schedule from making jobs; those it has made go on. Ticks until resume_schedule() are not missed: they never were.
-- False: there is no such schedule.
create function ganger.pause_schedule(name text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.schedule x set paused = true, next_at = null, tick_at = null, updated_at = clock_timestamp()
    where x.name = pause_schedule.name;
    return found;
end $$;

-- Lets a paused schedule go on, with the first tick after now. False: there is no such schedule.
create function ganger.resume_schedule(name text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    s ganger.schedule;
begin
    select * into s from ganger.schedule x where x.name = resume_schedule.name for update;
    if not found then
        return false;
    elsif s.paused then
        perform ganger._raise_problem(ganger._zone_problem(s.timezone));
        s.next_at := ganger._schedule_next(s, clock_timestamp());
        update ganger.schedule x set paused = false, next_at = s.next_at, updated_at = clock_timestamp() where x.id = s.id;
        perform ganger._notify_due(s.next_at);
    end if;
    return true;
end $$;

-- Deletes a schedule; the jobs it has made stay. False: there is no such schedule.
create function ganger.delete_schedule(name text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    delete from ganger.schedule x where x.name = delete_schedule.name;
    if not found then
        return false;
    end if;
    -- also what run_schedule() has written while its schedule was deleted
    delete from ganger.schedule_run r where r.id = any (array(
        select x.id from ganger.schedule_run x
        where not exists (select from ganger.schedule s where s.id = x.schedule_id) for update skip locked));
    return true;
end $$;

-- Makes the schedule's job and writes down that it has. Takes no lock on the schedule.
create function ganger._schedule_job(s ganger.schedule) returns bigint language plpgsql volatile as $$
declare
    job bigint;
begin
    select ganger.enqueue(i.job_type, s.payload, i.queue, i.priority, null, i.max_attempts, i.timeout, i.kill_grace, i.retry_delay,
        i.retry_backoff, i.retry_delay_max, i.expires_at, i.tags, null, i.unique_key, i.unique_for, i.on_conflict, i.group_key,
        i.depends_on, i.depends_on_tags, i.dead_letter_job_type, i.owner, i.metadata)
    into job from jsonb_populate_record(null::ganger.job_input, ganger._schedule_entry(s)) i;
    -- the id may be that of a job that was there before (a unique key): that one is not this schedule's, and may be locked
    update ganger.job j set schedule_id = s.id
    where j.id = (select x.id from ganger.job x
                  where x.id = job and x.created_at = now() and x.schedule_id is null for update skip locked);
    delete from ganger.schedule_run r where r.id = any (array(
        select x.id from ganger.schedule_run x where x.schedule_id = s.id for update skip locked));
    insert into ganger.schedule_run (schedule_id, job_id) values (s.id, job);
    return job;
end $$;

-- Enqueues the job of a schedule now, also when it is paused or an earlier job is not over; its ticks go on as they would. Returns the
-- job's id. Errors: 42704 there is no such schedule; what enqueue raises.
create function ganger.run_schedule(name text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    s ganger.schedule;
begin
    select * into s from ganger.schedule x where x.name = run_schedule.name;
    if not found then
        raise exception 'there is no schedule "%"', run_schedule.name using errcode = '42704',
            hint = 'The view ganger.schedules lists them.';
    end if;
    return ganger._schedule_job(s);
end $$;

-- The jobs of schedules, in the words of the index job_batch: none is an item of a batch.
create view ganger._of_schedules as
select j.* from ganger.job j where j.batch_id is null and j.pending_reason is distinct from 'batch' and j.schedule_id is not null;

-- Cancels the live jobs of a schedule; those that somebody's open transaction holds, later.
create function ganger._cancel_schedule_jobs(schedule bigint) returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    free constant bigint[] := array(select j.id from ganger._of_schedules j where j.schedule_id = schedule and j.cancel_requested is not true
                                    order by j.id + 0 for update skip locked);
begin
    perform ganger.cancel(x) from unnest(free) x;
    insert into ganger.schedule_cancel (job_id)
    select j.id from ganger._of_schedules j
    where j.schedule_id = schedule and j.cancel_requested is not true and j.id <> all (free)
      and not exists (select from ganger.schedule_cancel c where c.job_id = j.id);
end $$;

-- Cancels what was held then, and is free now.
create function ganger._cancel_late() returns void
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    job bigint;
begin
    for job in select c.job_id from ganger.schedule_cancel c order by c.job_id for update skip locked loop
        perform from ganger.job j where j.id = job for update skip locked;
        if found then
            perform ganger.cancel(job);
        else
            continue when exists (select from ganger.job j where j.id = job);
        end if;
        delete from ganger.schedule_cancel c where c.job_id = job;
    end loop;
end $$;

-- Whether a tick makes a job, as the schedule's overlap has it.
create function ganger._may_overlap(s ganger.schedule) returns boolean
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
begin
    case s.overlap
    when 'skip' then
        return not exists (select from ganger._of_schedules j where j.schedule_id = s.id);
    when 'queue_one' then
        return not exists (select from ganger._of_schedules j where j.schedule_id = s.id and j.status = 'pending' and j.attempts = 0);
    when 'cancel_running' then
        perform ganger._cancel_schedule_jobs(s.id);
        return true;
    else
        return true;
    end case;
end $$;

-- What is due of one schedule, whose row the caller has locked: makes its jobs and gives it its next tick. more: not all could be made
-- at once.
create function ganger._run_schedule(s ganger.schedule, clock timestamptz, out made integer, out more boolean)
language plpgsql volatile as $$
declare
    most constant integer := 100;
    plan constant ganger.cron_plan := ganger._cron_plan(s.cron);
    tick timestamptz := coalesce(s.tick_at, s.next_at);
    ticks integer := 0;
begin
    made := 0;
    if tick = 'infinity' then
        tick := ganger._cron_next(plan, s.timezone, clock);
    elsif s.catch_up = 'all' then
        while tick <= clock and ticks < most loop
            ticks := ticks + 1;
            tick := ganger._cron_next(plan, s.timezone, tick);
        end loop;
    else
        if s.catch_up = 'none' and tick < clock - interval '60 s' then
            tick := ganger._cron_next(plan, s.timezone, clock - interval '60 s 1 us');
        end if;
        if tick <= clock then
            ticks := 1; -- for all that are due
            tick := ganger._cron_next(plan, s.timezone, clock);
        end if;
    end if;
    more := tick <= clock;
    for i in 1 .. ticks loop
        if ganger._may_overlap(s) then
            perform ganger._schedule_job(s);
            made := made + 1;
        end if;
    end loop;
    update ganger.schedule x
    set next_at = tick, tick_at = null, last_error = case when made = 0 and s.tick_at is distinct from 'infinity' then x.last_error end
    where x.id = s.id;
end $$;

-- A schedule whose tick has failed: says why, and gives it its next one. Where that cannot be found out, as its zone is gone, it is tried
-- again every few minutes.
create function ganger._schedule_failed(s ganger.schedule, clock timestamptz, message text) returns void
language plpgsql volatile as $$
declare
    next timestamptz;
begin
    begin
        next := ganger._schedule_next(s, clock);
    exception when others then
        next := null;
    end;
    update ganger.schedule x
    set last_error = left(message, 2000), next_at = coalesce(next, clock + interval '5 min'),
        tick_at = case when next is null then 'infinity'::timestamptz end
    where x.id = s.id;
end $$;

-- The duty: makes the jobs of all ticks that are due. A tick and its job are one transaction, and the lock on the schedule's row makes
-- it one job. Waits for nobody: a schedule that somebody changes in an open transaction is passed over, and one whose job has to wait
-- (for an equal unique key) is put off. What goes wrong with one is written to its last_error and is no concern of the others.
-- scheduled: how many jobs; next_at: when the next tick is (null: none); not in the future when there was more than one pass does.
create function ganger._run_schedules(out scheduled integer, out next_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, ganger, pg_temp set lock_timeout = '100ms'
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
    most   constant integer := 500;
    budget constant interval := '250 ms'; -- whoever calls this has other things to do; the rest is next, at once
    clock  constant timestamptz := clock_timestamp();
    s      ganger.schedule;
    done   record;
    seen   integer := 0;
    more   boolean := false;
begin
    scheduled := 0;
    if exists (select from ganger.schedule_cancel) then
        perform ganger._cancel_late();
    end if;
    for s in
        select * from ganger.schedule x where x.next_at <= clock order by x.next_at limit most + 1 for update skip locked
    loop
        if seen = most or clock_timestamp() > clock + budget then
            more := true;
            exit;
        end if;
        seen := seen + 1;
        begin
            select * into done from ganger._run_schedule(s, clock);
            scheduled := scheduled + done.made;
            more := more or done.more;
        exception
            when lock_not_available or transaction_rollback or insufficient_resources then
                update ganger.schedule x set next_at = clock_timestamp() + interval '1 s', tick_at = coalesce(s.tick_at, s.next_at)
                where x.id = s.id;
            when others then
                perform ganger._schedule_failed(s, clock, sqlerrm);
        end;
    end loop;
    if more then
        next_at := clock;
    else
        select x.next_at into next_at from ganger.schedule x where x.next_at > clock order by x.next_at limit 1;
    end if;
end $$;
