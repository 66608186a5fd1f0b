-- The status of some jobs. $1 bigint[]: ids.
-- Columns: id; status, null = no such job; type; took_ms; raw_output; error_note: why it has not completed; json.
select i.id, j.status::text as status, j.job_type as type,
    (extract(epoch from j.finished_at - j.started_at) * 1000)::bigint as took_ms, j.output::text as raw_output,
    case when j.status not in ('completed', 'cancelled') then coalesce(left(split_part(j.error, E'\n', 1), 200), '') else '' end as error_note,
    case when j.id is not null then
        jsonb_build_object('id', i.id, 'status', j.status, 'output', j.output,
            'error', case when j.status not in ('completed', 'cancelled') then j.error end) end as json
from unnest($1::bigint[]) with ordinality as i (id, place)
left join lateral ganger.get_job(i.id) as j on true
order by i.place;
