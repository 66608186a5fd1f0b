// SPDX-License-Identifier: MIT
// Tests of handlers that are SQL functions, and of functions that apply the output of a program.
#include <pthread.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/effect_run.h"

static const RunResult *run_function_sql(Fixture *self, const char *name)
{
    self->run.handler_config.kind = HANDLER_SQL;
    self->run.handler_config.sql = mem_strdup(name);
    worker_run_forget_result(&self->run);
    run_sql(&self->run.handler, &self->run.context, &self->run.result);
    free(self->run.handler_config.sql);
    self->run.handler_config.sql = NULL;
    return &self->run.result;
}

static void test_sql_handlers(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE FUNCTION good(payload jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE sql AS $$ INSERT INTO effect VALUES (job.id, job.attempts); "
                             "SELECT jsonb_build_object('id', job.id) $$");
    test_db_run(self->admin, "CREATE FUNCTION bad(payload jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE plpgsql AS $$ BEGIN INSERT INTO effect VALUES (job.id, 1); "
                             "RAISE 'no luck' USING errcode = 'AB123', detail = 'none'; END $$");
    test_db_run(self->admin, "CREATE FUNCTION sly(payload jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE plpgsql AS $$ BEGIN "
                             "RAISE 'not what you think' USING errcode = '26000'; END $$");
    test_db_run(self->admin, "CREATE FUNCTION slow(payload jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE sql AS $$ SELECT to_jsonb(pg_sleep(100)::text) $$");
    claim(self);
    run_function_sql(self, "public.bad");
    expect(self, OUTCOME_ERROR, "no luck (SQLSTATE AB123)\nnone", false, "processing", 0);
    self->run.job.lease[0] ^= 1;
    run_function_sql(self, "public.good");
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
    self->run.job.lease[0] ^= 1;
    // Somebody's DISCARD ALL: the statement is prepared anew, which the code of a function's own error does not bring about.
    assert_int_equal(db_exec_script(self->run.context.db, "DEALLOCATE ALL", 10000), STATUS_OK);
    run_function_sql(self, "public.sly");
    expect(self, OUTCOME_ERROR, "not what you think (SQLSTATE 26000)", false, "processing", 0);
    assert_int_equal(db_exec_script(self->run.context.db, "DEALLOCATE ALL", 10000), STATUS_OK);
    run_function_sql(self, "public.good");
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);

    claim(self);
    worker_run_stop(&self->run, STOP_TIMEOUT);
    run_function_sql(self, "public.slow");
    expect(self, OUTCOME_ERROR, "(SQLSTATE 57014)", false, "processing", 1);
    assert_false(db_is_lost(self->run.context.db));
}

static const RunResult *run_program(Fixture *self, const char *script, const char *apply)
{
    char *program[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, mem_strdup(script)};
    char *function = mem_strdup(apply);
    self->run.handler_config.kind = HANDLER_EXEC;
    self->run.handler_config.exec = (StringList){.items = program, .count = 3};
    self->run.handler_config.apply = function;
    worker_run_forget_result(&self->run);
    slot_log_clear(self->run.slot);
    run_exec(&self->run.handler, &self->run.context, &self->run.result);
    self->run.handler_config.apply = NULL;
    free(program[2]);
    free(function);
    return &self->run.result;
}

static bool replace_connection(RunContext *run)
{
    Fixture *self = run->worker;
    db_close(run->db);
    run->db = test_db_open(self->db);
    return true;
}

// The COMMIT came through, and only its answer did not.
static bool replace_connection_after_commit(RunContext *run)
{
    Fixture *self = run->worker;
    StrBuf lease = {0};
    for (size_t i = 0; i < sizeof run->job->lease; i++) {
        strbuf_printf(&lease, "%02x", (unsigned)run->job->lease[i]);
    }
    test_db_run(self->admin, "SELECT ganger.complete(%lld, '%s')", (long long)run->job->id,
                lease.text);
    strbuf_free(&lease);
    return replace_connection(run);
}

static void end_backend(Fixture *self)
{
    test_db_run(self->admin, "SELECT pg_terminate_backend(%d, 5000)",
                db_backend_pid(self->run.context.db));
}

// Tells the run to stop as soon as its function sleeps.
static void *stop_the_function(void *argument)
{
    Fixture *self = argument;
    PGconn *watcher = test_db_connect(self->db);
    (void)test_db_await(watcher, 20000,
                        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
                        "AND pid = %d",
                        db_backend_pid(self->run.context.db));
    PQfinish(watcher);
    worker_run_stop(&self->run, STOP_TIMEOUT);
    return NULL;
}

static void test_output_is_applied(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE FUNCTION keep(output jsonb, job ganger.jobs) RETURNS void "
                             "LANGUAGE sql AS $$ INSERT INTO effect VALUES (job.id, "
                             "(output ->> 'n')::int) $$");
    test_db_run(self->admin, "CREATE FUNCTION slow(output jsonb, job ganger.jobs) RETURNS void "
                             "LANGUAGE sql AS $$ SELECT pg_sleep(100) $$");
    claim(self);
    // What did not end well is not applied.
    run_program(self, "echo '{\"n\": 1}'; exit 3", "public.keep");
    expect(self, OUTCOME_ERROR, "3", false, "processing", 0);
    assert_int_equal(self->run.result.exit_code, 3);
    run_program(self, "echo '{\"n\": \"no\"}'", "public.keep");
    expect(self, OUTCOME_ERROR, "(SQLSTATE 22P02)", false, "processing", 0);
    self->run.job.lease[0] ^= 1;
    run_program(self, "echo '{\"n\": 1}'", "public.keep");
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
    self->run.job.lease[0] ^= 1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_the_function, self), 0);
    run_program(self, "echo '{\"n\": 1}'", "public.slow");
    pthread_join(thread, NULL);
    expect(self, OUTCOME_ERROR, "(SQLSTATE 57014)", false, "processing", 0);
    atomic_store(&self->run.slot->stop_serial, 0);
    run_program(self, "echo said >&2; echo '{\"n\": 7}'", "public.keep");
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
    assert_int_equal(test_db_int(self->admin, "SELECT attempt FROM effect"), 7);
    assert_int_equal(
        test_db_int(self->admin,
                    "SELECT count(*) FROM ganger.jobs j JOIN ganger.attempts a ON "
                    "a.job_id = j.id WHERE a.outcome = 'completed' AND a.log = "
                    "E'said\n' AND a.cpu_time IS NOT NULL AND j.output = '{\"n\": 7}'"),
        1);
}

// A connection that was lost while the program ran costs no attempt.
static void test_output_is_applied_after_a_loss(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE FUNCTION keep(output jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE sql AS $$ INSERT INTO effect VALUES (job.id, 1); "
                             "SELECT '\"kept\"'::jsonb $$");
    claim(self);
    end_backend(self);
    run_program(self, "echo 1", "public.keep");
    expect(self, OUTCOME_ERROR, "the connection was lost", false, "processing", 0);
    self->run.context.reconnect = replace_connection;
    self->run.context.worker = self;
    run_program(self, "echo 1", "public.keep");
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

// Whether the first call was committed is not known, and not denied.
static void test_output_applied_unheard(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE FUNCTION keep(output jsonb, job ganger.jobs) RETURNS void "
                             "LANGUAGE sql AS $$ INSERT INTO effect VALUES (job.id, 1) $$");
    claim(self);
    end_backend(self);
    self->run.context.reconnect = replace_connection_after_commit;
    self->run.context.worker = self;
    run_program(self, "echo 1", "public.keep");
    expect(self, OUTCOME_ERROR, "its completion may have been committed before", false, "completed",
           0);
    assert_true(self->run.result.is_in_doubt);
    // Not so of a lease that nobody knows.
    claim(self);
    self->run.job.lease[0] ^= 1;
    run_program(self, "echo 1", "public.keep");
    expect(self, OUTCOME_ERROR, "this attempt no longer owned the job", false, "processing", 0);
    assert_false(self->run.result.is_in_doubt);
    self->run.job.lease[0] ^= 1;
}

static void test_sql_handlers_are_checked(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE FUNCTION good(payload jsonb, job ganger.jobs) RETURNS jsonb "
                             "LANGUAGE sql AS $$ SELECT payload $$");
    test_db_run(self->admin, "CREATE FUNCTION typed(payload jsonb, job ganger.jobs) RETURNS text "
                             "LANGUAGE sql AS $$ SELECT 'x' $$");
    test_db_run(self->admin, "CREATE FUNCTION other(payload json) RETURNS jsonb LANGUAGE sql AS $$ "
                             "SELECT '{}'::jsonb $$");
    test_db_run(self->admin, "CREATE FUNCTION empty(output jsonb, job ganger.jobs) RETURNS void "
                             "LANGUAGE sql AS $$ SELECT $$");
    char *program[] = {(char[]){"/bin/true"}};
    const StringList exec = {.items = program, .count = 1};
    HandlerConfig handlers[] = {
        {.job_type = (char[]){"apply"},
         .kind = HANDLER_EXEC,
         .exec = exec,
         .apply = (char[]){"public.empty"}},
        {.job_type = (char[]){"apply2"},
         .kind = HANDLER_EXEC,
         .exec = exec,
         .apply = (char[]){"public.good"}},
        {.job_type = (char[]){"apply3"},
         .kind = HANDLER_EXEC,
         .exec = exec,
         .apply = (char[]){"public.typed"}},
        {.job_type = (char[]){"empty"}, .kind = HANDLER_SQL, .sql = (char[]){"public.empty"}},
        {.job_type = (char[]){"good"}, .kind = HANDLER_SQL, .sql = (char[]){"public.good"}},
        {.job_type = (char[]){"typed"}, .kind = HANDLER_SQL, .sql = (char[]){"public.typed"}},
        {.job_type = (char[]){"other"}, .kind = HANDLER_SQL, .sql = (char[]){"public.other"}},
        {.job_type = (char[]){"missing"}, .kind = HANDLER_SQL, .sql = (char[]){"public.missing"}},
        {.job_type = (char[]){"syntax"}, .kind = HANDLER_SQL, .sql = (char[]){"a.b; drop"}},
    };
    self->run.config.handlers = handlers;
    self->run.config.handler_count = sizeof handlers / sizeof handlers[0];
    const PoolConfig pool = {.name = NULL};
    HandlerTable *table = NULL;
    handler_table_load(&table, &self->run.config, &pool, self->run.context.db, NULL);
    assert_int_equal(handler_table_count(table), 3);
    assert_non_null(handler_table_find(table, "apply"));
    assert_non_null(handler_table_find(table, "apply2"));
    assert_non_null(handler_table_find(table, "good"));
    handler_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sql_handlers),
        TEST(test_output_is_applied),
        TEST(test_output_is_applied_after_a_loss),
        TEST(test_output_applied_unheard),
        TEST(test_sql_handlers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
