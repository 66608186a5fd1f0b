-- Tells, as an event, that a running job was given more time.
-- $1 bigint: job; $2 uuid: lease; $3 bigint: milliseconds from now on.
SELECT ganger._note_prolonged($1::bigint, $2::uuid, $3::bigint);
