-- Roles: who may do what. The last file: what it takes away and gives covers everything that the others make.

-- Makes `role` act for `owner` instead of for the owner of its own name; '*' = for any owner; null = for its own name again. Matters only
-- to a role that is in ganger_producer and in none of those that may act for every owner. Errors: 22023 role missing, owner empty or
-- longer than 255 bytes; 42704 unknown role.
create function ganger.set_role_owner(role text, owner text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    role_oid oid;
begin
    if role is null then
        raise exception 'role is missing' using errcode = '22023';
    end if;
    perform ganger._raise_problem(ganger._name_problem('owner', owner));
    select r.oid into role_oid from pg_roles r where r.rolname = set_role_owner.role;
    if not found then
        raise exception 'there is no role "%"', role using errcode = '42704', hint = 'Upper and lower case matter here.';
    end if;
    if owner is null then
        delete from ganger.role_owner o where o.role = role_oid;
    else
        insert into ganger.role_owner as o values (role_oid, set_role_owner.owner)
        on conflict on constraint role_owner_pkey do update set owner = excluded.owner;
    end if;
end $$;

-- The roles belong to the server, not to this database: another one may have made them, or an administrator, where we may not.
do $$
declare
    missing text[] := array(select r from unnest('{ganger_producer, ganger_api_producer, ganger_reader, ganger_worker, ganger_operator, '
                                                               'ganger_admin}'::text[]) r
                            where not exists (select from pg_roles p where p.rolname = r));
    one     text;
begin
    foreach one in array missing loop
        begin
            execute format('create role %I nologin', one);
        exception
            when duplicate_object or unique_violation then
                null; -- somebody who migrates another database was quicker
            when insufficient_privilege then
                raise exception 'the roles % are missing, and "%" may not create roles', array_to_string(missing, ', '), current_user
                    using errcode = '42501',
                    detail = format('Let a superuser run: create role %s; then migrate again.', array_to_string(missing, '; create role '));
        end;
    end loop;
end $$;

-- Nothing is for everybody.
revoke all on schema ganger from public;
revoke all on all tables in schema ganger from public;
revoke all on all sequences in schema ganger from public;
revoke all on all functions in schema ganger from public;
revoke all on all routines in schema ganger from public;

grant usage on schema ganger to ganger_producer, ganger_api_producer, ganger_reader, ganger_worker, ganger_operator, ganger_admin;

-- The matrix. A letter for each role that may call a function or read a view: p producer (bound to an owner or, api_producer, not), r reader, w worker, o operator, a admin. Views
-- and the versions are read with SELECT, functions (all of that name) called with EXECUTE. A name that does not exist is passed over.
do $$
declare
    right_of record;
begin
    for right_of in
        select m.name, m.kind, g.role
        from (values
            -- enqueue; producers are held to their owner by the functions themselves, see ganger._acting_owner
            ('enqueue',              'p.w..', 'function'),
            ('enqueue_many',         'p.w..', 'function'),
            ('cancel',               'p..oa', 'function'),
            -- look
            ('get_job',              'prwoa', 'function'),
            ('list_jobs',            'pr.oa', 'function'),
            ('count_jobs',           'pr.oa', 'function'),
            ('job_events',           'pr.oa', 'function'),
            ('explain_job',          'pr.oa', 'function'),
            ('wait_for_job',         'pr.oa', 'function'),
            ('jobs',                 'pr.oa', 'view'),
            ('attempts',             'pr.oa', 'view'),
            ('stats',                '.r.oa', 'function'),
            ('overview',             '.r.oa', 'function'),
            ('throughput',           '.r.oa', 'function'),
            ('job_type_overview',    '.r.oa', 'function'),
            ('durations',            '.r.oa', 'function'),
            ('failures',             '.r.oa', 'function'),
            ('doctor',               '.r.oa', 'function'),
            ('read_events',          '.r.oa', 'function'),
            ('last_event_id',        '.rwoa', 'function'),
            ('get_batch',            '.r.oa', 'function'),
            ('batch_stats',          '.r.oa', 'function'),
            ('next_cron',            'prwoa', 'function'),
            ('queues',               '.r.oa', 'view'),
            ('job_types',            '.r.oa', 'view'),
            ('groups',               '.r.oa', 'view'),
            ('workers',              '.r.oa', 'view'),
            ('nodes',                '.r.oa', 'view'),
            ('schedules',            '.r.oa', 'view'),
            ('batches',              '.r.oa', 'view'),
            ('tokens',               '.r.oa', 'view'),
            ('migration',            'prwoa', 'table'),
            -- tokens: whoever knows the name of one may use it
            ('create_token',         'p.w..', 'function'),
            ('complete_token',       'p.woa', 'function'),
            ('get_token',            'prwoa', 'function'),
            -- work
            ('claim',                '..w..', 'function'),
            ('complete',             '..w..', 'function'),
            ('fail',                 '..w..', 'function'),
            ('discard',              '..w..', 'function'),
            ('snooze',               '..w..', 'function'),
            ('heartbeat',            '..w..', 'function'),
            ('set_progress',         '..w..', 'function'),
            ('set_output',           '..w..', 'function'),
            ('log',                  '..w..', 'function'),
            ('step_get',             '..w..', 'function'),
            ('step_put',             '..w..', 'function'),
            ('wait_for',             '..w..', 'function'),
            ('wait_until',           '..w..', 'function'),
            ('wait_for_token',       '..w..', 'function'),
            ('run_sql_handler',      '..w..', 'function'),
            -- operate
            ('cancel_jobs',          '...oa', 'function'),
            ('retry',                '...oa', 'function'),
            ('retry_jobs',           '...oa', 'function'),
            ('redrive',              '...oa', 'function'),
            ('edit',                 '...oa', 'function'),
            ('edit_jobs',            '...oa', 'function'),
            ('pause_queue',          '...oa', 'function'),
            ('resume_queue',         '...oa', 'function'),
            ('pause_job_type',       '...oa', 'function'),
            ('resume_job_type',      '...oa', 'function'),
            ('set_queue',            '...oa', 'function'),
            ('set_job_type',         '...oa', 'function'),
            ('set_group_limit',      '...oa', 'function'),
            ('create_schedule',      '...oa', 'function'),
            ('edit_schedule',        '...oa', 'function'),
            ('pause_schedule',       '...oa', 'function'),
            ('resume_schedule',      '...oa', 'function'),
            ('delete_schedule',      '...oa', 'function'),
            ('run_schedule',         '...oa', 'function'),
            ('create_batch',         '...oa', 'function'),
            ('start_batch',          '...oa', 'function'),
            ('pause_batch',          '...oa', 'function'),
            ('resume_batch',         '...oa', 'function'),
            ('cancel_batch',         '...oa', 'function'),
            ('clear_batch',          '...oa', 'function'),
            ('cleanup',              '...oa', 'function'),
            ('kill_worker',          '...oa', 'function'),
            ('reclaim_stuck',        '...oa', 'function'),
            ('delete_job',           '...oa', 'function'),
            ('delete_jobs',          '...oa', 'function'),
            ('maintain',             '..woa', 'function'),
            -- administer
            ('set_role_owner',       '....a', 'function'),
            ('create_api_token',     '....a', 'function'),
            ('revoke_api_token',     '....a', 'function'),
            ('api_tokens',           '....a', 'view'),
            ('_set_setting',         '..w.a', 'function'),
            -- what the views call in the name of who reads them
            ('_sees_all',            'pr.oa', 'function'),
            ('_sees_owner',          'pr.oa', 'function'),
            ('_sees_queues',         'pr.oa', 'function'),
            -- what the HTTP API asks for its callers; those that begin with _api_ and have their caller's rights are for all, see below
            ('_api_page',            'pr.oa', 'function'),
            ('_api_job_text',        'prwoa', 'function'),
            ('_usual_job_text',      'p.w..', 'function'),
            ('_api_total',           'pr.oa', 'function'),
            ('_api_check_job',       'prwoa', 'function'),
            ('_api_may_see_all',     'prwoa', 'function'),
            ('_api_queues',          '.r.oa', 'function'),
            ('_api_job_types',       '.r.oa', 'function'),
            ('_api_group',           '.r.oa', 'function'),
            ('_held_limits',         '...oa', 'function'),
            ('_api_hold',            '...oa', 'function'),
            ('_job_state',           'prwoa', 'function'),
            ('_job_page',            'pr.oa', 'function'),
            ('_job_steps',           'pr.oa', 'function'),
            ('_job_ties',            'pr.oa', 'function'),
            ('_api_tokens',          '..w.a', 'function'),
            ('_worker_text',         'pr.oa', 'function'),
            ('_worker_pid',          'pr.oa', 'function'),
            ('_node_name',           'pr.oa', 'function'),
            ('_is_full',             'pr.oa', 'function'),
            ('_held_jobs',           '.r.oa', 'function'),
            ('_job_brief',           '.r.oa', 'function'),
            ('_process_usage',       '.r.oa', 'function'),
            ('_token_timeout',       'pr.oa', 'function'),
            ('_error_history',       'pr.oa', 'function'),
            -- what gangerd's programs call
            ('_apply_configured',    '..w..', 'function'),
            ('_tell_hooks',          '..w..', 'function'),
            ('_memory',              '..w..', 'function'),
            ('_note_prolonged',      '..w..', 'function'),
            ('_register_node',       '..w..', 'function'),
            ('_heartbeat_node',      '..w..', 'function'),
            ('_oldest_horizon',      '..w..', 'function'),
            ('_metrics',             '.rwoa', 'function'),
            ('_feed',                '.rwoa', 'function'),
            ('_which_ended',         '.rwoa', 'function'),
            ('_live_nodes',          '..w..', 'function'),
            ('_bury_node',           '..w..', 'function'),
            ('_stop_node',           '..w..', 'function'),
            ('_set_idle',            '..w..', 'function'),
            ('_poll',                '..w..', 'function'),
            ('_register_worker',     '..w..', 'function'),
            ('_backend_start',       '..w..', 'function'),
            ('_reattach_worker',     '..w..', 'function'),
            ('_mark_worker_dead',    '..w..', 'function'),
            ('_settle_worker',       '..w..', 'function'),
            ('_worker_backends',     '..w..', 'function'),
            ('_live_workers',        '..w..', 'function'),
            ('_end_unknown_workers', '..w..', 'function'),
            ('_take_jobs',           '..w..', 'function'),
            ('_finish_completed',    '..w..', 'function'),
            ('_settle_result',       '..w..', 'function'),
            ('_complete_with_effects', '..w..', 'function'),
            ('_end_sql_handler',     '..w..', 'function'),
            ('_running_job',         '..w..', 'function'),
            ('_release',             '..w..', 'function'),
            ('_promote',             '..w..', 'function'),
            ('_tick',                '..w..', 'function'),
            ('_tidy',                '..w..', 'function'),
            ('_tidy_partitions',     '..w..', 'function')
        ) m (name, letters, kind)
        join (values ('p', 'ganger_producer'), ('p', 'ganger_api_producer'), ('r', 'ganger_reader'), ('w', 'ganger_worker'), ('o', 'ganger_operator'),
                     ('a', 'ganger_admin')) g (letter, role) on strpos(m.letters, g.letter) > 0
    loop
        if right_of.kind = 'function' then
            execute (select coalesce(string_agg(format('grant execute on routine %s to %I', p.oid::regprocedure, right_of.role), '; '), '')
                     from pg_proc p where p.pronamespace = 'ganger'::regnamespace and p.proname = right_of.name);
        elsif to_regclass('ganger.' || right_of.name) is not null then
            execute format('grant select on ganger.%I to %I', right_of.name, right_of.role);
        end if;
    end loop;
end $$;

-- The operations of the HTTP API have their caller's rights: what that may do is asked by what they call.
do $$
declare
    one regprocedure;
begin
    for one in select p.oid from pg_proc p where p.pronamespace = 'ganger'::regnamespace and p.proname ~ '^_api_' and not p.prosecdef loop
        execute format('grant execute on function %s to ganger_producer, ganger_api_producer, ganger_reader, ganger_worker, ganger_operator, '
                       'ganger_admin', one);
    end loop;
end $$;

select ganger._note_fingerprints();
