-- Creates a schedule. $1 name, $2 cron, $3 job_type, $4 payload JSON, $5 timezone, $6 overlap, $7 catch_up (null = the default),
-- $8 options JSON. Columns: id; next_run_at; json.
select c.id, to_char(n.next_run_at at time zone coalesce($5::text, 'UTC'), 'YYYY-MM-DD HH24:MI:SS') as next_run_at,
    jsonb_build_object('id', c.id, 'name', $1::text, 'next_run_at', n.next_run_at) as json
from ganger.create_schedule($1::text, $2::text, $3::text, coalesce($4::text::jsonb, '{}'), $5::text, $6::text, $7::text, $8::text::jsonb)
        as c (id),
    lateral (select ganger.next_cron($2::text, coalesce($5::text, 'UTC'), clock_timestamp()) as next_run_at offset 0) as n;
