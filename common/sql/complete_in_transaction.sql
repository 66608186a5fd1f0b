-- Completes a job inside its handler's transaction; the caller commits. Waits for the job's row, so that the answer is final.
-- Everything is qualified: the handler may have set another search_path.
-- $1 bigint: job; $2 uuid: lease; $3 jsonb: output or null.
-- Columns: `done` false = the lease was lost or the job cancelled: roll back; `transaction_id`: another one than the handler's
--   began with = the handler has ended that.
SELECT ganger._complete_with_effects($1::bigint, $2::pg_catalog.uuid, $3::pg_catalog.jsonb) AS done,
       pg_catalog.pg_current_xact_id()::pg_catalog.text AS transaction_id;
