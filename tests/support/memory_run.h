// SPDX-License-Identifier: MIT
// MemoryRun: a job that is claimed, run and settled without a worker, again and again, in a database of its own.
#ifndef TESTS_SUPPORT_MEMORY_RUN_H
#define TESTS_SUPPORT_MEMORY_RUN_H

#include <stdio.h>

#include "tests/support/run_database.h"
#include "worker/job_context.h"

typedef struct MemoryRun {
    WorkerRun run;
    TestDb *db;
    PGconn *admin; // the world outside
    char shell[8];
    char shell_option[3];
    char *program[4];
    char *token;
} MemoryRun;

static MemoryRun *memory_run_now; // what handler functions of a test look at

static inline int memory_run_setup(void **state)
{
    MemoryRun *self = mem_alloc(sizeof *self);
    if (run_database_open(&self->run, &self->db, &self->admin) != 0) {
        return 1;
    }
    (void)snprintf(self->shell, sizeof self->shell, "/bin/sh");
    (void)snprintf(self->shell_option, sizeof self->shell_option, "-c");
    self->program[0] = self->shell;
    self->program[1] = self->shell_option;
    test_db_run(self->admin, "CREATE TABLE effect (job_id bigint)");
    *state = self;
    memory_run_now = self;
    return 0;
}

static inline int memory_run_teardown(void **state)
{
    MemoryRun *self = *state;
    const int failed = run_database_close(&self->run, self->db, self->admin);
    free(self->program[2]);
    free(self->token);
    free(self);
    return failed;
}

// Claims the job, as a worker would have.
static inline void memory_run_claim(MemoryRun *self)
{
    PGresult *row = PQexec(
        self->admin, "SELECT id, encode(uuid_send(lease_id), 'hex') AS lease, was_started FROM "
                     "ganger._take_jobs(NULL, NULL, 'here', now() + interval '1 hour', "
                     "'{default}', NULL, 1, NULL, NULL)");
    worker_run_take(&self->run, row);
    self->run.job.is_first_start = PQgetvalue(row, 0, 2)[0] == 'f';
    PQclear(row);
}

static inline void memory_run_begin(MemoryRun *self)
{
    test_db_run(self->admin, "SELECT ganger.enqueue('probe', max_attempts => 2)");
    memory_run_claim(self);
    assert_true(self->run.job.is_first_start);
}

// Writes the result, as the worker would have; the answer is the job's new status.
static inline void memory_run_settle(MemoryRun *self, const char *expected)
{
    const Job *job = &self->run.job;
    const RunResult *result = &self->run.result;
    StrBuf lease = {0};
    for (size_t i = 0; i < sizeof job->lease; i++) {
        strbuf_printf(&lease, "%02x", (unsigned)job->lease[i]);
    }
    char *delay = mem_printf("%lld", (long long)result->delay_ms);
    char *id = mem_printf("%lld", (long long)job->id);
    const char *const params[] = {id, lease.text, job_outcome_word((int)result->outcome),
                                  result->text, result->delay_ms >= 0 ? delay : NULL};
    PGresult *row = PQexecParams(self->admin,
                                 "SELECT ganger._settle_result($1, $2, $3, $4, $5, null, null, "
                                 "null, null, null, 1000, 0)",
                                 5, NULL, params, NULL, NULL, 0);
    assert_int_equal(PQresultStatus(row), PGRES_TUPLES_OK);
    assert_string_equal(PQgetvalue(row, 0, 0), expected);
    PQclear(row);
    strbuf_free(&lease);
    free(delay);
    free(id);
}

static inline const RunResult *memory_run_function(MemoryRun *self, RunFunction function)
{
    const ganger_handler entry = {"probe", function, NULL};
    self->run.handler.plugin_entry = &entry;
    worker_run_forget_result(&self->run);
    run_plugin(&self->run.handler, &self->run.context, &self->run.result);
    self->run.handler.plugin_entry = NULL;
    return &self->run.result;
}

static inline const RunResult *memory_run_script(MemoryRun *self, const char *script)
{
    free(self->program[2]);
    self->program[2] = mem_strdup(script);
    self->run.handler_config.kind = HANDLER_EXEC;
    self->run.handler_config.exec = (StringList){.items = self->program, .count = 3};
    worker_run_forget_result(&self->run);
    run_exec(&self->run.handler, &self->run.context, &self->run.result);
    return &self->run.result;
}

static inline void memory_run_expect(MemoryRun *self, JobOutcome outcome, const char *text)
{
    const RunResult *result = &self->run.result;
    if (outcome != result->outcome) {
        fail_msg("outcome %d: %s", (int)result->outcome, result->text);
    }
    if (text != NULL) {
        assert_non_null(result->text);
        assert_string_equal(result->text, text);
    }
}

static inline void memory_run_expect_sql(MemoryRun *self, const char *expression,
                                         const char *expected)
{
    char *now = test_db_text(self->admin, "SELECT (%s)::text FROM ganger.jobs WHERE id = %lld",
                             expression, (long long)self->run.job.id);
    assert_non_null(now);
    assert_string_equal(now, expected);
    free(now);
}

#endif
