-- Sets limits of a queue. $1 name, $2 JSON object of those to change (null = none); the others stay.
select ganger.set_queue($1::text, n.concurrency, n.group_concurrency, n.rate, n.rate_period, n.retention)
from jsonb_to_record(coalesce(ganger._held_limits('queue', $1::text), '{}') || $2::text::jsonb)
    as n (concurrency int, group_concurrency int, rate int, rate_period interval, retention interval);
