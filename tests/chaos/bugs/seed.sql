-- seeded.seed() replaces a piece of a function of ganger by another one. It fails when there is no such function, or the piece does not occur
-- in it: a bug that is not there would be found by nobody. seeded.heal() takes all of them back.
set client_min_messages = warning;
create schema if not exists seeded;
create table if not exists seeded.original (def text);

create or replace function seeded.seed(name text, piece text, instead text) returns void language plpgsql as $seed$
declare
    def text;
begin
    select pg_get_functiondef(p.oid) into strict def from pg_proc p where p.pronamespace = 'ganger'::regnamespace and p.proname = name;
    if strpos(def, piece) = 0 then
        raise exception 'a seeded bug has no place: % has no "%"', name, piece;
    end if;
    insert into seeded.original values (def);
    execute replace(def, piece, instead);
end $seed$;

create or replace function seeded.heal() returns void language plpgsql as $heal$
declare
    def text;
begin
    for def in select o.def from seeded.original o order by o.ctid desc loop -- the last one first: it may be of the same function
        execute def;
    end loop;
    delete from seeded.original;
end $heal$;
