-- What ganger.stats says of each job type. Columns: as shown.
select t.key as type, n.pending, n.processing, n.waiting, n.completed, n.failed,
    round(n.average_run_seconds * 1000)::bigint as average_ms, round(n.p95_run_seconds * 1000)::bigint as p95_ms,
    n.throughput ->> 'last_minute' as "last minute"
from jsonb_each(ganger.stats() -> 'job_types') as t,
    jsonb_to_record(t.value) as n (pending bigint, processing bigint, waiting bigint, completed bigint, failed bigint,
        average_run_seconds numeric, p95_run_seconds numeric, throughput jsonb)
order by t.key;
