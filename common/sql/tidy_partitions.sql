-- One step of looking after the partitions of history; a transaction of its own, as some steps hold up every finish until it ends.
-- Columns: step, a word for the log; more: another step can follow.
SELECT t.step, t.more FROM ganger._tidy_partitions() AS t;
