-- A worker that ends in order: it holds nothing any more.
-- $1 bigint: worker.
SELECT ganger._mark_worker_dead($1::bigint);
