-- The bearer tokens of the HTTP API. Only their SHA-256 is kept: a token is 256 random bits, which nobody finds by guessing.

create table ganger.api_token (
    id         bigint generated always as identity primary key,
    name       text not null,                          -- what people call it
    sha256     bytea not null unique,
    scopes     text[] not null,                        -- read, enqueue, work, operate, admin
    owner      text,                                   -- null: not bound to one
    queues     text[],                                 -- null: not bound to any
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create unique index api_token_name on ganger.api_token (name) where revoked_at is null;

create view ganger.api_tokens with (security_barrier) as
select t.id, t.name, t.scopes, t.owner, t.queues, t.created_at, t.expires_at, t.revoked_at,
       case when t.revoked_at is not null then 'revoked' when t.expires_at <= clock_timestamp() then 'expired' else 'valid' end as state
from ganger.api_token t;

-- What is wrong with a token's scopes or queues, as 'SQLSTATE message', or null.
create function ganger._api_token_problem(scopes text[], queues text[]) returns text language sql immutable as $$
    select case
        when coalesce(cardinality(scopes), 0) = 0
            then E'22023 scopes is missing\nIt says what the token may do: any of read, enqueue, work, operate, admin.'
        when not scopes <@ '{read, enqueue, work, operate, admin}' then
            (select format(E'22023 scopes: there is no scope "%s"\nThey are read, enqueue, work, operate, admin.', s)
             from unnest(scopes) s where s is null or s not in ('read', 'enqueue', 'work', 'operate', 'admin') limit 1)
        when cardinality(queues) = 0 then E'22023 queues is empty\nLeave it out for a token of all queues.'
        when array_position(queues, null) is not null then '22023 queues has a null in it'
        else (select ganger._name_problem('queues', q) from unnest(queues) q where ganger._name_problem('queues', q) is not null limit 1) end
$$;

-- Makes a token, which is good at once.
--
--   name        what people call it, 1..255 bytes; one valid token for each name
--   sha256      of the token's text, 32 bytes; the token itself never comes here
--   scopes      what it may do: read, enqueue, work, operate, admin (all of them)
--   owner       its requests reach this owner's jobs only; null: all
--   queues      and jobs of these queues only; null: of all
--   expires_at  null: never
-- Returns its id. Errors: 22023 bad value; 23505 there is a valid one of that name, or that token is known.
create function ganger.create_api_token(name text, sha256 bytea, scopes text[], owner text default null, queues text[] default null,
                                        expires_at timestamptz default null)
returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    made bigint;
begin
    perform ganger._raise_problem(coalesce(
        case when name is null then '22023 name is missing' end, ganger._name_problem('name', name),
        case when octet_length(sha256) is distinct from 32 then '22023 sha256 must have 32 bytes' end,
        ganger._api_token_problem(scopes, queues), ganger._name_problem('owner', owner),
        case when expires_at <= clock_timestamp() or not isfinite(expires_at) then '22023 expires_at must be in the future, not ' || expires_at end));
    -- one that has expired makes room for the next of its name
    update ganger.api_token t set revoked_at = t.expires_at
    where t.name = create_api_token.name and t.revoked_at is null and t.expires_at <= clock_timestamp();
    insert into ganger.api_token (name, sha256, scopes, owner, queues, expires_at)
    values (create_api_token.name, create_api_token.sha256, array(select distinct s from unnest(create_api_token.scopes) s order by s),
            create_api_token.owner, create_api_token.queues, create_api_token.expires_at)
    on conflict do nothing returning id into made;
    if made is null then
        raise exception 'there is a token "%" already', name using errcode = '23505', column = 'name',
            hint = 'Take another name, or revoke that one first.';
    end if;
    return made;
end $$;

-- Makes a token worthless, within five seconds. False: there is none, or it was revoked before.
create function ganger.revoke_api_token(id bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
begin
    update ganger.api_token t set revoked_at = clock_timestamp() where t.id = revoke_api_token.id and t.revoked_at is null;
    if not found then
        perform ganger._wait_at_commit(); -- it may have been revoked just now
        return false;
    end if;
    return true;
end $$;

-- The valid tokens, for the server that checks them.
create function ganger._api_tokens() returns setof ganger.api_token
language sql stable security definer set search_path = pg_catalog, ganger, pg_temp as $$
    select t.* from ganger.api_token t where t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())
$$;
