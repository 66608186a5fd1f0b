// SPDX-License-Identifier: MIT
// Tests of handlers that write to the database: their writes and their job's completion are one.
#include <pthread.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/proc_tree.h"
#include "handlers/ganger/handler.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"
#include "worker/handler_table.h"

typedef enum ganger_result (*RunFunction)(const ganger_job *job, ganger_context *context);

typedef struct Fixture {
    WorkerRun run;
    TestDb *db;
    PGconn *admin; // the world outside
    char role[32];
} Fixture;

static Fixture *now_running; // what handler functions of this test look at

static int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    worker_run_setup(&self->run);
    void *db = NULL;
    if (test_db_setup(&db) != 0) {
        return 1;
    }
    self->db = db;
    self->admin = test_db_connect(self->db);
    self->run.context.db = test_db_open(self->db);
    self->run.context.url = self->db->url;
    test_db_run(self->admin, "CREATE TABLE effect (job_id bigint, attempt int)");
    *state = self;
    now_running = self;
    return 0;
}

static int teardown(void **state)
{
    Fixture *self = *state;
    db_close(self->run.context.db);
    db_close(self->run.context.aux);
    PQfinish(self->admin);
    worker_run_teardown(&self->run);
    void *db = self->db;
    const int failed = test_db_teardown(&db);
    free(self);
    return failed;
}

// Enqueues a job and claims it, as a worker would have.
static void claim(Fixture *self)
{
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
}

static const RunResult *run_function(Fixture *self, RunFunction function)
{
    const ganger_handler entry = {"probe", function, NULL};
    self->run.handler.plugin_entry = &entry;
    worker_run_forget_result(&self->run);
    run_plugin(&self->run.handler, &self->run.context, &self->run.result);
    self->run.handler.plugin_entry = NULL;
    assert_false(self->run.context.in_transaction);
    return &self->run.result;
}

static void expect(Fixture *self, JobOutcome outcome, const char *text, bool settled,
                   const char *status, int effects)
{
    const RunResult *result = &self->run.result;
    if (text != NULL && (result->text == NULL || strstr(result->text, text) == NULL)) {
        fail_msg("'%s' is not in '%s'", text, result->text == NULL ? "" : result->text);
    }
    assert_int_equal(result->outcome, outcome);
    assert_int_equal(self->run.context.settled, settled);
    char *now = test_db_text(self->admin, "SELECT status FROM ganger.jobs WHERE id = %lld",
                             (long long)self->run.job.id);
    assert_string_equal(now, status);
    free(now);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), effects);
}

static void write_effect(ganger_context *context)
{
    const char *const params[] = {"1"};
    assert_int_equal(
        ganger_exec_sql(context, "INSERT INTO effect VALUES ($1, 1)", 1, params, NULL, NULL), 1);
}

// <build>/tests/integration/this -> <build>/handlers
static char *test_handlers_dir(void)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    return mem_printf("%.*shandlers", (int)(strstr(self, "tests/integration/") - self), self);
}

// --- plugins

static int add_up(void *data, int columns, const char *const *names, const char *const *values)
{
    assert_int_equal(columns, 2);
    assert_string_equal(names[0], "n");
    assert_null(values[1]);
    *(long *)data += strtol(values[0], NULL, 10);
    return 0;
}

static enum ganger_result write_and_complete(const ganger_job *job, ganger_context *context)
{
    (void)job;
    long sum = 0;
    write_effect(context);
    assert_int_equal(ganger_exec_sql(context, "SELECT n, NULL FROM generate_series(1, 4) AS n", 0,
                                     NULL, add_up, &sum),
                     4);
    assert_int_equal(sum, 10);
    ganger_log(context, "wrote");
    assert_true(ganger_enqueue(context, "child", "{\"x\": 1}", "{\"priority\": 7}") > 0);
    assert_int_equal(ganger_output(context, "{\"sum\": 10}", 11), GANGER_DONE);
    // Seen by others at once, though the transaction is open.
    assert_int_equal(ganger_progress(context, 40, "half", "s"), GANGER_DONE);
    assert_int_equal(test_db_int(now_running->admin,
                                 "SELECT progress FROM ganger.jobs WHERE id = %lld",
                                 (long long)job->id),
                     40);
    assert_int_equal(test_db_int(now_running->admin, "SELECT count(*) FROM effect"), 0);
    return GANGER_OK;
}

static void test_effects_and_completion_are_one(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, write_and_complete);
    expect(self, OUTCOME_COMPLETED, "{\"sum\": 10}", true, "completed", 1);
    assert_int_equal(
        test_db_int(self->admin, "SELECT priority FROM ganger.jobs WHERE job_type = 'child'"), 7);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.attempts WHERE log = E'wrote\\n'"),
        1);
    assert_int_equal(test_db_int(self->admin, "SELECT (output ->> 'sum')::int FROM ganger.jobs "
                                              "WHERE job_type = 'probe'"),
                     10);
}

// What a worker writes when it never heard of its COMMIT: a failure under the same lease, which must not
// touch a job that was completed.
static void test_failure_after_unheard_commit_changes_nothing(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, write_and_complete);
    StrBuf lease = {0};
    for (size_t i = 0; i < sizeof self->run.job.lease; i++) {
        strbuf_printf(&lease, "%02x", (unsigned)self->run.job.lease[i]);
    }
    char *answer = test_db_text(self->admin, "SELECT ganger.fail(%lld, '%s', 'unheard')::text",
                                (long long)self->run.job.id, lease.text);
    assert_string_equal(answer, "false");
    free(answer);
    strbuf_free(&lease);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

static enum ganger_result write_and_fail(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    assert_true(ganger_enqueue(context, "child", NULL, NULL) > 0);
    ganger_set_error(context, "on purpose");
    return GANGER_ERROR;
}

static void test_failure_rolls_back(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, write_and_fail);
    expect(self, OUTCOME_ERROR, "on purpose", false, "processing", 0);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.jobs WHERE job_type = 'child'"), 0);
}

static enum ganger_result commit_itself(const ganger_job *job, ganger_context *context)
{
    (void)job;
    PQclear(PQexec(ganger_connection(context), "COMMIT"));
    return GANGER_OK;
}

static enum ganger_result commit_and_begin(const ganger_job *job, ganger_context *context)
{
    (void)job;
    PQclear(PQexec(ganger_connection(context), "COMMIT"));
    PQclear(PQexec(ganger_connection(context), "BEGIN"));
    return GANGER_OK;
}

static enum ganger_result commit_and_chain(const ganger_job *job, ganger_context *context)
{
    (void)job;
    PQclear(PQexec(ganger_connection(context), "COMMIT AND CHAIN"));
    return GANGER_OK;
}

static enum ganger_result roll_back_and_begin(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PQclear(PQexec(ganger_connection(context), "ROLLBACK; BEGIN"));
    return GANGER_OK;
}

// None of these completes its job, but what it has committed it has committed.
static enum ganger_result commit_and_fail(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PQclear(PQexec(ganger_connection(context), "COMMIT"));
    ganger_set_error(context, "on purpose");
    return GANGER_ERROR;
}

static enum ganger_result commit_and_break(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PQclear(PQexec(ganger_connection(context), "COMMIT; BEGIN"));
    PQclear(PQexec(ganger_connection(context), "SELECT 1 / 0"));
    return GANGER_OK;
}

static enum ganger_result commit_and_snooze(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PQclear(PQexec(ganger_connection(context), "SET ROLE pg_monitor; COMMIT; BEGIN"));
    return GANGER_SNOOZE;
}

static enum ganger_result roll_back_and_snooze(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PQclear(PQexec(ganger_connection(context), "ROLLBACK"));
    return GANGER_SNOOZE;
}

static void test_ended_transactions(void **state)
{
    static const struct {
        RunFunction function;
        const char *text;
        int effects; // that stay
    } ends[] = {
        {commit_itself, "handler ended the job's transaction", 0},
        {commit_and_begin, "handler ended the job's transaction", 0},
        {commit_and_chain, "handler ended the job's transaction", 0},
        {roll_back_and_begin, "handler ended the job's transaction", 0},
        {commit_and_fail, "and what it wrote stays; it said: on purpose", 1},
        {commit_and_break, "handler ended the job's transaction, and what it wrote stays", 1},
        {commit_and_snooze, "handler ended the job's transaction, and what it wrote stays", 1},
    };
    Fixture *self = *state;
    claim(self);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        test_db_run(self->admin, "DELETE FROM effect");
        run_function(self, ends[i].function);
        expect(self, OUTCOME_ERROR, ends[i].text, false, "processing", ends[i].effects);
        // What it may have set for the session is not for the next job.
        assert_true(db_is_lost(self->run.context.db));
        db_close(self->run.context.db);
        self->run.context.db = test_db_open(self->db);
    }
    test_db_run(self->admin, "DELETE FROM effect");
    run_function(self, roll_back_and_snooze); // no harm is done
    expect(self, OUTCOME_SNOOZE, NULL, false, "processing", 0);
    assert_false(db_is_lost(self->run.context.db));
}

static enum ganger_result fail_statement(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(ganger_exec_sql(context, "SELECT 1 / 0", 0, NULL, NULL, NULL), GANGER_FAILED);
    assert_non_null(strstr(ganger_last_error(context), "division by zero"));
    return GANGER_OK;
}

static enum ganger_result leave_statement(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(PQsendQuery(ganger_connection(context), "SELECT 1"), 1);
    return GANGER_OK;
}

static void test_broken_rules(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, fail_statement);
    expect(self, OUTCOME_ERROR, "a statement of the handler failed", false, "processing", 0);
    // The connection is as good as new after that.
    run_function(self, write_and_fail);
    expect(self, OUTCOME_ERROR, "on purpose", false, "processing", 0);
    run_function(self, leave_statement);
    expect(self, OUTCOME_ERROR, "left a statement running", false, "processing", 0);
    assert_true(db_is_lost(self->run.context.db));
}

static enum ganger_result write_and_succeed(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    return GANGER_OK;
}

static enum ganger_result write_when_cancelled(const ganger_job *job, ganger_context *context)
{
    write_effect(context);
    test_db_run(now_running->admin, "SELECT ganger.cancel(%lld)", (long long)job->id);
    return GANGER_OK;
}

static void test_lost_lease_rolls_back(void **state)
{
    Fixture *self = *state;
    claim(self);
    self->run.job.lease[3] ^= 1; // another attempt's
    run_function(self, write_and_succeed);
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
    self->run.job.lease[3] ^= 1;
    run_function(self, write_when_cancelled);
    expect(self, OUTCOME_ERROR, "no longer owned", false, "processing", 0);
}

// Ends the admin's transaction as soon as somebody waits for it.
static void *let_go(void *argument)
{
    const Fixture *self = argument;
    PGconn *watcher = test_db_connect(self->db);
    const bool was_waited_for = test_db_await(
        watcher, 20000, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = %d",
        db_backend_pid(self->run.context.db));
    PQfinish(watcher);
    test_db_run(self->admin, "ROLLBACK");
    return was_waited_for ? argument : NULL;
}

// Someone else holds the job's row: the result cannot be put off, as the writes can not, so it waits.
static void test_held_row_is_waited_for(void **state)
{
    Fixture *self = *state;
    void *was_waited_for = NULL;
    pthread_t thread;
    claim(self);
    test_db_run(self->admin, "BEGIN");
    test_db_run(self->admin, "SELECT ganger.cancel(%lld)", (long long)self->run.job.id);
    assert_int_equal(pthread_create(&thread, NULL, let_go, self), 0);
    run_function(self, write_and_succeed);
    pthread_join(thread, &was_waited_for);
    assert_non_null(was_waited_for);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

static enum ganger_result change_role_and_path(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    PGconn *conn = ganger_connection(context);
    test_db_run(conn, "SET LOCAL ROLE %s", now_running->role);
    // Names of ours that lead elsewhere.
    test_db_run(conn, "SET LOCAL search_path = trap, pg_catalog");
    ganger_log(context, "under another role");
    return GANGER_OK;
}

static void test_completion_is_not_under_the_handlers_role(void **state)
{
    Fixture *self = *state;
    (void)snprintf(self->role, sizeof self->role, "stranger_%d", (int)getpid());
    test_db_run(self->admin, "CREATE ROLE %s", self->role);
    test_db_run(self->admin, "CREATE SCHEMA trap");
    test_db_run(self->admin, "GRANT USAGE ON SCHEMA trap TO public");
    test_db_run(self->admin, "CREATE FUNCTION trap.pg_current_xact_id() RETURNS text LANGUAGE sql "
                             "AS $$ SELECT '1' $$");
    test_db_run(self->admin, "CREATE DOMAIN trap.text AS pg_catalog.text CHECK (value = 'trap')");
    claim(self);
    run_function(self, change_role_and_path);
    test_db_run(self->admin, "DROP ROLE %s", self->role);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 1);
}

static enum ganger_result read_limits(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const int64_t soft_ms = ganger_remaining_ms(context);
    const int64_t limit_ms =
        test_db_int(ganger_connection(context),
                    "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'");
    assert_true(limit_ms > soft_ms - 10000 + 7000 && limit_ms <= soft_ms + 7000);
    assert_int_equal(ganger_prolong(context, 500000), GANGER_DONE);
    assert_true(test_db_int(ganger_connection(context),
                            "SELECT setting::bigint FROM pg_settings WHERE name = "
                            "'idle_in_transaction_session_timeout'") > 500000);
    return GANGER_OK;
}

// The server's limit comes after the grace: the stop at the deadline is the supervisor's.
static void test_server_limit_includes_the_grace(void **state)
{
    Fixture *self = *state;
    claim(self);
    self->run.job.kill_grace_ms = 7000;
    atomic_store(&self->run.slot->run_soft_at, clock_boot_ms() + 60000);
    run_function(self, read_limits);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 0);
}

static enum ganger_result report_after_loss(const ganger_job *job, ganger_context *context)
{
    const int64_t until = clock_boot_ms() + 20000;
    test_db_run(now_running->admin, "SELECT pg_terminate_backend(%d, 5000)",
                db_backend_pid(now_running->run.context.db));
    while (test_db_int(now_running->admin,
                       "SELECT coalesce(progress, 0) FROM ganger.jobs WHERE id = %lld",
                       (long long)job->id) != 70) {
        if (clock_boot_ms() > until) {
            return GANGER_ERROR;
        }
        (void)ganger_progress(context, 70, "on", NULL); // the first finds the connection broken
    }
    return GANGER_OK;
}

static void test_progress_goes_on_after_a_loss(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, report_after_loss);
    expect(self, OUTCOME_COMPLETED, NULL, false, "processing", 0);
    assert_true(db_is_lost(self->run.context.db));
}

// Only the worker knows that the lease is lost, so nobody else will end the program.
static void test_deaf_program_without_lease_is_killed(void **state)
{
    Fixture *self = *state;
    char *program[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
                       (char[]){"trap '' TERM; echo '{\"progress\": 1}' >&3; "
                                "while :; do sleep 1000; done"}};
    claim(self);
    self->run.job.lease[3] ^= 1;
    self->run.job.kill_grace_ms = 100;
    self->run.handler_config.kind = HANDLER_EXEC;
    self->run.handler_config.exec = (StringList){.items = program, .count = 3};
    worker_run_forget_result(&self->run);
    run_exec(&self->run.handler, &self->run.context, &self->run.result);
    expect(self, OUTCOME_CRASHED, "killed by SIGKILL", false, "processing", 0);
    assert_true(proc_has_no_children());
}

static enum ganger_result lose_connection(const ganger_job *job, ganger_context *context)
{
    (void)job;
    write_effect(context);
    test_db_run(now_running->admin, "SELECT pg_terminate_backend(%d, 5000)",
                PQbackendPID(ganger_connection(context)));
    return GANGER_OK;
}

static void test_lost_connection_is_a_fenced_failure(void **state)
{
    Fixture *self = *state;
    claim(self);
    run_function(self, lose_connection);
    expect(self, OUTCOME_ERROR, NULL, false, "processing", 0);
    assert_true(db_is_lost(self->run.context.db));
}

static enum ganger_result violate_at_commit(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO child VALUES (99)", 0, NULL, NULL, NULL),
                     1);
    return GANGER_OK;
}

static void test_commit_can_fail(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "CREATE TABLE parent (id int PRIMARY KEY)");
    test_db_run(self->admin,
                "CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    claim(self);
    run_function(self, violate_at_commit);
    expect(self, OUTCOME_ERROR, "(SQLSTATE 23503)", false, "processing", 0);
}

// The plugin that comes with the product, through its own file.
static void test_demo_plugin(void **state)
{
    Fixture *self = *state;
    HandlerConfig handlers[] = {
        {.job_type = (char[]){"db_effect"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"demo.so"}},
        {.job_type = (char[]){"flaky"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"demo.so"}},
        {.job_type = (char[]){"orphan"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"demo.so"}},
        {.job_type = (char[]){"nap"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"demo.so"}},
        {.job_type = (char[]){"echo"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"noop.so"}},
        {.job_type = (char[]){"sleep"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"noop.so"}},
    };
    WorkerRun *run = &self->run;
    run->config.plugin_dir = test_handlers_dir();
    run->config.handlers = handlers;
    run->config.handler_count = sizeof handlers / sizeof handlers[0];
    const PoolConfig pool = {.name = NULL};
    HandlerTable *table = NULL;
    handler_table_load(&table, &run->config, &pool, run->context.db, NULL);
    assert_int_equal(handler_table_count(table), 6);

    claim(self);
    worker_run_set_payload(run, "{\"fail\": 1, \"table\": \"effect\"}");
    run_plugin(handler_table_find(table, "db_effect"), &run->context, &run->result);
    expect(self, OUTCOME_ERROR, "told to fail", false, "processing", 0);
    worker_run_forget_result(run);
    worker_run_set_payload(run, "{\"commit\": 1, \"table\": \"effect\"}");
    run_plugin(handler_table_find(table, "db_effect"), &run->context, &run->result);
    expect(self, OUTCOME_ERROR, "ended the job's transaction", false, "processing", 1);
    db_close(run->context.db); // given up
    run->context.db = test_db_open(self->db);
    worker_run_forget_result(run);
    worker_run_set_payload(run, "{\"table\": \"effect\"}");
    run_plugin(handler_table_find(table, "db_effect"), &run->context, &run->result);
    expect(self, OUTCOME_COMPLETED, NULL, true, "completed", 2);
    worker_run_forget_result(run);

    worker_run_set_payload(run, "{\"until\": 3}");
    run_plugin(handler_table_find(table, "flaky"), &run->context, &run->result);
    assert_string_equal(run->result.text, "attempt 2 fails, attempt 3 will not");
    worker_run_forget_result(run);
    run_plugin(handler_table_find(table, "echo"), &run->context, &run->result);
    assert_string_equal(run->result.text, "{\"until\": 3}");
    worker_run_forget_result(run);
    worker_run_set_payload(run, "{\"hang\": 0}");
    run_plugin(handler_table_find(table, "orphan"), &run->context, &run->result);
    assert_int_equal(run->result.outcome, OUTCOME_COMPLETED);
    assert_true(proc_has_no_children());
    worker_run_forget_result(run);
    claim(self);
    worker_run_set_payload(run, "{\"ms\": 100000}");
    run_plugin(handler_table_find(table, "nap"), &run->context, &run->result);
    assert_int_equal(run->result.outcome, OUTCOME_WAIT);
    assert_int_equal(run->result.delay_ms, 100000);
    run->job.is_first_start = false;
    run_plugin(handler_table_find(table, "nap"), &run->context, &run->result);
    assert_int_equal(run->result.outcome, OUTCOME_COMPLETED);
    worker_run_stop(run, STOP_TIMEOUT);
    run_plugin(handler_table_find(table, "sleep"), &run->context, &run->result);
    assert_string_equal(run->result.text, "stopped while sleeping");
    handler_table_destroy(table);
    free(run->config.plugin_dir);
}

// --- SQL functions

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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_effects_and_completion_are_one),
        TEST(test_failure_after_unheard_commit_changes_nothing),
        TEST(test_failure_rolls_back),
        TEST(test_broken_rules),
        TEST(test_ended_transactions),
        TEST(test_lost_lease_rolls_back),
        TEST(test_held_row_is_waited_for),
        TEST(test_completion_is_not_under_the_handlers_role),
        TEST(test_server_limit_includes_the_grace),
        TEST(test_progress_goes_on_after_a_loss),
        TEST(test_deaf_program_without_lease_is_killed),
        TEST(test_lost_connection_is_a_fenced_failure),
        TEST(test_commit_can_fail),
        TEST(test_demo_plugin),
        TEST(test_sql_handlers),
        TEST(test_output_is_applied),
        TEST(test_output_is_applied_after_a_loss),
        TEST(test_output_applied_unheard),
        TEST(test_sql_handlers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
