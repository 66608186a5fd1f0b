-- Counts by status, what ended lately, and how long jobs take. $1 job_type, null = all.
-- Columns: fact, value; those facts that end in _ms are milliseconds; json = the object of ganger.stats, and is_known: there is
-- or was lately a job, both the same in each row.
select f.fact, f.value, t.stats as json,
    (t.stats ->> 'total')::bigint + (t.stats #>> '{throughput,last_day}')::bigint + (t.stats ->> 'failed_last_day')::bigint > 0 as is_known
from (select ganger.stats($1::text) as stats offset 0) as t,
    lateral (values
        (1, 'pending', t.stats ->> 'pending'),
        (2, 'processing', t.stats ->> 'processing'),
        (3, 'waiting', t.stats ->> 'waiting'),
        (4, 'completed', t.stats ->> 'completed'),
        (5, 'failed', t.stats ->> 'failed'),
        (6, 'cancelled', t.stats ->> 'cancelled'),
        (7, 'total', t.stats ->> 'total'),
        (8, 'oldest pending_ms', round((t.stats ->> 'oldest_pending_seconds')::numeric * 1000)::text),
        (9, 'average run_ms', round((t.stats ->> 'average_run_seconds')::numeric * 1000)::text),
        (10, 'p95 run_ms', round((t.stats ->> 'p95_run_seconds')::numeric * 1000)::text),
        (11, 'last minute', (t.stats #>> '{throughput,last_minute}') || ' completed'),
        (12, 'last hour', (t.stats #>> '{throughput,last_hour}') || ' completed, ' || (t.stats ->> 'failed_last_hour') || ' failed'),
        (13, 'last day', (t.stats #>> '{throughput,last_day}') || ' completed, ' || (t.stats ->> 'failed_last_day') || ' failed')
    ) as f (place, fact, value)
order by f.place;
