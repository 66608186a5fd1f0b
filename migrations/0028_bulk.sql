-- Many jobs at once: cancel_jobs, retry_jobs, edit_jobs, delete_jobs. And redrive: a dead letter's original once more.
--
-- Each looks for the jobs of its filter once, when it is called. Rows that somebody's open transaction holds are not waited for with the
-- others in hand, as two such calls could wait for each other: they are tried again for a second, then left, and a warning says so.

-- A filter that must be there: all jobs is '{}', and has to be said. Errors: 22023.
create function ganger._require_filter(filter jsonb) returns void language plpgsql stable as $$
begin
    if filter is null or filter = 'null' then
        raise exception 'filter is missing' using errcode = '22023', column = 'filter',
            hint = 'For example {"status": "pending", "job_type": "mail"}; {} means all jobs.';
    end if;
    perform ganger._filter_sql(filter, null);
end $$;

-- The live jobs of a filter that are in one of these states, by id.
create function ganger._live_ids(filter jsonb, states ganger.job_status[]) returns bigint[]
language plpgsql stable set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    ids bigint[];
begin
    execute 'select coalesce(array_agg(j.id order by j.id), ''{}'') from ganger.job j where j.status = any ($1) and '
            || ganger._filter_sql(filter, 'job') into ids using states;
    return ids;
end $$;

-- Locks those of `ids` that are still there, still match, and that nobody else holds.
create function ganger._lock_live(ids bigint[], filter jsonb, states ganger.job_status[]) returns bigint[]
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    locked bigint[];
begin
    execute 'select coalesce(array_agg(x.id), ''{}'') from (select j.id from ganger.job j where j.id = any ($1) and j.status = any ($2) and '
            || ganger._filter_sql(filter, 'job') || ' order by j.id for update skip locked) x' into locked using ids, states;
    return locked;
end $$;

-- Of what was to be changed, what still is to be, but for `done`. Waits a moment; after `until` it says that this is left.
create function ganger._left_over(ids bigint[], done bigint[], filter jsonb, states ganger.job_status[], until timestamptz)
returns bigint[]
language plpgsql volatile set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    rest bigint[];
begin
    rest := array(select unnest(ids) except select unnest(done));
    if cardinality(rest) > 0 then
        execute 'select coalesce(array_agg(j.id), ''{}'') from ganger.job j where j.id = any ($1) and j.status = any ($2) and '
                || ganger._filter_sql(filter, 'job') into rest using rest, states;
    end if;
    if cardinality(rest) > 0 then
        if clock_timestamp() >= until then
            raise warning '% jobs were left as they are: other transactions hold them', cardinality(rest)
                using detail = format('The first one is job %s.', (select min(x) from unnest(rest) x)), hint = 'Call again later.';
            return '{}';
        end if;
        perform pg_sleep(0.01);
    end if;
    return rest;
end $$;

-- Cancels all live jobs of a filter (see list_jobs) as cancel() does, with everything that waits for them: pending and waiting ones
-- when this commits, running ones are asked to stop. Returns how many of the filter's jobs that were; the cascade is not counted. Those
-- that somebody's open transaction holds for more than a second are left as they are, with a warning.
-- Errors: those of the filter; 22023 filter null. {} is all jobs.
create function ganger.cancel_jobs(filter jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off as $$
declare
    states constant ganger.job_status[] := '{pending, waiting, processing}';
    until  constant timestamptz := clock_timestamp() + interval '1 s';
    rest   bigint[];
    locked bigint[];
    asked  bigint[];
    ended  bigint[];
    total  bigint := 0;
begin
    perform ganger._require_filter(filter);
    rest := ganger._live_ids(filter, states);
    while cardinality(rest) > 0 loop
        locked := ganger._lock_live(rest, filter, states);
        asked := array(select j.id from ganger.job j where j.id = any (locked) and j.status = 'processing');
        if cardinality(asked) > 0 then
            update ganger.job j set cancel_requested = true where j.id = any (asked) and j.cancel_requested is not true;
            perform pg_notify('ganger', 'cancel');
        end if;
        ended := '{}';
        if cardinality(asked) < cardinality(locked) then
            -- all in one statement: what one's end means for another of them is nothing any more
            ended := array(select unnest(locked) except select unnest(asked) order by 1);
            ended := ganger._finish(ended, array_fill(null::uuid, array[cardinality(ended)]),
                array_fill('cancelled'::ganger.job_status, array[cardinality(ended)]), unheld => true);
        end if;
        total := total + cardinality(asked) + cardinality(ended);
        rest := ganger._left_over(rest, locked, filter, states, until);
    end loop;
    return total;
end $$;

-- Runs all failed and cancelled jobs of a filter (see list_jobs) again, as retry() does; prerequisites among them come before those
-- that wait for them. Returns how many. Those that another transaction is just retrying or deleting are left to it.
-- Errors: those of the filter; 22023 filter null. {} is all jobs.
create function ganger.retry_jobs(filter jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    ids bigint[];
begin
    perform ganger._require_filter(filter);
    execute 'select coalesce(array_agg(x.id order by x.id), ''{}'') from (select j.id from ganger.history j where j.status in (''failed'', ''cancelled'')'
            || ' and not ganger._is_retiring(j.tableoid) and ' || ganger._filter_sql(filter, 'history') || ' for update skip locked) x' into ids;
    return ganger._retry(ids);
end $$;

-- Changes all pending jobs of a filter (see list_jobs) as edit() does, each with its event `edited`. Returns how many there were,
-- whether or not they were so already. All or nothing; but those that somebody's open transaction holds for more than a second are
-- left as they are, with a warning. Errors: those of edit() and of the filter; 22023 filter null. {} is all pending jobs.
create function ganger.edit_jobs(filter jsonb, changes jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    states constant ganger.job_status[] := '{pending}';
    until  constant timestamptz := clock_timestamp() + interval '1 s';
    rest   bigint[];
    locked bigint[];
    total  bigint := 0;
begin
    perform ganger._require_filter(filter);
    perform ganger._check_changes(changes);
    rest := ganger._live_ids(filter, states);
    while cardinality(rest) > 0 loop
        locked := ganger._lock_live(rest, filter, states);
        perform ganger._edit_locked(locked, changes);
        total := total + cardinality(locked);
        -- one that does not match any more was changed, or is another's business
        rest := ganger._left_over(rest, locked, filter, states, until);
    end loop;
    return total;
end $$;

-- Deletes all jobs of a filter (see list_jobs) that have ended when it is called. Returns how many. Those that another transaction is at are left.
-- Errors: those of the filter; 22023 filter null. {} is all ended jobs.
create function ganger.delete_jobs(filter jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off as $$
declare
    mark  constant bigint := pg_sequence_last_value('ganger.seq'::regclass); -- what ends from now on has a higher finish_id
    ids   bigint[];
    n     bigint;
    total bigint := 0;
begin
    perform ganger._require_filter(filter);
    loop
        execute 'select array(select j.id from ganger.history j where ' || ganger._filter_sql(filter, 'history') || ganger._visible_sql()
                || ' and j.finish_id <= $1 and not ganger._is_retiring(j.tableoid) limit 10000 for update skip locked)' into ids using mark;
        n := ganger._forget(ids);
        total := total + n;
        exit when n = 0;
    end loop;
    return total;
end $$;

-- Enqueues what a dead letter stands for once more: a new job of its original type and payload (as the letter's payload says, so that one
-- that was mended with edit() counts), in the original's queue, and with its priority, max_attempts, timeout, kill_grace, retry rule,
-- tags, group, owner, dead_letter_job_type and metadata while that job is known; else in the letter's queue and for its owner. Keys,
-- dependencies, expiry and batch are not taken over. `id`: the letter, live or ended; it stays as it is: cancel it when nobody
-- shall handle it any more. Returns the new job's id; the event `redriven` stands at both.
-- Errors: 22023 not a dead letter, 42704 unknown job.
create function ganger.redrive(id bigint) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp set jit = off set enable_seqscan = off as $$
declare
    letter record;
    was    record;
    copy   jsonb;
    job    bigint;
begin
    select j.id, j.dead_letter_of, j.payload, j.queue, j.owner into letter from ganger.job j where j.id = redrive.id;
    if not found then
        select h.id, h.dead_letter_of, h.payload, h.queue, h.owner into letter from ganger.history h where h.id = redrive.id;
        if not found then
            raise exception 'there is no job %', coalesce(id::text, 'null') using errcode = '42704';
        end if;
    end if;
    if letter.dead_letter_of is null or jsonb_typeof(letter.payload #> '{original_job,job_type}') is distinct from 'string'
       or letter.payload -> 'original_payload' is null then
        raise exception 'job % is not a dead letter', id using errcode = '22023',
            hint = 'A dead letter is what a failed job with a dead_letter_job_type leaves; ganger.retry(id) runs a failed job itself again.';
    end if;
    copy := jsonb_build_object('job_type', letter.payload #>> '{original_job,job_type}');
    select x.* into was from ganger._jobs x where x.id = letter.dead_letter_of;
    if found then
        copy := copy || jsonb_build_object('queue', was.queue, 'priority', was.priority, 'max_attempts', least(was.max_attempts, 1000),
            'timeout', was.timeout, 'kill_grace', was.kill_grace, 'retry_delay', was.retry_delay, 'retry_backoff', was.retry_backoff,
            'retry_delay_max', was.retry_delay_max, 'tags', was.tags, 'group_key', was.group_key,
            'dead_letter_job_type', was.dead_letter_job_type, 'owner', was.owner, 'metadata', was.metadata);
    else
        copy := copy || jsonb_build_object('queue', letter.queue, 'owner', letter.owner);
    end if;
    job := ganger._enqueue_all(jsonb_build_array(jsonb_strip_nulls(copy)), null);
    -- as it was, even if payload_max has become less
    update ganger.job j set payload = letter.payload -> 'original_payload', metadata = case when was.id is not null then was.metadata end
    where j.id = job;
    insert into ganger.event (id, job_id, event, data)
    select s.seq, s.job_id, 'redriven',
           jsonb_build_object('job_id', job, 'dead_letter_job_id', letter.id, 'original_job_id', letter.dead_letter_of)
    from unnest(ganger._take_seqs(2), array[letter.id, job]) s (seq, job_id);
    return job;
end $$;
