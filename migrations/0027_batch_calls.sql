-- Batches: what people call. How it is kept is in 0018_batches.sql.

-- What is wrong with on_finish, as 'SQLSTATE message', or null.
create function ganger._on_finish_problem(on_finish jsonb) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    problem text := regexp_replace(ganger._bad_entry(jsonb_build_array(on_finish)), 'jobs\[0\]', 'on_finish');
    ids     bigint[];
begin
    if problem is not null then
        return problem;
    elsif jsonb_typeof(on_finish -> 'metadata') not in ('object', 'null') then
        return E'22023 on_finish: metadata is not an object\nbatch_id and batch_status are added to it.';
    end if;
    ids := (jsonb_populate_record(null::ganger.job_input, on_finish)).depends_on;
    if exists (select from unnest(ids) x where x < 0) then
        return '22023 on_finish: depends_on: there is no earlier entry here';
    end if;
    return regexp_replace(ganger._prerequisite_problem(ids), 'depends_on', 'on_finish: depends_on');
end $$;

-- The same for options, what is said of every item, and input, what create_batch has parameters for.
create function ganger._options_problem(options jsonb, input jsonb) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
declare
    allowed constant text[] := '{queue, priority, timeout, kill_grace, retry_backoff, retry_delay_max, expires_at, tags, group_key, '
                               'dead_letter_job_type, owner, metadata}';
    bad     text;
begin
    if jsonb_typeof(options) is distinct from 'object' then
        return format('22023 options is a JSON %s, not an object', jsonb_typeof(options));
    end if;
    select k into bad from jsonb_object_keys(options) k where k <> all (allowed) limit 1;
    if found then
        return format(E'22023 options: %s cannot be said of the items of a batch\nKeys are %s.', to_json(bad), array_to_string(allowed, ', '));
    end if;
    return coalesce(regexp_replace(ganger._bad_entry(jsonb_build_array(input)), 'jobs\[0\]: ', ''),
                    regexp_replace(ganger._bad_entry(jsonb_build_array(options || input)), 'jobs\[0\]', 'options'));
end $$;

-- The same for items.
create function ganger._items_problem(items jsonb) returns text
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp as $$
begin
    if jsonb_typeof(items) is distinct from 'array' then
        return E'22023 items must be a JSON array\nEach value of it is the payload of one job.';
    elsif octet_length(items::text) <= ganger._payload_max() then
        return null; -- so no single one is too long
    end if;
    return (select regexp_replace(ganger._payload_problem(e.value), 'payload', format('items[%s]', e.ordinality - 1))
            from jsonb_array_elements(items) with ordinality e where ganger._payload_problem(e.value) is not null
            order by e.ordinality limit 1);
end $$;

-- Makes a batch; nothing of it runs before start_batch().
--
--   id            1..255 bytes; null: one is made up
--   job_type      of all items
--   items         a JSON array, each value of it the payload of one item; may be empty
--   concurrency   so many items at a time, 1 or more: an item that has started keeps its place until it has ended
--   max_attempts, retry_delay   as of enqueue(), but without jitter: with the defaults three retries after exactly 2, 4 and 8 s
--   on_finish     one entry of enqueue_many: the job that is enqueued once when all items have ended, however; its metadata get batch_id
--                 and batch_status, its owner is the batch's unless it has one; null: none
--   options       of every item, by enqueue's names: queue, priority, timeout, kill_grace, retry_backoff, retry_delay_max, expires_at,
--                 tags, group_key, dead_letter_job_type, owner, metadata
-- Returns the id. Errors: 22023 bad value, 22003 out of range, 23505 the id is taken, 42704 on_finish depends on a job nobody knows.
create function ganger.create_batch(id text, job_type text, items jsonb, concurrency integer default 3, max_attempts integer default 4,
                                    retry_delay interval default '1 s', on_finish jsonb default null, options jsonb default '{}')
returns text
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    key   constant text := coalesce(create_batch.id, gen_random_uuid()::text);
    input constant jsonb := jsonb_build_object('job_type', job_type, 'max_attempts', coalesce(max_attempts, 4),
                                               'retry_delay', coalesce(retry_delay, interval '1 s'));
    ids   bigint[];
begin
    options := coalesce(options, '{}');
    perform ganger._raise_problem(coalesce(
        ganger._name_problem('id', key),
        ganger._items_problem(items),
        ganger._count_problem('concurrency', concurrency, 1),
        ganger._options_problem(options, input),
        case when jsonb_typeof(on_finish) <> 'null' then ganger._on_finish_problem(on_finish) end));
    insert into ganger.batch as b (id, job_type, concurrency, owner, on_finish)
    values (key, create_batch.job_type, coalesce(create_batch.concurrency, 3), options ->> 'owner',
            nullif(create_batch.on_finish, 'null'))
    on conflict on constraint batch_pkey do nothing;
    if not found then
        raise exception 'there is a batch "%" already', key using errcode = '23505',
            hint = 'Give this one another id, or clear_batch() the old one when it has finished.';
    end if;
    insert into ganger.batch_state (batch_id) values (key);
    ids := array(select ganger._enqueue_all(
        (select coalesce(jsonb_agg(options || input || jsonb_build_object('payload', e.value) order by e.ordinality), '[]')
         from jsonb_array_elements(items) with ordinality e), key));
    update ganger.batch b set total = cardinality(ids), first_id = ids[1] where b.id = key;
    return key;
end $$;

-- Lets a batch that was created start. False: unknown, started before, or cancelled.
create function ganger.start_batch(id text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    total integer;
begin
    update ganger.batch b set started_at = clock_timestamp()
    where b.id = start_batch.id and b.started_at is null and b.cancelled_at is null returning b.total into total;
    if not found then
        perform ganger._wait_at_commit(); -- it may have been started just now
        return false;
    end if;
    perform ganger._tell_batch(id, 'batch_started', jsonb_build_object('total', total));
    perform ganger._signal('batch', id);
    return true;
end $$;

-- Has no further item start, nor one start again; what runs goes on. False: unknown, not running.
create function ganger.pause_batch(id text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.batch b set paused = true
    where b.id = pause_batch.id and not b.paused
      and exists (select from ganger.batches x where x.id = b.id and x.status = 'running');
    if not found then
        return false;
    end if;
    perform ganger._tell_batch(id, 'batch_paused');
    perform ganger._hold_items(array[id]);
    perform ganger._signal('batch', id); -- what is being given a place just now
    return true;
end $$;

-- Goes on after a pause. False: unknown, not paused.
create function ganger.resume_batch(id text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.batch b set paused = false
    where b.id = resume_batch.id and b.paused
      and exists (select from ganger.batches x where x.id = b.id and x.status = 'paused');
    if not found then
        return false;
    end if;
    perform ganger._tell_batch(id, 'batch_resumed');
    perform ganger._signal('batch', id);
    return true;
end $$;

-- Cancels a batch for good: pending items are cancelled when this commits, running ones are stopped as by cancel(). It has
-- finished when the last has stopped. False: unknown, finished, or cancelled before.
create function ganger.cancel_batch(id text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.batch b set cancelled_at = clock_timestamp(), paused = false
    where b.id = cancel_batch.id and b.cancelled_at is null
      and not exists (select from ganger.batches x where x.id = b.id and x.finished_at is not null);
    if not found then
        perform ganger._wait_at_commit();
        return false;
    end if;
    perform ganger._tell_batch(id, 'batch_cancelled');
    perform ganger._withdraw_items(array[id]);
    perform ganger._signal('batch', id); -- what others hold, and its end
    return true;
end $$;

-- Deletes a finished batch with its items and events; the job of on_finish stays. False: unknown, not finished (cancel it first), or one
-- of its items is being retried or runs again. Errors: 55P03 a transaction that has given its places is open for more than a second.
create function ganger.clear_batch(id text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    until  constant timestamptz := clock_timestamp() + interval '1 s';
    known  bigint;
    ended  bigint[];
begin
    if not exists (select from ganger.batches b where b.id = clear_batch.id and b.finished_at is not null) then
        return false;
    end if;
    while not pg_try_advisory_xact_lock(hashtextextended('ganger batch ' || id, 0)) loop
        if clock_timestamp() > until then
            raise exception 'batch "%" cannot be cleared now: another transaction is at it', id using errcode = '55P03',
                hint = 'Nothing was changed. Call again.';
        end if;
        perform pg_sleep(0.01);
    end loop;
    perform ganger._admit_batches(array[id]); -- what its end brings about, if nobody came to that yet
    if not exists (select from ganger.batch_state s where s.batch_id = clear_batch.id and s.finished_at is not null)
       or exists (select from ganger.job j where j.batch_id = clear_batch.id) then
        return false;
    end if;
    select count(*) into known from ganger.history h where h.batch_id = clear_batch.id and not ganger._is_retiring(h.tableoid);
    ended := array(select h.id from ganger.history h where h.batch_id = clear_batch.id and not ganger._is_retiring(h.tableoid)
                   for update skip locked);
    if cardinality(ended) < known then
        return false;
    end if;
    perform ganger._forget(ended);
    perform ganger._drop_batches(array[id]);
    return true;
end $$;

-- A batch, or null: {id, status, total, completed, failed, paused, cancelled, items_cancelled, started_at, finished_at,
-- items: [{id, status, attempts, result, error}]}, items in their order: id and status are the job's, result a completed one's output, error that of one that has
-- failed or is to be retried. Items that retention has deleted are counted, but not among the items any more.
create function ganger.get_batch(id text) returns jsonb
language sql stable security definer
set search_path = pg_catalog, ganger, pg_temp set timezone = 'UTC'
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
    select jsonb_build_object(
        'id', b.id, 'status', b.status, 'total', b.total, 'completed', b.completed, 'failed', b.failed, 'paused', b.paused,
        'cancelled', b.cancelled, 'items_cancelled', b.items_cancelled, 'started_at', b.started_at, 'finished_at', b.finished_at,
        'items', (
            select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'status', i.status, 'attempts', i.attempts, 'result', i.output,
                                                         'error', case when i.status <> 'completed' then i.error end) order by i.id), '[]')
            from (
                select j.id, j.status, j.attempts, null::jsonb as output, j.error from ganger.job j
                where j.batch_id = get_batch.id
                union all
                select h.id, h.status, h.attempts, h.output, h.error from ganger.history h
                where h.batch_id = get_batch.id and h.id >= (select x.first_id from ganger.batch x where x.id = get_batch.id)) i))
    from ganger.batches b where b.id = get_batch.id
$$;

-- How many batches there are: {running, pending, completed, total}. pending: not started; running: started and not finished, paused or
-- not; completed: with errors or without. Cancelled ones are in the total alone.
create function ganger.batch_stats() returns jsonb
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
    select jsonb_build_object('running', count(*) filter (where b.status in ('running', 'paused')),
                              'pending', count(*) filter (where b.status = 'pending'),
                              'completed', count(*) filter (where b.status in ('completed', 'completed_with_errors')),
                              'total', count(*))
    from ganger.batches b
$$;

-- Nothing is for everybody.
