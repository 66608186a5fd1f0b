-- The checksums of migration files, in the order given.
-- $1 text[]: their texts. Column `sha256`: hexadecimal.
select encode(sha256(convert_to(file.text, 'UTF8')), 'hex') as sha256
from unnest($1::text[]) with ordinality as file (text, place)
order by file.place;
