-- Ends workers. $1 bigint[]: ids. Columns: id; done: it is being ended; was: its state before, null = there is no such worker; json.
select c.id, c.done, c.was, jsonb_build_object('id', c.id, 'killed', c.done, 'was', c.was) as json
from (select n.id, (select v.state::text from ganger.workers as v where v.id = n.id) as was, ganger.kill_worker(n.id) as done
      from unnest($1::bigint[]) with ordinality as n (id, place) order by n.place) as c;
