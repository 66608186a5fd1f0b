-- Has batches start no further item. $1 text[]: ids. Columns: id; done; was: status before, null = there is no such batch; json.
select c.id, c.done, c.was, jsonb_build_object('id', c.id, 'paused', c.done, 'was', c.was) as json
from (select n.id, (select v.status from ganger.batches as v where v.id = n.id) as was, ganger.pause_batch(n.id) as done
      from unnest($1::text[]) with ordinality as n (id, place) order by n.place) as c;
