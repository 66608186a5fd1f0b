-- SPDX-License-Identifier: MIT
-- The table of what was measured, as the view report. A call that statement_timeout ended has no time.
\pset format aligned
\pset tuples_only off
\pset footer off
create temp view report as
select m.state, c.name as call, round(m.ms, 1) as ms, m.pages, m.wal, m.rows_read as entries, m.jit, m.scanned as "row by row"
from measured m join calls c using (n) order by c.n, m.state;
