-- What follows in this transaction has the rights of a role, and reaches an owner's jobs, or those of some queues, only.
-- $1 text: role; $2 text: owner, '' = all; $3 text: queues as the text of a text[], '' = all.
select set_config('role', $1::text, true), set_config('ganger.bound_owner', $2::text, true),
    set_config('ganger.bound_queues', $3::text, true);
