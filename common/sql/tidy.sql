-- The rare cluster duties: rows past their retention, nodes and lanes nobody needs.
-- Column `tidied`: jsonb of counts.
SELECT ganger._tidy() AS tidied;
