-- The frequent cluster duties.
-- Without waiting for the disk, as notifications wait for the reaper: what a crash of the server takes back is done again.
-- Columns: promoted, open_epochs, reclaimed, reclaimed_jobs (the first of them: id and type each), unhandled, expired (jobs that ended so),
-- due_in_ms (null: nothing waits for the clock).
SELECT (t.t ->> 'promoted')::integer + (t.t ->> 'scheduled')::integer AS promoted, (t.t ->> 'open_epochs')::integer AS open_epochs,
       (t.t ->> 'reclaimed')::integer AS reclaimed, t.t ->> 'reclaimed_jobs' AS reclaimed_jobs,
       (t.t ->> 'unhandled')::integer AS unhandled, (t.t ->> 'expired_jobs')::integer AS expired,
       -- the tick itself takes a while: what has become due meanwhile is due now, not never
       CASE WHEN t.t ->> 'next_due' IS NOT NULL
            THEN greatest(0, ceil(extract(epoch FROM (t.t ->> 'next_due')::timestamptz - clock_timestamp()) * 1000))::bigint
       END AS due_in_ms
FROM ganger._tick() AS t (t), set_config('synchronous_commit', 'off', true);
