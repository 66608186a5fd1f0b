-- GET /ready: whether this database can serve requests. Runs before the schema is there, too.
-- Columns: status, body, headers.
select 200 as status, '{"status": "ready"}' as body, null::jsonb as headers
where to_regclass('ganger.job') is not null and to_regproc('ganger._api_get_job') is not null and not pg_is_in_recovery()
union all
select 503, json_build_object('type', 'about:blank', 'title', 'Service Unavailable', 'status', 503, 'code', 'schema', 'detail',
    case when pg_is_in_recovery() then 'the database is a standby: it takes no writes'
         else 'the schema of ganger is not complete in this database: ganger migrate makes it' end)::text, '{"Retry-After": "2"}'
where to_regclass('ganger.job') is null or to_regproc('ganger._api_get_job') is null or pg_is_in_recovery();
