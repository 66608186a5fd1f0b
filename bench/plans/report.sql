-- SPDX-License-Identifier: MIT
-- The table of what was measured. A call that statement_timeout ended has no time.
\pset format aligned
\pset tuples_only off
\pset footer off
select c.name as call, m.state, round(m.ms, 1) as ms, m.pages, m.wal, m.rows_read as entries, m.jit, m.scanned as "row by row"
from measured m join calls c using (n) order by c.n, m.state;
