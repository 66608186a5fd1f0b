-- A completed job is in the history, and still among the live ones.
select seeded.seed('_complete_one', 'delete from ganger.job j', 'update ganger.job j set progress = 100');
