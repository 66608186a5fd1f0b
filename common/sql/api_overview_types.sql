-- GET /api/overview/job-types: {job_types: [...]}, a row for each type. $1 jsonb request, $2 text body: not used.
select 200 as status, jsonb_build_object('job_types', coalesce(jsonb_agg(to_jsonb(t) order by t.job_type), '[]'))::text as body,
    null::jsonb as headers
from (select $1::jsonb, $2::text) as r (request, body), ganger.job_type_overview() as t
where ganger._api_query(r.request) is not null;
