-- Creates a token.
-- $1 bigint: milliseconds until it times out, or null; $2 jsonb: array of tags or null; $3 bigint: its job.
-- Column `token`.
SELECT ganger.create_token(make_interval(secs => $1::bigint / 1000.0),
                           (SELECT array_agg(t.tag) FROM jsonb_array_elements_text($2::jsonb) AS t (tag)), $3::bigint) AS token;
