-- Part of the first migration's transaction: what has been applied, and from which text.
create table if not exists ganger.migration (
    version int primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now(),
    duration_ms int not null
);
