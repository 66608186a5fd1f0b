-- The promises, each as a query that must find nothing. Read by chaos_check.c: a query begins after its line "-- promise: NAME", and ends
-- at the next one. Names begin with the invariant's number.

-- promise: I1 every job whose enqueue was answered exists
select o.id from chaos.op o left join chaos.job j on j.id = o.id
where o.what = 'ok' and o.kind in ('enqueue', 'many', 'order') and j.id is null

-- promise: I1 every job has one row, and has ended
select j.id, count(*) as rows, array_agg(j.status) as status from chaos.job j
group by j.id having count(*) > 1 or bool_or(j.status not in ('completed', 'failed', 'cancelled'))

-- promise: I2 a call that was answered made its jobs, one that was refused none, one that is unknown all or none
select o.op, o.kind, o.what, o.count, count(j.id) as made from chaos.outcome o left join chaos.job j on j.op = o.op
where o.kind in ('enqueue', 'many', 'batch', 'order') and o.key is null or o.kind = 'batch'
group by o.op, o.kind, o.what, o.count
having case o.what when 'ok' then count(j.id) <> o.count and not exists ( -- it may have been told the job that has its unique key
                                      select from chaos.op a join chaos.job u on u.id = a.id
                                      where a.what = 'ok' and a.op = o.op and u.unique_key is not null)
                   when 'unknown' then count(j.id) not in (0, o.count) else count(j.id) > 0 end

-- promise: I2 an idempotency key has one job, and each call with it is told that one
select coalesce(k.key, o.key) as key, k.jobs, o.told
from (select j.idempotency_key as key, array_agg(j.id order by j.id) as jobs from chaos.job j where j.idempotency_key is not null group by 1) k
full join (select o.key, array_agg(distinct o.id) as told from chaos.op o where o.kind = 'enqueue' and o.key is not null and o.what = 'ok' group by 1) o
     on o.key = k.key
where coalesce(cardinality(k.jobs), 0) <> 1 or (o.key is not null and o.told <> k.jobs)

-- promise: I2 no job that nobody asked for
select j.id, j.op from chaos.job j
where j.op is not null and j.op !~ '^(child|schedule)\.' and not exists (select from chaos.outcome o where o.op = j.op)

-- promise: G1 a caller's row and its job are there both, or neither
select coalesce(p.op, j.op) as op, p.op is not null as has_row, j.id from chaos.placed p
full join (select j.op, j.id from chaos.job j join chaos.outcome o on o.op = j.op and o.kind = 'order') j on j.op = p.op
where p.op is null or j.op is null

-- promise: I3 no job has two successful completions
select a.job_id, count(*) from chaos.attempt a where a.outcome = 'completed' group by 1 having count(*) > 1

-- promise: I4 nothing runs after its job has ended
select r.job_id, r.attempt, r.last_at, j.finished_at from chaos.run r join chaos.job j on j.id = r.job_id
where r.last_at > j.finished_at + interval '1 s' * $1

-- promise: I5 the charged attempts of a job are 1 to attempts, one each
select j.id, j.attempts, a.numbers from chaos.job j
cross join lateral (select coalesce(array_agg(a.attempt order by a.attempt), '{}') as numbers from chaos.attempt a
                    where a.job_id = j.id and a.outcome not in ('released', 'snoozed', 'waiting')) a
where a.numbers <> array(select generate_series(1, j.attempts))

-- promise: I5 every attempt has an end and a cause
select a.job_id, a.attempt from chaos.attempt a where a.outcome is null or a.finished_at is null

-- promise: I6 nothing runs unclaimed: each begin has an attempt of its own, of that worker
select r.job_id, r.attempt, r.pid, count(*) as begins from chaos.run r
group by 1, 2, 3
having count(*) > (select count(*) from chaos.attempt a where a.job_id = r.job_id and a.attempt = r.attempt and a.pid = r.pid)

-- promise: I6 what went back as never begun has not begun
select a.job_id, a.attempt, a.pid from chaos.attempt a join chaos.run r on r.job_id = a.job_id and r.attempt = a.attempt and r.pid = a.pid
where a.error = 'its worker died before it began'

-- promise: I6 a completed job has run to its end, in the attempt that completed it
select a.job_id, a.attempt, a.pid from chaos.attempt a join chaos.job j on j.id = a.job_id
where a.outcome = 'completed' and j.job_type like 'journal%'
  and not exists (select from chaos.run r where r.job_id = a.job_id and r.attempt = a.attempt and r.pid = a.pid and r.has_end)

-- promise: I7 two attempts of a job never overlap
select a.job_id, a.attempt, a.pid, b.attempt as other, b.pid as other_pid, a.last_us - b.begin_us as overlap_us
from chaos.run a join chaos.run b on b.job_id = a.job_id and (b.attempt, b.pid, b.n) <> (a.attempt, a.pid, a.n)
where b.begin_us >= a.begin_us and b.begin_us < a.last_us

-- promise: I7 no session of an earlier attempt lives beside the next one
select l.job_id, l.attempt from chaos.journal l where l.what = 'beside'

-- promise: I9 a handler's own writes happen exactly with its completion
select j.id, j.status, j.attempts, e.attempts from chaos.job j
cross join lateral (select coalesce(array_agg(e.attempt), '{}') as attempts from journal_effect e where e.job_id = j.id) e
where j.job_type in ('journal_tx', 'chaos_sql')
  and e.attempts <> case when j.status = 'completed' then array[j.attempts] else '{}' end

-- promise: I9 what it enqueues in its transaction exists exactly when it completed
select coalesce(j.id, c.parent) as id, j.status, c.children
from (select * from chaos.job j where j.job_type = 'journal_tx' and j.op is not null) j
full join (select substr(c.op, 7)::bigint as parent, count(*) as children from chaos.job c where c.op like 'child.%' group by 1) c on c.parent = j.id
where coalesce(c.children, 0) <> coalesce((j.status = 'completed')::int, 0)

-- promise: I10 no job has more attempts than it may
select j.id, j.attempts, j.max_attempts, j.crashes from chaos.job j where j.attempts > j.max_attempts or j.crashes > 3

-- promise: I10 a job fails only with its attempts, or the crashes it may have, used up
select j.id, j.attempts, j.max_attempts, j.crashes from chaos.job j
where j.status = 'failed' and j.attempts <> j.max_attempts and j.crashes < 3

-- promise: I11 nothing runs before its time (what is retried runs at once, also when it was cancelled before its time)
select r.job_id, r.begin_at, j.run_at from chaos.run r join chaos.job j on j.id = r.job_id
where r.begin_at < j.run_at - interval '50 ms' and j.op not like 'schedule.%' and j.id not in (select x.id from chaos.retried x)

-- promise: I12 never more run than a limit lets
select l.what, l.most, a.begin_us, count(*) as running
from chaos.limited l join chaos.run a on a.job_id = l.id
join chaos.limited m on m.what = l.what
join chaos.run b on b.job_id = m.id and b.begin_us <= a.begin_us and b.last_us > a.begin_us
group by l.what, l.most, a.begin_us, a.job_id having count(*) > l.most

-- promise: I13 a schedule makes one job for each of its ticks
select t.name, t.due, count(j.id) as made
from (select t.name, t.first_at, t.next_at, extract(epoch from t.next_at - t.first_at)::int as due from chaos.tick t) t
left join chaos.job j on j.op = 'schedule.' || t.name
group by t.name, t.due having count(j.id) <> t.due

-- promise: I14 what is cancelled ends so, and nothing else does
select j.id, j.status, c.answered from chaos.job j
left join chaos.cancelled c on c.id = j.id
left join chaos.retried r on r.id = j.id
where j.status = 'cancelled' and c.id is null or j.status <> 'cancelled' and c.answered and r.id is null

-- promise: I14 what is cancelled does not begin any more
select c.id, c.at as cancelled_at, r.begin_at from chaos.cancelled c join chaos.run r on r.job_id = c.id
where c.answered and r.begin_at > c.at + interval '2 s' * $1 and c.id not in (select x.id from chaos.retried x)

-- promise: I15 a lease is one claim's of one worker
select a.lease_id, array_agg(a.job_id) as jobs, array_agg(a.worker_id) as workers from chaos.attempt a where a.lease_id is not null
group by 1 having count(*) > count(distinct a.job_id) or count(distinct a.worker_id) > 1

-- promise: G8 a handler is gone when its timeout and its grace are over
select r.job_id, r.attempt, r.last_us - r.begin_us as ran_us, j.timeout, j.kill_grace from chaos.run r join chaos.job j on j.id = r.job_id
where j.timeout is not null and r.last_us - r.begin_us > (extract(epoch from j.timeout + coalesce(j.kill_grace, '1 s')) + 2 * $1) * 1e6

-- promise: I17 nothing is left over: no running job, no result put off
select 'job' as what, j.id from ganger.job j union all select 'late result', l.job_id from ganger.late_result l

-- promise: I20 the counts of stats() are those of the rows
select * from (select (ganger.stats() ->> s)::bigint as told, s, (select count(*) from chaos.job j where j.status = s) as there
               from unnest(array['completed', 'failed', 'cancelled', 'pending', 'processing']) s) c
where told <> there
