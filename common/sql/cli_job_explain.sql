-- Why a job is not running. $1 id. Columns: explanation; json.
select e.explanation, jsonb_build_object('id', $1::bigint, 'explanation', e.explanation) as json
from ganger.explain_job($1::bigint) as e (explanation);
