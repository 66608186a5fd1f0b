-- Enqueues what dead letters stand for once more. $1 bigint[]: the letters. Columns: id, of the letter; job, the new one; json.
select r.id, r.job, jsonb_build_object('id', r.id, 'job_id', r.job) as json
from (select i.id, ganger.redrive(i.id) as job from unnest($1::bigint[]) with ordinality as i (id, place) order by i.place) as r;
