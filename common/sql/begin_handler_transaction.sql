-- First statement of a handler's transaction, and again when the job's deadline moves.
-- $1 bigint: milliseconds the job has left; 0 = no limit. The server's own limits follow it.
-- Column `id`: the transaction's id, to notice a handler that ended the transaction itself.
SELECT pg_current_xact_id()::text AS id,
       set_config('statement_timeout', $1::bigint::text, true),
       set_config('lock_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', $1::bigint::text, true);
