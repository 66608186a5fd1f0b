-- Two claims have the same lease.
select seeded.seed('_take_jobs', 'case when worker_id is not null then gen_random_uuid() end', 'case when worker_id is not null then ''00000000-0000-0000-0000-000000000001''::uuid end');
