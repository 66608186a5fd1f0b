-- Replaces a piece of a function of ganger by another one. Fails when there is no such function, or the piece does not occur in it: a bug that
-- is not there would be found by nobody.
set client_min_messages = warning;
create schema if not exists chaos;
create or replace function chaos.seed(name text, piece text, instead text) returns void language plpgsql as $seed$
declare
    def text;
begin
    select pg_get_functiondef(p.oid) into strict def from pg_proc p where p.pronamespace = 'ganger'::regnamespace and p.proname = name;
    if strpos(def, piece) = 0 then
        raise exception 'a seeded bug has no place: % has no "%"', name, piece;
    end if;
    execute replace(def, piece, instead);
end $seed$;
