-- One more job of a group than its limit has a place.
select seeded.seed('_admit_groups', 'then l.concurrency - (select', 'then l.concurrency + 1 - (select');
