-- Enqueues the jobs of some lines of NDJSON. Each line is read by itself, so that a line cannot close
-- the object of another.
-- $1 text[]: the lines. Column: jobs, how many were enqueued.
select count(*) as jobs
from ganger.enqueue_many((
    select jsonb_agg(l.line::jsonb order by l.place)
    from unnest($1::text[]) with ordinality as l (line, place)
));
