-- Claims jobs for a worker of gangerd, in claim order.
-- $1 bigint: worker; $2 text[]: queues; $3 text[]: job types; $4 int: at most; $5 bigint[], $6 bigint[]: hints (lanes, seqs).
-- Columns: see worker/claim.c, which reads them by position. Raises GG001 when the worker is not alive.
SELECT c.id, c.lease_id, c.job_type, c.payload, c.attempt, c.max_attempts, c.queue, c.priority, c.timeout_ms,
       c.kill_grace_ms, c.tags, c.owner, c.metadata, c.lane_id, c.seq
FROM ganger._claim($1::bigint, $2::text[], $3::text[], $4::integer, $5::bigint[], $6::bigint[]) AS c;
