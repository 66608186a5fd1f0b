-- Enqueues the jobs of some lines of NDJSON. Each line is read by itself, so that a line cannot close
-- the object of another.
-- $1 text[]: the lines. Columns: jobs, how many were enqueued; ids, separated by a comma and a space, in the order of the lines.
select count(*) as jobs, coalesce(string_agg(e.id::text, ', ' order by e.place), '') as ids
from ganger.enqueue_many((
    select jsonb_agg(l.line::jsonb order by l.place)
    from unnest($1::text[]) with ordinality as l (line, place)
)) with ordinality as e (id, place);
