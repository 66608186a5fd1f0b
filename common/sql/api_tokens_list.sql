-- The valid tokens of the API.
-- Columns: sha256 (hex), scopes text[], owner ('' = not bound), queues (text[] literal; '' = not bound).
select encode(t.sha256, 'hex') as sha256, t.scopes, coalesce(t.owner, '') as owner, coalesce(t.queues::text, '') as queues
from ganger._api_tokens() as t;
