-- Enqueues the job of a schedule now. $1 name. Columns: id, of the job; json.
select r.id, jsonb_build_object('id', r.id) as json from ganger.run_schedule($1::text) as r (id);
