-- Changes a schedule. $1 name, $2 changes JSON, over which come, if not null: $3 cron, $4 timezone, $5 overlap, $6 catch_up, $7 job_type,
-- $8 payload JSON. Columns: id, done, was, json as those of changes.
select c.id, c.done, null as was, jsonb_build_object('name', c.id, 'edited', c.done) as json
from (select $1::text as id, ganger.edit_schedule($1::text, coalesce($2::text::jsonb, '{}')
    || jsonb_strip_nulls(jsonb_build_object('cron', $3::text, 'timezone', $4::text, 'overlap', $5::text, 'catch_up', $6::text,
                                            'job_type', $7::text))
    || case when $8::text is null then '{}' else jsonb_build_object('payload', $8::text::jsonb) end) as done) as c;
