-- How many batches there are. Columns: fact, value; json = the object of ganger.batch_stats, the same in each row.
select s.key as fact, s.value, t.stats as json
from (select ganger.batch_stats() as stats offset 0) as t, jsonb_each_text(t.stats) as s
order by array_position('{pending,running,completed,total}'::text[], s.key);
