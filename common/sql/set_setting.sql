-- Brings a setting of the configuration into the database.
-- $1 text: name; $2 text: value.
SELECT ganger._set_setting($1::text, $2::text);
