// SPDX-License-Identifier: MIT
// A run of a handler that writes to the database, without a worker.
#ifndef TESTS_SUPPORT_EFFECT_RUN_H
#define TESTS_SUPPORT_EFFECT_RUN_H

#include "tests/support/run_database.h"
#include "worker/handler_table.h"

typedef struct Fixture {
    WorkerRun run;
    TestDb *db;
    PGconn *admin; // the world outside
    char role[32];
} Fixture;

static Fixture *now_running; // what handler functions of this test look at

static inline int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    if (run_database_open(&self->run, &self->db, &self->admin) != 0) {
        return 1;
    }
    test_db_run(self->admin, "CREATE TABLE effect (job_id bigint, attempt int)");
    *state = self;
    now_running = self;
    return 0;
}

static inline int teardown(void **state)
{
    Fixture *self = *state;
    const int failed = run_database_close(&self->run, self->db, self->admin);
    free(self);
    return failed;
}

// Enqueues a job and claims it, as a worker would have.
static inline void claim(Fixture *self)
{
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
}

static inline const RunResult *run_function(Fixture *self, RunFunction function)
{
    const ganger_handler entry = {"probe", function, NULL};
    self->run.handler.plugin_entry = &entry;
    worker_run_forget_result(&self->run);
    run_plugin(&self->run.handler, &self->run.context, &self->run.result);
    self->run.handler.plugin_entry = NULL;
    assert_false(self->run.context.in_transaction);
    return &self->run.result;
}

static inline void expect(Fixture *self, JobOutcome outcome, const char *text, bool settled,
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

static inline void write_effect(ganger_context *context)
{
    const char *const params[] = {"1"};
    assert_int_equal(
        ganger_exec_sql(context, "INSERT INTO effect VALUES ($1, 1)", 1, params, NULL, NULL), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
