-- Claims jobs for a worker of gangerd. Claim order is that of `place`, then of the rows.
-- $1 bigint: worker; $2 text[]: queues; $3 text[]: job types; $4 int: at most; $5 bigint[], $6 bigint[]: hints (lanes, seqs);
-- $7 int: link; $8 jsonb: what the last claim has told in a row without an id, the last one, as its payload; {} at first.
-- Columns: see worker/claim.c, which reads them by position. Raises GG001 when the worker is not alive.
SELECT c.id, c.lease_id, c.job_type, c.payload, c.attempt, c.max_attempts, c.queue, c.priority,
       (extract(epoch FROM c.timeout) * 1000)::bigint AS timeout_ms,
       (extract(epoch FROM c.kill_grace) * 1000)::bigint AS kill_grace_ms,
       array_to_json(c.tags) AS tags, c.owner, c.metadata, c.lane_id, c.seq, c.group_key, c.was_started,
       c.waited_us, c.place
FROM ganger._take_jobs($1::bigint, $7::integer, NULL, NULL, $2::text[], $3::text[], $4::integer, $5::bigint[], $6::bigint[], $8::jsonb) AS c;
