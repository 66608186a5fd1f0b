-- Ends one attempt by its outcome word.
-- $1 bigint: job; $2 uuid: lease; $3 text: outcome; $4 text: output or message; $5 bigint: delay ms; $6 int: exit code;
-- $7 int: signal; $8 bigint: cpu us; $9 bigint: max rss; $10 text: log; $11 bigint: ran us; $12 bigint: ended us ago.
-- Column `answer`: completed | failed | cancelled | pending | deferred | already, or null: the lease is stale.
SELECT ganger._settle_result($1::bigint, $2::uuid, $3::text, $4::text, $5::bigint, $6::integer, $7::integer, $8::bigint,
                             $9::bigint, $10::text, $11::bigint, $12::bigint) AS answer;
