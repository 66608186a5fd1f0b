-- First statement of a handler's transaction, and again when the job's deadline moves: then in whatever search_path the handler
-- has set.
-- $1 bigint: milliseconds after which the server ends the transaction by itself; 0 = no limit.
-- Column `id`: the transaction's id, to notice a handler that ended the transaction itself.
SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS id,
       pg_catalog.set_config('statement_timeout', $1::bigint::pg_catalog.text, true),
       pg_catalog.set_config('lock_timeout', '0', true),
       pg_catalog.set_config('idle_in_transaction_session_timeout', $1::bigint::pg_catalog.text, true);
