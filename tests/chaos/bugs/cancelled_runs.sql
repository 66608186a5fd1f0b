-- A cancel says that it has cancelled, and does not.
select seeded.seed('cancel', 'return cardinality(ganger._finish(array[j.id], array[null::uuid], array[''cancelled''::ganger.job_status], unheld => true)) = 1;', 'return true;');
