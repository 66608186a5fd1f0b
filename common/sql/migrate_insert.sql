-- Notes a migration as applied, in its own transaction.
-- $1 int version, $2 text name, $3 text sha256, $4 int duration in ms.
insert into ganger.migration (version, name, sha256, duration_ms)
values ($1, $2, $3, $4);
