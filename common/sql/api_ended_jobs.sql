-- Which of these jobs have ended, for the answers that wait for that.
-- $1 bigint[]: ids, each once. Columns: ids, those that have ended or are not there, joined by commas; null: none.
select string_agg(e.id::text, ',') as ids from ganger._which_ended($1::bigint[]) as e (id);
