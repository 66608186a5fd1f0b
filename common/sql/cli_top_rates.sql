-- Ends by the second, oldest first, without the second that runs. Columns: completed; failed.
select s.completed::bigint as completed, s.failed::bigint as failed
from (select ganger.throughput('2 min', '1 s') as t offset 0) as t
cross join lateral rows from (jsonb_array_elements_text(t.t -> 'completed'), jsonb_array_elements_text(t.t -> 'failed'))
    with ordinality as s (completed, failed, place)
where s.place < jsonb_array_length(t.t -> 'at')
order by s.place;
