-- Makes a token of the HTTP API known. $1 name, $2 its SHA-256 in hexadecimal, $3 scopes, separated by commas, $4 owner, $5 queues, separated
-- by commas, $6 for how many ms it is good; the last three may be null. Columns: id; json, without the token.
select t.id, jsonb_build_object('id', t.id, 'name', $1::text, 'scopes', r.scopes, 'owner', $4::text, 'queues', r.queues,
    'expires_at', r.expires_at) as json
from (select string_to_array($3::text, ',') as scopes, string_to_array($5::text, ',') as queues,
          clock_timestamp() + $6::bigint * interval '1 ms' as expires_at offset 0) as r,
    ganger.create_api_token($1::text, decode($2::text, 'hex'), r.scopes, $4::text, r.queues, r.expires_at) as t (id);
