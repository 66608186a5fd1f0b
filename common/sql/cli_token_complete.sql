-- Completes a token. $1 token, $2 data JSON. Columns: id; done; was: status before, null = there is no such token; json.
select c.id, c.done, c.was, jsonb_build_object('token', c.id, 'completed', c.done, 'was', c.was) as json
from (select $1::text as id, (select t.status from ganger.get_token($1::text) as t) as was,
             ganger.complete_token($1::text, $2::text::jsonb) as done) as c;
