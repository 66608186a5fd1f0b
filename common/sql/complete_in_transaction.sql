-- Completes a job inside its handler's transaction; the caller commits.
-- $1 bigint: job; $2 uuid: lease; $3 jsonb: output or null; $4 text: id of the transaction begun for the handler.
-- Columns: `done` false = the lease was lost; `same_transaction` false = the handler ended its transaction and is in another.
SELECT ganger.complete($1::bigint, $2::uuid, $3::jsonb) AS done,
       pg_current_xact_id()::text = $4::text AS same_transaction;
