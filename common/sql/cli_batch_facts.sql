-- All that is known about a batch. $1 id. Columns: fact, value, kind (see cli_job_facts); json: as ganger.get_batch, the same in each row.
select f.fact, f.value, f.kind, g.batch::text as json
from ganger.batches as b
cross join lateral (select ganger.get_batch(b.id) as batch offset 0) as g
cross join lateral (
    select count(*) filter (where i.status = 'processing') as processing, count(*) filter (where i.status = 'waiting') as waiting,
        count(*) filter (where i.status = 'pending') as pending,
        count(*) filter (where i.attempts > 1) as retried
    from jsonb_to_recordset(g.batch -> 'items') as i (status text, attempts int)) as n
cross join lateral (
    select string_agg('job ' || i.id || ': ' || coalesce(split_part(i.error, E'\n', 1), i.status), E'\n' order by i.id) as errors
    from (select x.* from jsonb_to_recordset(g.batch -> 'items') as x (id bigint, status text, error text)
          where x.status = 'failed' order by x.id limit 10) as i) as e
cross join lateral (values
    (1, 'id', b.id, 'text'),
    (2, 'status', b.status, 'status'),
    (3, 'type', b.job_type, 'text'),
    (4, 'items', b.total::text, 'text'),
    (5, 'completed', b.completed::text, 'text'),
    (6, 'failed', nullif(b.failed, 0)::text, 'text'),
    (7, 'cancelled', nullif(b.items_cancelled, 0)::text, 'text'),
    (8, 'processing', nullif(n.processing, 0)::text, 'text'),
    (9, 'waiting', nullif(n.waiting, 0)::text, 'text'),
    (10, 'pending', nullif(n.pending, 0)::text, 'text'),
    (11, 'at once', b.concurrency::text, 'text'),
    (12, 'owner', b.owner, 'text'),
    (13, 'created', to_char(b.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
    (14, 'started', to_char(b.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
    (15, 'finished', to_char(b.finished_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'text'),
    (16, 'took', (extract(epoch from coalesce(b.finished_at, clock_timestamp()) - b.started_at) * 1000)::bigint::text, 'ms'),
    (17, 'job at its end', b.on_finish_job_id::text, 'text'),
    (18, 'first failures', e.errors, 'lines')
    ) as f (place, fact, value, kind)
where b.id = $1::text and f.value is not null
order by f.place;
