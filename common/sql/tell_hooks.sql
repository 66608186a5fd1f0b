-- Says which job types have an on_error hook.
-- $1 text[]: job types that have one; $2 text[]: that have none.
SELECT ganger._tell_hooks($1::text[], $2::text[]);
