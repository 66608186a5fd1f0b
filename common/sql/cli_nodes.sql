-- All of the view ganger.nodes. $1 bool: fill the column json (the row as an object).
select v.*, case when $1::bool then row_to_json(v) end as json
from ganger.nodes as v
order by 1;
