-- server_identity.sql where nothing may be asked about WAL: the right has been taken away, or it is a service that has none.
-- Columns: `standby`: it takes no writes; `timeline`: null, not known.
SELECT pg_is_in_recovery() AS standby, NULL::int AS timeline;
