-- An enqueue that is made again after a lost answer makes a second job, whatever its idempotency key.
select seeded.seed('_take_keys', 'if i.idempotency_key is not null then', 'if false then');
