-- Jobs begin before their time.
select seeded.seed('_promote', 'j.due_at <= clock', 'j.due_at <= clock + interval ''2 h''');
