-- POST /api/job-types/{job_type}/resume: 404 for one that there is not, as nothing could go on.
-- $1 jsonb: the request; $2 text: the body. Columns: status, body, headers; no row: 404.
select a.status, a.body, a.headers from ganger._api_set($1::jsonb, $2::text, 'job_type', 'resume') as a where a.status is not null;
