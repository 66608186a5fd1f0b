-- Cancels the jobs of a filter. $1 filter. Columns: jobs: how many; json.
select c.jobs, jsonb_build_object('cancelled', c.jobs) as json from ganger.cancel_jobs($1::text::jsonb) as c (jobs);
