-- Says whether a function can be an SQL handler: f(payload jsonb, job ganger.jobs) returns jsonb.
-- $1 text: function name, schema-qualified.
-- Column `problem`: null when it can.
SELECT CASE
           WHEN p.oid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_proc AS o
                                          WHERE o.proname = (pg_catalog.parse_ident($1::text))[pg_catalog.cardinality(pg_catalog.parse_ident($1::text))])
               THEN 'no function ' || $1::text || '(payload jsonb, job ganger.jobs); one of that name has other arguments'
           WHEN p.oid IS NULL
               THEN 'no function ' || $1::text || '(payload jsonb, job ganger.jobs)'
           WHEN p.prokind <> 'f'
               THEN $1::text || ' is not a plain function'
           WHEN p.proretset OR p.prorettype <> 'pg_catalog.jsonb'::pg_catalog.regtype
               THEN $1::text || ' returns ' || pg_catalog.pg_get_function_result(p.oid) || ', not jsonb'
           WHEN NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
               THEN 'no permission to execute ' || $1::text
       END AS problem
FROM (SELECT pg_catalog.to_regprocedure($1::text || '(jsonb, ganger.jobs)') AS oid) AS wanted
     LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = wanted.oid;
