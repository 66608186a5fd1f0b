-- The living worker processes and what they run. $1 bool: fill the column json.
select w.id, w.node::text as node, w.pool, w.pid, w.state::text as state, w.job_id as job,
    (extract(epoch from now() - w.started_at) * 1000)::bigint as started_age,
    case when $1::bool then to_jsonb(w) end as json
from ganger.workers as w
where w.state::text <> 'dead'
order by w.id;
