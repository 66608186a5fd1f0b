-- GET /api/overview. $1 jsonb request, $2 text body: not used.
select 200 as status, ganger.overview()::text as body, null::jsonb as headers
from (select $1::jsonb, $2::text) as r (request, body)
where ganger._api_query(r.request) is not null;
