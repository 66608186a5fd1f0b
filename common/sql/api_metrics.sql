-- What the database knows for metrics: one number a row.
-- Columns: what, name (of a queue or node, or null), state (or null), value. The words: ganger._metrics.
SELECT m.what, m.name, m.state, m.value FROM ganger._metrics() AS m;
