-- POST /api/workers/{id}/kill. $1 jsonb request; $2 text body, not used. One that is dead or unknown: no row.
select 202 as status, jsonb_build_object('id', k.id, 'killed', true)::text as body, null::jsonb as headers
from (select ($1::jsonb #>> '{path,id}')::bigint as id, $2::text as body) as k
where case when ganger._api_query($1::jsonb) is not null then ganger.kill_worker(k.id) end;
