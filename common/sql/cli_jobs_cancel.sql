-- Cancels jobs. $1 bigint[]: ids.
-- Columns: id; done: it was cancelled, or will be when it has stopped; was: status before, null = no such job; json.
select c.id, c.done, j.status::text as was,
    jsonb_build_object('id', c.id, 'cancelled', c.done, 'was', j.status) as json
from (select i.id, ganger.cancel(i.id) as done from unnest($1::bigint[]) as i (id)) as c
left join lateral ganger.get_job(c.id) as j on true;
