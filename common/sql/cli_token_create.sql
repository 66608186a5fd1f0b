-- Makes a token. $1 timeout in ms (null = none), $2 tags separated by commas, $3 job id. Columns: token; json.
select t.token, jsonb_build_object('token', t.token) as json
from ganger.create_token($1::bigint * interval '1 ms', string_to_array($2::text, ','), $3::bigint) as t (token);
