-- The same (see cli_doctor.sql) where the schema is not there, or an older one.
select f.check_name, f.severity, f.subject, f.finding, f.mend, to_jsonb(f) as json
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as f (check_name, severity, subject, finding, mend)
where $6::bool or f.severity <> 'ok'
order by array_position('{error, warning, notice, ok}'::text[], f.severity), f.check_name, f.subject;
