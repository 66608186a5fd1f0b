-- What a dead worker once held is taken back, whoever holds it now.
select seeded.seed('_settle_worker', ' and j.worker_id = worker and j.status = ''processing''', ' and j.status = ''processing''');
