-- A job is tried for ever.
select seeded.seed('_end_attempt', 'and j.attempts < j.max_attempts', '');
