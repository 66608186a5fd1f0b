-- First step of settling: the worker's claims are refused from here on.
-- $1 bigint: worker.
SELECT ganger._mark_worker_dead($1::bigint);
