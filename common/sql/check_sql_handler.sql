-- Says whether a function can be an SQL handler: f(payload jsonb, job ganger.jobs) returns jsonb; or one that a program's output is
-- given to: f(output jsonb, job ganger.jobs) returns jsonb or void.
-- $1 text: function name, schema-qualified; $2 boolean: the latter is meant.
-- Columns: `problem`, null when it can; `call`, the statement that does for the former what run_sql_handler does for any, but is got ready once.
--   $1 bigint: job; $2 uuid: lease; $3 text: the node's name. Column `done`: true; null, and nothing has run, where the lease is lost.
SELECT CASE
           WHEN p.oid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_proc AS o
                                          WHERE o.proname = (pg_catalog.parse_ident($1::text))[pg_catalog.cardinality(pg_catalog.parse_ident($1::text))])
               THEN 'no function ' || $1::text || wanted.arguments || '; one of that name has other arguments'
           WHEN p.oid IS NULL
               THEN 'no function ' || $1::text || wanted.arguments
           WHEN p.prokind <> 'f'
               THEN $1::text || ' is not a plain function'
           WHEN p.proretset OR NOT (p.prorettype = 'pg_catalog.jsonb'::pg_catalog.regtype
                                    OR $2::boolean AND p.prorettype = 'pg_catalog.void'::pg_catalog.regtype)
               THEN $1::text || ' returns ' || pg_catalog.pg_get_function_result(p.oid) || ', not jsonb'
                    || CASE WHEN $2::boolean THEN ' or void' ELSE '' END
           WHEN NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
               THEN 'no permission to execute ' || $1::text
       END AS problem,
       -- the setting first, as the job may be waited for, too
       CASE WHEN p.oid IS NOT NULL THEN
           pg_catalog.format('SELECT CASE WHEN (s.job).id IS NOT NULL'
                             ' THEN ganger._end_sql_handler($1, $2, %s((s.job).payload, s.job)) END AS done'
                             ' FROM (SELECT CASE WHEN pg_catalog.set_config(''lock_timeout'', ''0'', true) IS NOT NULL'
                             ' THEN ganger._running_job($1::bigint, $2::uuid, $3::text) END AS job OFFSET 0) AS s',
                             pg_catalog.format('%I.%I', n.nspname, p.proname)) END AS call
FROM (SELECT pg_catalog.to_regprocedure($1::text || '(jsonb, ganger.jobs)') AS oid,
             CASE WHEN $2::boolean THEN '(output jsonb, job ganger.jobs)' ELSE '(payload jsonb, job ganger.jobs)' END AS arguments) AS wanted
     LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = wanted.oid
     LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace;
