-- Revokes tokens of the HTTP API. $1 text[]: ids or names; of several with a name the one that is good.
-- Columns: id; done; was: what to say when not, null: there is no such token; json.
select c.word as id, c.done, case when c.id is not null then 'was revoked already' end as was,
    jsonb_build_object('token', c.word, 'id', c.id, 'revoked', c.done) as json
from (
    select n.word, t.id, t.id is not null and ganger.revoke_api_token(t.id) as done
    from unnest($1::text[]) with ordinality as n (word, place)
    left join lateral (
        select v.id from ganger.api_tokens as v
        where case when n.word ~ '^[0-9]{1,18}$' then v.id = n.word::bigint else v.name = n.word end
        order by v.state = 'revoked', v.id desc limit 1
    ) as t on true
    order by n.place
) as c;
