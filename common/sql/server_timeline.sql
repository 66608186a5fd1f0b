-- server_identity.sql for a role that may not ask for the cluster's number. What is written to WAL now has the current timeline in
-- its file's name; the control file would have it at the next checkpoint only.
-- Columns: `standby`: it takes no writes; `timeline`: null on a standby.
SELECT pg_is_in_recovery() AS standby,
       CASE WHEN NOT pg_is_in_recovery() THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline;
