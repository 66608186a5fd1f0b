-- Which life of which cluster this server is in.
-- Columns: `standby`: it takes no writes; `timeline`: null on a standby; `system`: the cluster's number, as an unsigned one.
SELECT pg_is_in_recovery() AS standby,
       CASE WHEN NOT pg_is_in_recovery() THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline,
       (SELECT system_identifier FROM pg_control_system()) AS system;
