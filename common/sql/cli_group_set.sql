-- Sets limits of a group. $1 key, $2 JSON object of those to change (null = none); the others stay.
select ganger.set_group_limit($1::text, n.concurrency, n.rate, n.rate_period)
from jsonb_to_record(coalesce(ganger._held_limits('group', $1::text), '{}') || $2::text::jsonb)
    as n (concurrency int, rate int, rate_period interval);
