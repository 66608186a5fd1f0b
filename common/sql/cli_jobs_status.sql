-- The status of some jobs. $1 bigint[]: ids.
-- Columns: id; status, null = no such job; type; took_ms; error; has_ended; json.
select i.id, j.status::text as status, j.job_type as type,
    (extract(epoch from j.finished_at - j.started_at) * 1000)::bigint as took_ms,
    coalesce(left(split_part(j.error, E'\n', 1), 200), '') as error,
    case when j.id is not null then
        json_build_object('id', i.id, 'status', j.status, 'output', j.output, 'error', j.error) end as json
from unnest($1::bigint[]) with ordinality as i (id, place)
left join lateral ganger.get_job(i.id) as j on true
order by i.place;
