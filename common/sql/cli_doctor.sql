-- What is wrong, as far as this program and the database can tell. What the program has found: $1 text[]: checks; $2 text[]: severities;
-- $3 text[]: subjects; $4 text[]: findings; $5 text[]: mends. $6 bool: also checks that found nothing.
-- Columns: check_name, severity, subject, finding, mend; json.
select f.check_name, f.severity, f.subject, f.finding, f.mend, to_jsonb(f) - 'place' as json
from (select c.*, 0 as place
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as c (check_name, severity, subject, finding, mend)
      union all
      select d.*, 1 from ganger.doctor() as d) as f
where $6::bool or f.severity <> 'ok'
order by array_position('{error, warning, notice, ok}'::text[], f.severity), f.place, f.check_name, f.subject;
