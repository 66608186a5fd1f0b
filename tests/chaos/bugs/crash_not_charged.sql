-- A crash gives the attempt back.
select seeded.seed('_end_attempt', 'outcome in (''released'', ''snoozed'', ''waiting'');', 'outcome in (''released'', ''snoozed'', ''waiting'', ''crashed'');');
