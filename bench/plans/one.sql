-- SPDX-License-Identifier: MIT
-- Measures all calls, each in a transaction of its own, as the state that the psql variable `state` names.
select format('insert into measured select m.* from calls c cross join lateral pg_temp.measure(%L, c) m where c.n = %s', :'state', n)
from calls order by n \gexec
