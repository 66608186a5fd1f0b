-- How a token stands.
-- $1 text: token.
-- Columns `status`: waiting | completed | timed_out; `data`: jsonb or null. No row: there is none.
SELECT t.status, t.data FROM ganger.get_token($1::text) AS t;
