-- Lets paused job types go on. $1 text[]: names.
-- Columns: id; done: it changed something; was: what to say when not; note_text; json.
select c.id, c.done, 'was not paused' as was, case when not c.is_known then 'is a type that no known job has' end as note_text,
    jsonb_build_object('name', c.id, 'paused', false, 'changed', c.done) as json
from (select n.name as id, k.types ? n.name as is_known, ganger.resume_job_type(n.name) as done
      from (select ganger.stats() -> 'job_types' as types offset 0) as k,
          unnest($1::text[]) with ordinality as n (name, place)
      order by n.place) as c;
