-- The next ticks. $1 name of a schedule, or null: $2 cron, $3 timezone (null = UTC); $4 so many. No rows: there is no such schedule.
-- Columns: at, in the zone; in_age; json.
with recursive plan as (
    select s.cron, s.timezone from ganger.schedules as s where s.name = $1::text
    union all
    select $2::text, coalesce($3::text, 'UTC') where $1::text is null
), tick as (
    select 1 as place, p.cron, p.timezone, ganger.next_cron(p.cron, p.timezone, clock_timestamp()) as at from plan as p
    union all
    select t.place + 1, t.cron, t.timezone, ganger.next_cron(t.cron, t.timezone, t.at) from tick as t where t.place < $4::int
)
select to_char(t.at at time zone t.timezone, 'Dy YYYY-MM-DD HH24:MI:SS') as at, t.timezone as zone,
    (extract(epoch from clock_timestamp() - t.at) * 1000)::bigint as in_age, to_jsonb(t.at) as json
from tick as t
order by t.place;
