-- What goes back without having begun is charged all the same.
select seeded.seed('_end_attempt', 'attempts = case when is_free then x.attempts - 1 else x.attempts end,', 'attempts = x.attempts,');
select seeded.seed('_give_back', 'attempts = j.attempts - 1', 'attempts = j.attempts');
