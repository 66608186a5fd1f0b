-- What follows from the logs, once they are loaded. $1 is replaced by the microseconds from CLOCK_BOOTTIME to 1970.

alter table chaos.journal add at timestamptz;
update chaos.journal set at = to_timestamp((us + $1) / 1e6);
alter table chaos.op add at timestamptz, add op text;
update chaos.op set at = to_timestamp((us + $1) / 1e6), op = producer || '.' || number;
create index on chaos.op (op);
alter table chaos.fault add at timestamptz;
update chaos.fault set at = to_timestamp((us + $1) / 1e6);

-- Runs of handlers: from the first to the last line that one wrote. Whoever was killed ran somewhat longer: so overlaps are never
-- too many. A second "begin" of the same attempt in the same process (it went back uncounted) is a run of its own.
create table chaos.run as
select l.job_id, l.attempt, l.pid, l.n, min(l.us) as begin_us, max(l.us) as last_us, min(l.at) as begin_at, max(l.at) as last_at,
       bool_or(l.what = 'end') as has_end
from (select *, count(*) filter (where what = 'begin') over (partition by job_id, attempt, pid order by us) as n from chaos.journal) l
group by 1, 2, 3, 4;
create index on chaos.run (job_id);

-- How each call of a producer ended; one without an outcome was cut off with its producer.
create table chaos.outcome as
select o.op, min(o.kind) as kind, min(o.key) as key, min(o.count) as count,
       min(o.us) filter (where o.what = 'invoke') as invoked_us,
       coalesce(min(o.what) filter (where o.what <> 'invoke'), 'unknown') as what
from chaos.op o group by o.op;
create index on chaos.outcome (op);

-- Whom somebody asked to cancel; answered: was told that it is, and when. And whom somebody may have retried.
create table chaos.cancelled as
select o.id, bool_or(o.what = 'ok' and o.code = 't') as answered, min(o.at) filter (where o.what = 'ok' and o.code = 't') as at
from chaos.op o where o.kind = 'cancel' and o.what in ('ok', 'unknown') group by o.id;
create table chaos.retried as
select distinct o.id from chaos.op o where o.kind = 'retry' and (o.what = 'ok' and o.code = 't' or o.what = 'unknown');

-- What may run only so many at a time, and by whom.
create table chaos.limited as
select 'group ' || j.group_key as what, substr(j.group_key, 2)::int as most, j.id from chaos.job j where j.group_key ~ '^g[0-9]+$'
union all select 'queue narrow', 3, j.id from chaos.job j where j.queue = 'narrow'
union all select 'batch ' || b.id, b.concurrency, j.id from chaos.job j join ganger.batches b on b.id = j.batch_id
union all select 'unique ' || j.unique_key, 1, j.id from chaos.job j
    where j.unique_key is not null and j.id not in (select r.id from chaos.retried r);
analyze;
