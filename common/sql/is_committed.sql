-- Says whether a transaction was committed: that of a handler that should have left it open.
-- $1 text: its id.
-- Column `committed`.
SELECT pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8) IS NOT DISTINCT FROM 'committed'::pg_catalog.text AS committed;
