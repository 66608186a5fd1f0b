-- GET /api/throughput. $1 jsonb request: query since (1h), step, job_type, by_type; $2 text body: not used.
select 200 as status,
    ganger.throughput(
        coalesce(r.query ->> 'since', '1 h')::interval,
        (r.query ->> 'step')::interval,
        r.query ->> 'job_type',
        coalesce(r.query ->> 'by_type', 'false')::boolean
    )::text as body,
    null::jsonb as headers
from (select ganger._api_query($1::jsonb, '{since, step, job_type, by_type}'), $2::text) as r (query, body);
