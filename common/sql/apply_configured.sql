-- Brings a section of the configuration into the database.
-- $1 text: schedule or queue; $2 text: name of this node; $3 text: JSON object of objects by name, null: there is no such section.
-- Columns: name, action, error; a row for each that was changed, refused or could not be reached now (busy).
SELECT a.name, a.action, a.error FROM ganger._apply_configured($1::text, $2::text, $3::text::jsonb) AS a;
