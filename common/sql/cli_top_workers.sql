-- The living nodes and their workers, by node. Columns: node; is_leader, seen_age, of the node; worker, null: it has none; pool; pid; state; job,
-- job_type; since_ms: how long that has run; cpu: per cent of a processor; rss: bytes; null: not known.
select n.name as node, n.leader as is_leader, (extract(epoch from clock_timestamp() - n.seen_at) * 1000)::bigint as seen_age,
    w.id as worker, w.pool, w.pid, case when w.is_ending then 'ending' else w.state end as state, w.job_id as job, w.job_type,
    (extract(epoch from clock_timestamp() - w.job_started_at) * 1000)::bigint as since_ms, round(w.cpu_share * 100)::bigint as cpu, w.rss
from ganger.nodes as n
left join ganger.workers as w on w.node = n.name and w.state <> 'dead'
where n.state = 'alive'
order by n.name, w.id
limit 5000;
