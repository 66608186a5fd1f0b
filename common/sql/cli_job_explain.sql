-- Why a job is not running. $1 id. Columns: explanation; is_known: there is such a job; json.
select e.explanation, exists (select from ganger.get_job($1::bigint)) as is_known,
    jsonb_build_object('id', $1::bigint, 'explanation', e.explanation) as json
from ganger.explain_job($1::bigint) as e (explanation);
