// SPDX-License-Identifier: MIT
// Tests of plugins that write to the database: their writes and their job's completion are one.
#include "common/base/proc_tree.h"
#include "tests/support/effect_run.h"

// <build>/tests/integration/this -> <build>/handlers
static char *test_handlers_dir(void)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    return mem_printf("%.*shandlers", (int)(strstr(self, "tests/integration/") - self), self);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_effects_and_completion_are_one),
        TEST(test_failure_after_unheard_commit_changes_nothing),
        TEST(test_failure_rolls_back),
        TEST(test_broken_rules),
        TEST(test_ended_transactions),
        TEST(test_demo_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
