-- One pass of every cluster duty. Columns: fact, value; json = the object of ganger.maintain.
select s.key as fact, s.value, t.done as json
from (select ganger.maintain() as done offset 0) as t,
    jsonb_each_text(t.done) with ordinality as s (key, value, place)
order by s.place;
