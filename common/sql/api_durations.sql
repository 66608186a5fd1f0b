-- GET /api/job-types/{job_type}/durations. $1 jsonb request; $2 text body: not used. A type nobody knows: no row.
select 200 as status, d.durations::text as body, null::jsonb as headers
from (select ganger.durations($1::jsonb #>> '{path,job_type}') as durations, $2::text as body) as d
where d.durations is not null and ganger._api_query($1::jsonb) is not null;
