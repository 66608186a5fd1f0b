-- The frequent cluster duties.
-- Columns: promoted, open_epochs, reclaimed, due_in_ms (null: nothing waits for the clock).
SELECT (t.t ->> 'promoted')::integer AS promoted, (t.t ->> 'open_epochs')::integer AS open_epochs,
       (t.t ->> 'reclaimed')::integer AS reclaimed,
       (extract(epoch FROM (t.t ->> 'next_due')::timestamptz - clock_timestamp()) * 1000)::bigint AS due_in_ms
FROM ganger._tick() AS t (t);
