-- The rare cluster duties: partitions, retention.
-- Column `tidied`: jsonb of counts.
SELECT ganger._tidy() AS tidied;
