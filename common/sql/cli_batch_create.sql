-- Makes a batch, and starts it if that is wanted. $1 id (null: one is made up), $2 job_type, $3 items JSON, $4 concurrency,
-- $5 max_attempts, $6 retry_delay in ms (null = the default), $7 on_finish JSON, $8 options JSON, $9 expires_at as ms from now (null:
-- as $8 says), $10 start.
-- Columns: id; json.
select c.id, jsonb_build_object('id', c.id, 'started', c.is_started) as json
from (
    select b.id, case when $10::bool then ganger.start_batch(b.id) else false end as is_started
    from ganger.create_batch($1::text, $2::text, $3::text::jsonb, $4::int, $5::int, $6::bigint * interval '1 ms', $7::text::jsonb,
        $8::text::jsonb || jsonb_strip_nulls(jsonb_build_object('expires_at', clock_timestamp() + $9::bigint * interval '1 ms'))) as b (id)
) as c;
