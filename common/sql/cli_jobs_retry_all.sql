-- Runs the failed and cancelled jobs of a filter again. $1 filter. Columns: jobs: how many; json.
select c.jobs, jsonb_build_object('retried', c.jobs) as json from ganger.retry_jobs($1::text::jsonb) as c (jobs);
