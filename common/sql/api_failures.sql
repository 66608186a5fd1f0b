-- GET /api/failures: {failures: [...]}, grouped by their message. $1 jsonb request: query since (24h), job_type, limit (50); $2 text
-- body: not used.
select 200 as status, jsonb_build_object('failures', coalesce(jsonb_agg(to_jsonb(f) order by f.failed + f.retrying desc, f.last_at desc), '[]'))::text as body,
    null::jsonb as headers
from (select ganger._api_query($1::jsonb, '{since, job_type, limit}'), $2::text) as r (query, body),
    ganger.failures(
        ganger._api_duration(r.query, 'since', '24 h'),
        ganger._api_text(r.query, 'job_type'),
        ganger._api_number(r.query, 'limit', 1, 1000, 50)::integer
    ) as f;
