-- Makes runnable what is due.
-- Columns: promoted, due_in_ms of the next (null: none).
SELECT p.promoted, greatest(0, extract(epoch FROM p.next_due - clock_timestamp()) * 1000)::bigint AS due_in_ms
FROM ganger._promote() AS p;
