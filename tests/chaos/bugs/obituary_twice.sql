-- The same death is written down as often as it is told.
select seeded.seed('_end_attempt', ' and x.lease_id = _end_attempt.lease_id and x.status = ''processing'' for update', ' for update');
