-- What jobs failed with lately, by message. $1 in so many ms, $2 job type, null = all; $3 at most so many.
-- Columns: as shown; json.
select f.error_group as "group", f.failed, f.retrying, (extract(epoch from clock_timestamp() - f.last_at) * 1000)::bigint as last_age,
    f.example_job_id as newest, array_to_string(f.job_types, ',') as job_types, f.pattern as message_note, to_jsonb(f) as json
from ganger.failures($1::bigint * interval '1 ms', $2::text, $3::int) as f;
