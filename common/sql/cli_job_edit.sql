-- Changes a pending job. $1 id, $2 JSON object of changes.
-- Columns: id; done; was: status before, null = no such job; json.
select c.id, c.done, j.status::text as was,
    jsonb_build_object('id', c.id, 'edited', c.done, 'was', j.status) as json
from (select $1::bigint as id, ganger.edit($1::bigint, $2::text::jsonb) as done) as c
left join lateral ganger.get_job(c.id) as j on true;
