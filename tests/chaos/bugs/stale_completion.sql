-- A completion is accepted whatever its lease is.
select seeded.seed('_complete_one', 'x.lease_id = _complete_one.lease_id for update', 'x.lease_id is not null for update');
select seeded.seed('_complete_one', 'j.lease_id = _complete_one.lease_id and j.status', 'j.status');
