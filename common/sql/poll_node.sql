-- What a node asks once a second.
-- $1 bigint: node; $2 text[]: queues; $3 text[]: job types.
-- Columns: has_work, leader, alive, cancels (its own running jobs to be cancelled, each as id:lease with 32 hex digits,
-- joined by commas; null: none), due_in_ms (null: nothing waits for the clock), unwanted (workers to be ended, joined by commas; null:
-- none).
SELECT p.has_work, p.leader, p.alive, array_to_string(p.cancels, ',') AS cancels, p.due_in_ms,
       array_to_string(p.unwanted, ',') AS unwanted
FROM ganger._poll($1::bigint, $2::text[], $3::text[]) AS p;
