-- A schedule stays at the tick whose job it has made.
select seeded.seed('_run_schedule', 'set next_at = tick, tick_at = null', 'set next_at = x.next_at, tick_at = null');
