-- Deletes schedules. $1 text[]: names. Columns: id; done; was: null = there is no such schedule; json.
select c.id, c.done, null as was, jsonb_build_object('name', c.id, 'deleted', c.done) as json
from (select n.name as id, ganger.delete_schedule(n.name) as done
      from unnest($1::text[]) with ordinality as n (name, place) order by n.place) as c;
