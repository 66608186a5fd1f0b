-- GET /api/throughput. $1 jsonb request: query since (1h), step, job_type, by_type; $2 text body: not used.
select 200 as status,
    ganger.throughput(
        ganger._api_duration(r.query, 'since', '1 h'),
        ganger._api_duration(r.query, 'step', null),
        ganger._api_text(r.query, 'job_type'),
        ganger._api_bool(r.query, 'by_type')
    )::text as body,
    null::jsonb as headers
from (select ganger._api_query($1::jsonb, '{since, step, job_type, by_type}'), $2::text) as r (query, body);
