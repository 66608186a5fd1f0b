-- POST /api/v1/collections/jobs.
-- $1 jsonb: the request; $2 text: the body. Columns: status, body, headers; no row: 404.
select a.status, a.body, a.headers from ganger._api_make_job($1::jsonb, $2::text, true) as a where a.status is not null;
