// SPDX-License-Identifier: MIT
// A run of a program without a worker.
#ifndef TESTS_SUPPORT_EXEC_RUN_H
#define TESTS_SUPPORT_EXEC_RUN_H

#include "common/base/proc_tree.h"
#include "tests/support/worker_run.h"

static char *program[4] = {(char[]){"/bin/sh"}, (char[]){"-c"}, NULL, NULL};

static inline int setup(void **state)
{
    WorkerRun *run = mem_alloc(sizeof *run);
    worker_run_setup(run);
    *state = run;
    return 0;
}

static inline int teardown(void **state)
{
    worker_run_teardown(*state);
    free(*state);
    free(program[2]);
    program[2] = NULL;
    return 0;
}

// Runs a shell script as the job's program.
static inline const RunResult *run_script(WorkerRun *run, const char *script)
{
    free(program[2]);
    program[2] = mem_strdup(script);
    run->handler_config.kind = HANDLER_EXEC;
    run->handler_config.exec = (StringList){.items = program, .count = 3};
    worker_run_forget_result(run);
    slot_log_clear(run->slot);
    run_exec(&run->handler, &run->context, &run->result);
    assert_true(proc_has_no_children());
    return &run->result;
}

static inline void expect_end(WorkerRun *run, const char *script, JobOutcome outcome,
                              const char *text)
{
    const RunResult *result = run_script(run, script);
    assert_int_equal(result->outcome, outcome);
    if (text == NULL) {
        assert_null(result->text);
    } else {
        assert_non_null(result->text);
        assert_string_equal(result->text, text);
    }
}

static inline void expect_log(const WorkerRun *run, const char *part)
{
    char *log = slot_log_copy(run->slot);
    assert_non_null(log);
    if (strstr(log, part) == NULL) {
        fail_msg("'%s' is not in the log: %s", part, log);
    }
    free(log);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
