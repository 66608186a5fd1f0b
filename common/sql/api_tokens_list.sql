-- The valid tokens of the API.
-- Columns: id, sha256 (hex), scopes text[], owner ('' = not bound), queues (text[] literal; '' = not bound), expires_at.
select t.id, encode(t.sha256, 'hex') as sha256, t.scopes, coalesce(t.owner, '') as owner, coalesce(t.queues::text, '') as queues, t.expires_at
from ganger._api_tokens() as t;
