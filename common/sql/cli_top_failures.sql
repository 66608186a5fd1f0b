-- What failed in the last hour, by message. Columns: jobs; retrying, of these; last_age; job, the newest; types; message.
select f.failed + f.retrying as jobs, f.retrying, (extract(epoch from clock_timestamp() - f.last_at) * 1000)::bigint as last_age,
    f.example_job_id as job, array_to_string(f.job_types, ',') as types, f.pattern as message
from ganger.failures('1 h', null, 100) as f;
