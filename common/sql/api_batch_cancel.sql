-- POST /api/batches/{batch}/cancel.
-- $1 jsonb: the request; $2 text: the body. Columns: status, body, headers; no row: 404.
select a.status, a.body, a.headers from ganger._api_change_batch($1::jsonb, $2::text, 'cancel') as a where a.status is not null;
