-- Expiry: a job that has not been started by its expires_at ends failed. One that runs then goes on.

create index job_expiry on ganger.job (expires_at) where expires_at is not null;

-- Ends jobs whose expires_at is over, pending for whatever reason or waiting, at most `budget`: failed, failure_reason expired, told as
-- the event expired, no attempt charged. Rows that somebody's open transaction holds are passed over: next time. Returns how many.
create function ganger._expire_jobs(budget integer default 10000) returns integer
language plpgsql volatile
set search_path = pg_catalog, ganger, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
    clock    constant timestamptz := clock_timestamp();
    ids      bigint[];
    messages text[];
    step     integer;
    n        integer := 0;
begin
    loop
        select coalesce(array_agg(x.id), '{}'),
               array_agg(case when x.status = 'waiting' then 'it was still waiting at '
                              when x.started_at is not null then 'it had not been started again by '
                              else 'it had not been started by ' end
                         || to_char(x.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        into ids, messages
        from (select j.id, j.expires_at, j.status, j.started_at from ganger.job j
              where j.expires_at <= clock and j.status in ('pending', 'waiting')
              order by j.expires_at limit least(budget - n, 1000) for update skip locked) x;
        step := cardinality(ids);
        exit when step = 0;
        perform ganger._finish(ids, array_fill(null::uuid, array[step]), array_fill('failed'::ganger.job_status, array[step]),
            errors => messages, reasons => array_fill('expired'::text, array[step]), unheld => true);
        n := n + step;
        exit when n >= budget;
    end loop;
    return n;
end $$;
