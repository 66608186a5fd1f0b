-- What the filter options of a command mean, as the filter of ganger.list_jobs and its like.
-- $1 statuses separated by commas, $2 job_type, $3 queue, $4 owner, $5 tag, $6 JSON the payload must contain, $7 priority,
-- $8 idempotency_key, $9 group_key, $10 batch, enqueued not before: $11 instant or $12 ms ago, enqueued before: $13 instant or $14 ms ago
-- $15 error_group (each null = any). Column: filter.
select (jsonb_strip_nulls(jsonb_build_object(
        'status', string_to_array($1::text, ','), 'job_type', $2::text, 'queue', $3::text, 'owner', $4::text,
        'tags', case when $5::text is not null then jsonb_build_array($5::text) end,
        'priority', $7::int, 'idempotency_key', $8::text, 'group_key', $9::text, 'batch', $10::text,
        'error_group', $15::text,
        'created_at', nullif(jsonb_strip_nulls(jsonb_build_object(
            'gte', coalesce($11::text::timestamptz, now() - $12::bigint * interval '1 ms'),
            'lt', coalesce($13::text::timestamptz, now() - $14::bigint * interval '1 ms'))), '{}')))
    || case when $6::text is null then '{}' else jsonb_build_object('search', $6::text::jsonb) end)::text as filter;
