-- The end of a job of a group gives its place to nobody.
select seeded.seed('_leave_groups', 'insert into ganger.signal (kind, key) select ''group'', unnest(groups);', 'null;');
select seeded.seed('_leave_groups', 'perform ganger._admit_groups(groups, queue);', 'null;');
