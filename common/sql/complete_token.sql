-- Completes a token; also inside a handler's transaction, in whatever search_path it has set.
-- $1 text: token; $2 jsonb: data or null.
-- Column `done`: false when there is no such token, or it was completed or timed out before.
SELECT ganger.complete_token($1::pg_catalog.text, $2::pg_catalog.jsonb) AS done;
