-- Counts by status. $1 job_type, null = all.
-- Columns: fact, value; json = the object of ganger.stats, the same in each row.
select s.key as fact, s.value, t.stats as json
from (select ganger.stats($1::text) as stats) as t, jsonb_each_text(t.stats) with ordinality as s (key, value, place)
order by s.place;
