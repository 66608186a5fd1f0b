-- Jobs whose type nobody handles: they end failed, reason no_handler, after the setting no_handler_after (5 minutes). Counted only while
-- a live node serves their queue, and never for a type an outside worker has asked for in the last 24 hours.

-- What a node serves, as its poll says; its own row only, written when it changes.
create table ganger.node_service (
    node_id   bigint primary key references ganger.node on delete cascade,
    queues    text[] not null,
    job_types text[] not null,
    since     timestamptz not null default clock_timestamp()
);
-- What outside workers have asked for; '' = any type. Append-only, and without a unique key: nobody waits for anybody. A type is
-- there once an hour, or a little more often when several ask at once.
create table ganger.outside_claim (
    job_type text not null,
    at       timestamptz not null default clock_timestamp()
);
create index outside_claim_type on ganger.outside_claim (job_type, at);
-- Types with runnable jobs in a queue that is served, and nobody for them. One that is found served is deleted: the count begins anew.
create table ganger.unhandled (
    queue    text not null,
    job_type text not null,
    since    timestamptz not null,
    primary key (queue, job_type)
);
-- How far ganger.seq was when: a job with a smaller one has been runnable for so long. Rows are there only while something is unhandled.
create table ganger.seq_mark (
    at  timestamptz not null,
    seq bigint not null
);

-- Part of a node's poll: notes what it serves.
create function ganger._note_service(node bigint, queues text[], job_types text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
begin
    if not exists (select from ganger.node_service s where s.node_id = node and s.queues = _note_service.queues
                   and s.job_types = _note_service.job_types) then
        insert into ganger.node_service as s (node_id, queues, job_types) values (node, queues, job_types)
        on conflict (node_id) do update
        set queues = excluded.queues, job_types = excluded.job_types, since = excluded.since;
    end if;
end $$;

-- Part of claim(): remembers what an outside worker asks for; null = any.
create function ganger._note_outside_claim(job_types text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off
as $$
begin
    insert into ganger.outside_claim (job_type)
    select w.job_type
    from (select '' as job_type where job_types is null
          union select t from unnest(job_types) t where t <> '' and octet_length(t) <= 255) w
    where not exists (select from ganger.outside_claim o
                      where o.job_type = w.job_type and o.at > clock_timestamp() - interval '1 h');
end $$;

-- Brings ganger.unhandled up to date. Looks at lanes, nodes and what was asked for, never at jobs. A lane that is not visited, as it is
-- empty, does not count; nor does what is paused, or stopped by a limit of 0.
--
-- Whoever began to serve the queue after `since` moves it on: the time before that nobody served it counts for nothing.
create function ganger._find_unhandled(clock timestamptz) returns void
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off
as $$
begin
    with served as materialized (
        select s.queues, s.job_types, s.since
        from ganger.node n join ganger.node_service s on s.node_id = n.id where n.state = 'alive'
    ), lanes as materialized (
        select distinct l.queue, l.job_type from ganger.lane l
        where l.state <> 'idle'
          and not exists (select from ganger.queue q where q.name = l.queue and (q.paused or q.concurrency = 0))
          and not exists (select from ganger.job_type t where t.name = l.job_type and (t.paused or t.concurrency = 0))
    ), types as (
        (select l.job_type from lanes l
         except select t.job_type from served s, unnest(s.job_types) t (job_type))
        except select o.job_type from ganger.outside_claim o where o.at > clock - interval '24 h'
    ), found as materialized (
        select l.queue, l.job_type, q.since
        from lanes l
        join types t on t.job_type = l.job_type
        join (select u.queue, min(s.since) as since from served s, unnest(s.queues) u (queue) group by u.queue) q
          on q.queue = l.queue
        where not exists (select from ganger.outside_claim o where o.job_type = '' and o.at > clock - interval '24 h')
    ), gone as (
        delete from ganger.unhandled u
        where not exists (select from found f where f.queue = u.queue and f.job_type = u.job_type)
    ), moved as (
        update ganger.unhandled u set since = f.since from found f
        where f.queue = u.queue and f.job_type = u.job_type and f.since > u.since
    )
    insert into ganger.unhandled (queue, job_type, since)
    select f.queue, f.job_type, clock from found f
    where not exists (select from ganger.unhandled u where u.queue = f.queue and u.job_type = f.job_type);
    delete from ganger.outside_claim o where o.at < clock - interval '25 h';
end $$;

-- The number every job that has been runnable since `clock` - `patience` lies below or at; null: not known yet. Makes marks for the
-- calls to come, twenty in that time.
create function ganger._mark_seq(clock timestamptz, patience interval) returns bigint
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    old ganger.seq_mark;
begin
    if not exists (select from ganger.seq_mark m where m.at > clock - patience / 20) then
        insert into ganger.seq_mark (at, seq) values (clock, pg_sequence_last_value('ganger.seq'::regclass));
    end if;
    select * into old from ganger.seq_mark m where m.at <= clock - patience order by m.at desc limit 1;
    delete from ganger.seq_mark m where m.at < old.at;
    return old.seq;
end $$;

-- Ends at most `most` jobs of one type in one queue whose seq is at most `newest`. Those somebody's open transaction holds are passed
-- over: next time. Returns how many.
create function ganger._fail_type(queue text, job_type text, newest bigint, message text, most integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    ids bigint[];
    n   integer;
begin
    ids := array(
        select j.id
        from ganger.lane l
        cross join lateral (select x.id from ganger.job x
                            where x.lane_id = l.lane_id and x.seq >= l.frontier and x.seq <= newest and x.status = 'pending'
                            order by x.seq limit most for update skip locked) j
        where l.state <> 'idle' and l.queue = _fail_type.queue and l.job_type = _fail_type.job_type
        limit most);
    n := cardinality(ids);
    if n > 0 then
        perform ganger._finish(ids, array_fill(null::uuid, array[n]), array_fill('failed'::ganger.job_status, array[n]),
            errors => array_fill(message, array[n]), reasons => array_fill('no_handler'::text, array[n]), unheld => true);
    end if;
    return n;
end $$;

-- Ends jobs that have been runnable for no_handler_after, of types that nobody has handled for so long; at most `budget` of them. A job
-- may wait a twentieth longer. No attempt is charged. Returns how many. Null: another session is at it.
create function ganger._fail_unhandled(budget integer default 1000) returns integer
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp as $$
declare
    clock    constant timestamptz := clock_timestamp();
    patience constant interval := ganger._setting('no_handler_after', '5 minutes')::interval;
    newest   bigint;
    kind     record;
    message  text;
    n        integer := 0;
    step     integer;
begin
    -- not two at once: one's new rows would make the other wait
    if not pg_try_advisory_xact_lock(1196312402, -20) then
        return null;
    end if;
    perform ganger._find_unhandled(clock);
    if not exists (select from ganger.unhandled) then
        delete from ganger.seq_mark;
        return 0;
    end if;
    newest := ganger._mark_seq(clock, patience);
    for kind in
        select u.queue, u.job_type, u.since from ganger.unhandled u where u.since <= clock - patience and newest is not null
        order by u.since
    loop
        message := format('no live node has had a handler for job type "%s" for %s', kind.job_type,
                          date_trunc('second', clock - kind.since));
        loop
            step := ganger._fail_type(kind.queue, kind.job_type, newest, message, least(budget - n, 1000));
            n := n + step;
            exit when step < 1000;
        end loop;
        exit when n >= budget;
    end loop;
    return n;
end $$;
