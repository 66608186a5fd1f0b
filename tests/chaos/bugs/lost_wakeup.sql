-- The end of a job of a group gives its place to nobody.
select seeded.seed('_finish', 'insert into ganger.signal (kind, key) select ''group'', unnest(groups);', 'null;');
select seeded.seed('_finish', 'perform ganger._admit_groups(groups);', 'null;');
