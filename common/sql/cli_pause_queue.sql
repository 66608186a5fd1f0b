-- Stops claims of queues. $1 text[]: names.
-- Columns: id; done: it changed something; was: what to say when not; note_text; json.
select c.id, c.done, 'was paused already' as was, case when not c.is_known then 'has no jobs, and had none lately' end as note_text,
    jsonb_build_object('name', c.id, 'paused', true, 'changed', c.done) as json
from (select n.name as id, exists (select from ganger.queues as v where v.name = n.name) as is_known, ganger.pause_queue(n.name) as done
      from unnest($1::text[]) with ordinality as n (name, place) order by n.place) as c;
