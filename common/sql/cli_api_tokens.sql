-- The tokens of the HTTP API, newest last. $1 bool: revoked ones, too.
-- Columns: as shown; those named all_* are for $1; json.
select v.id, v.name, v.state, array_to_string(v.scopes, ',') as scopes, v.owner, array_to_string(v.queues, ',') as queues,
    (extract(epoch from clock_timestamp() - v.created_at) * 1000)::bigint as created_age,
    (extract(epoch from clock_timestamp() - v.expires_at) * 1000)::bigint as expires_age,
    (extract(epoch from clock_timestamp() - v.revoked_at) * 1000)::bigint as all_revoked_age,
    to_jsonb(v) as json
from ganger.api_tokens as v
where $1::bool or v.state <> 'revoked'
order by v.id;
