-- Sets what holds for a job type. $1 name, $2 JSON object of what to change (null = none); the rest stays.
select ganger.set_job_type($1::text, n.concurrency, n.timeout, n.max_crashes)
from jsonb_to_record(coalesce(ganger._held_limits('job_type', $1::text), '{}') || $2::text::jsonb)
    as n (concurrency int, timeout interval, max_crashes int);
