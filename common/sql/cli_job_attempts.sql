-- The newest 20 attempts of one job, oldest first.
-- $1 job id. Columns: as shown; reason: what ended the job for good; log: tail of the handler's output; total: how many there are.
select
    a.attempt,
    a.outcome::text as outcome,
    a.signal,
    a.exit_code,
    to_char(a.started_at at time zone 'UTC', 'HH24:MI:SS.MS"Z"') as started,
    (extract(epoch from coalesce(a.finished_at, clock_timestamp()) - a.started_at) * 1000)::bigint as took_ms,
    (extract(epoch from a.cpu_time) * 1000)::bigint as cpu_ms,
    replace(pg_size_pretty(a.max_rss::bigint), ' bytes', ' B') as memory,
    a.node::text as node,
    a.worker::text as worker,
    a.pid,
    a.error,
    a.log,
    a.total
from (
    select
        x.*,
        count(*) over () as total
    from ganger.attempts as x
    where x.job_id = $1::bigint
    order by coalesce(x.started_at, x.finished_at) desc
    limit 20
) as a
order by coalesce(a.started_at, a.finished_at);
