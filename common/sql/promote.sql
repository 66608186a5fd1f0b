-- Makes runnable what is due, and the jobs of schedules.
-- Without waiting for the disk: what a crash of the server takes back is promoted again, and a claim's own commit makes all
-- before it durable.
-- Columns: promoted, due_in_ms of the next (null: none).
SELECT p.promoted + p.scheduled AS promoted,
       CASE WHEN p.next_due IS NOT NULL
            THEN greatest(0, ceil(extract(epoch FROM p.next_due - clock_timestamp()) * 1000))::bigint END AS due_in_ms
FROM ganger._promote() AS p, set_config('synchronous_commit', 'off', true);
