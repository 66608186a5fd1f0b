-- Takes a worker over to this connection.
-- $1 bigint: worker; $2 bigint[], $3 uuid[]: the jobs it knows it holds, and their leases; $4 bool: behind a pooler.
-- Column `link`: its new link; null when the worker has been marked dead.
SELECT ganger._reattach_worker($1::bigint, $2::bigint[], $3::uuid[], $4::boolean) AS link;
