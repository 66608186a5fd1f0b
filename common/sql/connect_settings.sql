-- The settings of one session, in one round trip after connecting.
-- $1 int: the backend's pid as the client was told it; $2 text: how long a statement may wait for a lock, as 5s.
-- Columns: `pooled`: true when a pooler stands between (it hands out pids of its own); then nothing is set,
--   as the session belongs to others too, and ALTER ROLE ... SET has to do it;
--   `lacking`: what it has not done, as NAME = VALUE; empty without a pooler;
--   `durable`: false when a commit of this session may be lost in a crash of the server after it was answered.
-- A setting this server does not know is left out; the tcp_* ones do nothing on a unix socket.
with wanted (name, value, harmful) as (
    values
        -- a statement whose client is gone ends within a second instead of committing later
        ('client_connection_check_interval', '1s', '0'),
        -- a silent network is noticed within 10 s (keepalives each 5 s: the second finds tcp_user_timeout over); a pooler has its own for its
        -- clients
        ('tcp_user_timeout', '10s', null),
        ('tcp_keepalives_idle', '5', null),
        ('tcp_keepalives_interval', '5', null),
        ('tcp_keepalives_count', '3', null),
        -- nothing of ours waits for a lock longer than that; it is tried again
        ('lock_timeout', $2::text, case when current_setting('lock_timeout')::interval not between '1 ms' and $2::text::interval
            then current_setting('lock_timeout') end),
        -- handlers hold transactions; their time limit is the job's timeout
        ('idle_in_transaction_session_timeout', '0', null),
        -- short statements only: compiling costs more than it brings
        ('jit', 'off', 'on')
    union all
    -- a claim must be on disk before its handler starts; any other value than off has it on this server's disk, how much
    -- more is wanted is the database's to say
    select 'synchronous_commit', 'on', null
    where current_setting('synchronous_commit') = 'off'
),
applied as (
    select count(set_config(name, value, false)) as settings
    from wanted
    where pg_backend_pid() = $1::int
        and current_setting(name, true) is not null
)
select pg_backend_pid() <> $1::int as pooled, settings,
    (select coalesce(string_agg(format('%s = %L', name, value), ', '), '') from wanted
     where pg_backend_pid() <> $1::int and current_setting(name, true) = harmful) as lacking,
    pg_backend_pid() = $1::int or current_setting('synchronous_commit') <> 'off' as durable
from applied;
