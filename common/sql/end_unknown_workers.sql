-- Marks workers dead that have registered long ago and are not among those the node knows.
-- $1 bigint: node; $2 bigint[]: workers it knows.
-- Column `ended`: how many.
SELECT ganger._end_unknown_workers($1::bigint, $2::bigint[]) AS ended;
