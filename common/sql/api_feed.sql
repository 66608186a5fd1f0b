-- The events after one, for the streams of the HTTP process.
-- $1 bigint: number of the last one seen; null: only where the feed ends now; $2 int: at most so many.
-- Columns: mark (where the feed ends now, in each row; there is one at least), event_id (null: there is none), job_id, event, job_type, queue,
-- batch_id, owner, json (the event as it is sent, without line breaks).
select m.mark, f.event_id, f.job_id, f.event, f.job_type, f.queue, f.batch_id, f.owner,
    case when f.event_id is not null then
        jsonb_build_object('event_id', f.event_id, 'job_id', f.job_id, 'event', f.event,
            'at', to_char(f.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'data', f.data, 'job_type', f.job_type,
            'queue', f.queue, 'batch_id', f.batch_id)::text end as json
from (select ganger.last_event_id() as mark) as m
left join lateral ganger._feed(coalesce($1::bigint, m.mark), $2::integer) as f on true;
