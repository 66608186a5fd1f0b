-- The state of everything, a row for each queue, at least one. Columns: at; the counts of ganger.overview, the same in each row; then those of
-- the queue, null: there is none.
select
    to_char((o.o ->> 'at')::timestamptz at time zone 'UTC', 'HH24:MI:SS"Z"') as at,
    (o.o ->> 'is_exact')::boolean as is_exact,
    (o.o #>> '{pending,runnable}')::bigint as runnable, (o.o #>> '{pending,scheduled}')::bigint as scheduled,
    (o.o #>> '{pending,retry}')::bigint as retry, (o.o #>> '{pending,blocked}')::bigint as blocked,
    (o.o #>> '{pending,limited}')::bigint as limited, (o.o #>> '{pending,paused}')::bigint as paused,
    (o.o #>> '{pending,batch}')::bigint as batch,
    (o.o #>> '{counts,processing}')::bigint as processing, (o.o #>> '{counts,waiting}')::bigint as waiting,
    (o.o #>> '{counts,completed}')::bigint as completed, (o.o #>> '{counts,failed}')::bigint as failed,
    (o.o #>> '{counts,cancelled}')::bigint as cancelled,
    (o.o #>> '{ended,last_hour,completed}')::bigint as hour_completed, (o.o #>> '{ended,last_hour,failed}')::bigint as hour_failed,
    ((o.o ->> 'oldest_wait_seconds')::numeric * 1000)::bigint as oldest_wait,
    (o.o ->> 'nodes')::bigint as nodes, (o.o ->> 'workers')::bigint as workers, (o.o ->> 'busy_workers')::bigint as busy,
    q.queue, q.paused as queue_is_paused, q.runnable as queue_runnable, q.pending as queue_pending, q.processing as queue_processing,
    q.waiting as queue_waiting, (q.oldest_wait_seconds * 1000)::bigint as queue_oldest_wait
from (select ganger.overview() as o offset 0) as o
left join lateral jsonb_to_recordset(o.o -> 'queues') as q (queue text, paused boolean, runnable bigint, pending bigint, processing bigint,
                                                            waiting bigint, oldest_wait_seconds numeric) on true;
