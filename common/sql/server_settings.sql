-- Settings of the server that let committed jobs be lost.
-- Columns: unsafe: their names, joined by commas; empty none; started: when the server did.
SELECT (SELECT coalesce(string_agg(s.name, ', ' ORDER BY s.name), '') FROM pg_catalog.pg_settings AS s
        WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND s.reset_val = 'off') AS unsafe,
       extract(epoch FROM pg_catalog.pg_postmaster_start_time())::bigint AS started;
