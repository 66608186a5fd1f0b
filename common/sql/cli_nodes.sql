-- The machines that run workers. $1 bool: those that have stopped, too, and all that is known of each; $2 bool: fill the
-- column json (the row of ganger.nodes).
-- Columns: as shown; those named all_* hold what only $1 asks for.
select
    v.name,
    v.state || case when v.leader then ' (leader)' else '' end as state,
    v.pid,
    v.version,
    (extract(epoch from clock_timestamp() - v.started_at) * 1000)::bigint as started_age,
    (extract(epoch from clock_timestamp() - v.seen_at) * 1000)::bigint as seen_age,
    v.workers,
    v.processing as jobs,
    v.id as all_id,
    v.host as all_host,
    (extract(epoch from v.lease) * 1000)::bigint as all_lease_ms,
    (extract(epoch from clock_timestamp() - v.ended_at) * 1000)::bigint as all_ended_age,
    case when $2::bool then to_jsonb(v) end as json
from ganger.nodes as v
where $1::bool or v.state <> 'stopped'
order by v.id;
