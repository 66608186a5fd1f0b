-- Counts by status, and what ended lately. $1 job_type, null = all.
-- Columns: fact, value; those facts that end in _ms are milliseconds; json = the object of ganger.stats, the same in each row.
select
    replace(s.key, '_seconds', '_ms') as fact,
    case when s.key like '%\_seconds' then round(s.value::numeric * 1000)::text else s.value end as value,
    t.stats as json
from (select ganger.stats($1::text) as stats) as t,
    jsonb_each_text(t.stats - '{throughput,job_types}'::text[] || jsonb_build_object(
        'completed_last_minute', t.stats #> '{throughput,last_minute}',
        'completed_last_hour', t.stats #> '{throughput,last_hour}',
        'completed_last_day', t.stats #> '{throughput,last_day}')) with ordinality as s (key, value, place)
order by s.place;
