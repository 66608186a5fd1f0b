-- Changes the pending jobs of a filter. $1 filter, $2 JSON object of changes. Columns: jobs: how many; json.
select c.jobs, jsonb_build_object('edited', c.jobs) as json from ganger.edit_jobs($1::text::jsonb, $2::text::jsonb) as c (jobs);
