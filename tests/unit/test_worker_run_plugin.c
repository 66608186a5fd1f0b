// SPDX-License-Identifier: MIT
// Tests of plugin handlers without a database: results, services, the state put back, the stop; and
// of their on_error hooks.
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/proc_tree.h"
#include "handlers/ganger/handler.h"
#include "tests/support/worker_run.h"
#include "worker/job_context.h"

typedef enum ganger_result (*RunFunction)(const ganger_job *job, ganger_context *context);

static char hook_message[128];
static bool hook_spoils;
static bool hook_fails;

static void on_error(const ganger_job *job, ganger_context *context, const char *message)
{
    assert_int_equal(job->struct_size, sizeof *job);
    assert_int_equal(job->id, 12);
    assert_int_equal(job->attempt, 3);
    assert_int_equal(job->max_attempts, 4);
    assert_int_equal(job->priority, -5);
    assert_string_equal(job->job_type, "mail");
    assert_string_equal(job->queue, "q");
    assert_string_equal(job->payload, "{\"a\": [1, \"}\"]}");
    assert_int_equal(job->payload_length, strlen(job->payload));
    assert_string_equal(job->tags, "[\"t\"]");
    assert_null(job->owner);
    assert_null(job->metadata);
    assert_string_equal(job->group_key, "g");
    (void)snprintf(hook_message, sizeof hook_message, "%s", message);
    ganger_log(context, "the hook was here");
    if (hook_fails) {
        ganger_set_error(context, "a message of the hook");
    }
    if (hook_spoils) {
        (void)umask(0);
        assert_int_equal(chdir("/proc"), 0);
        (void)alarm(1);
    }
}

static int setup(void **state)
{
    WorkerRun *run = mem_alloc(sizeof *run);
    worker_run_setup(run);
    hook_message[0] = '\0';
    hook_spoils = false;
    hook_fails = false;
    *state = run;
    return 0;
}

static int teardown(void **state)
{
    worker_run_teardown(*state);
    free(*state);
    return 0;
}

static const RunResult *run_function(WorkerRun *run, RunFunction function)
{
    const ganger_handler entry = {"probe", function, on_error};
    run->handler.plugin_entry = &entry;
    worker_run_forget_result(run);
    run_plugin(&run->handler, &run->context, &run->result);
    run->handler.plugin_entry = NULL;
    assert_null(run->context.output);
    assert_string_equal(hook_message, ""); // never in the run itself
    return &run->result;
}

static const char hook_payload[] =
    "{\"id\": 12, \"tags\": [\"t\"], \"owner\": null, \"queue\": \"q\", \"reason\": \"error\", "
    "\"attempt\": 3, \"max_attempts\": 4, \"message\": \"no \\\"luck\\\"\", \"payload\": {\"a\": "
    "[1, \"}\"]}, \"job_type\": \"mail\", \"metadata\": null, \"priority\": -5, \"group_key\": "
    "\"g\"}";

static const RunResult *run_the_hook(WorkerRun *run, const char *payload)
{
    const ganger_handler entry = {"probe", NULL, on_error};
    run->handler.plugin_entry = &entry;
    run->handler.is_hook = true;
    hook_message[0] = '\0';
    worker_run_set_payload(run, payload);
    worker_run_forget_result(run);
    run_hook(&run->handler, &run->context, &run->result);
    run->handler.plugin_entry = NULL;
    return &run->result;
}

static enum ganger_result return_ok(const ganger_job *job, ganger_context *context)
{
    assert_int_equal(job->id, 4711);
    assert_int_equal(job->attempt, 2);
    assert_int_equal(job->max_attempts, 3);
    assert_string_equal(job->payload, "{\"a\": 1}");
    assert_int_equal(job->payload_length, 8);
    assert_string_equal(job->queue, "mail");
    assert_null(job->tags);
    assert_true(GANGER_HAS(context, last_error));
    assert_int_equal(ganger_output(context, "[1]", 3), GANGER_DONE);
    assert_int_equal(ganger_output(context, "[1", 2), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context), "the output is not JSON: a comma or a closing "
                                                    "bracket is missing (byte 2)");
    assert_int_equal(ganger_progress(context, 101, NULL, NULL), GANGER_FAILED);
    assert_int_equal(ganger_progress(context, 50, NULL, NULL), GANGER_FAILED); // no database
    assert_null(ganger_connection(context));
    assert_string_equal(ganger_last_error(context), "no connection to the database");
    assert_int_equal(ganger_enqueue(context, "x", NULL, NULL), GANGER_FAILED);
    ganger_log(context, "a line");
    return GANGER_OK;
}

static enum ganger_result return_error(const ganger_job *job, ganger_context *context)
{
    (void)job;
    ganger_set_error(context, "broken \xff");
    ganger_retry_after(context, 1500);
    return GANGER_ERROR;
}

static enum ganger_result return_discard(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_DISCARD;
}

static enum ganger_result return_snooze(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_snooze(context, 5000);
}

static enum ganger_result return_wait(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_WAIT;
}

static enum ganger_result return_nonsense(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    const int nonsense = 17;
    enum ganger_result result = GANGER_OK;
    memcpy(&result, &nonsense, sizeof nonsense);
    return result;
}

static enum ganger_result wait_a_while(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)ganger_wait_until(context, 0);
    return ganger_wait_for(context, 90000);
}

static enum ganger_result wait_for_ever(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_wait_for(context, INT64_MAX);
}

static enum ganger_result wait_until_noon(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_wait_until(context, 1769860800000);
}

static void test_waits(void **state)
{
    WorkerRun *run = *state;
    const RunResult *result = run_function(run, wait_a_while);
    assert_int_equal(result->outcome, OUTCOME_WAIT);
    assert_int_equal(result->delay_ms, 90000);
    assert_null(result->text);
    assert_int_equal(run_function(run, wait_for_ever)->delay_ms, JOB_DELAY_MAX_MS);
    result = run_function(run, wait_until_noon);
    assert_int_equal(result->outcome, OUTCOME_WAIT);
    assert_int_equal(result->delay_ms, -1);
    assert_string_equal(result->text, "{\"until\": \"2026-01-31T12:00:00.000Z\"}");
}

// Without a database nothing is remembered, and that is said.
static enum ganger_result use_steps(const ganger_job *job, ganger_context *context)
{
    const char *json = "untouched";
    assert_int_equal(ganger_step_put(context, "", "1", 1), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context), "the name of a step has 1 to 255 bytes, not 0");
    assert_int_equal(ganger_step_put(context, "s", "[1", 2), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context),
                        "the result of step 's' is not JSON: a comma or "
                        "a closing bracket is missing (byte 2)");
    assert_int_equal(ganger_step_put(context, "s", "1", 1), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context), "no connection to the database");
    assert_int_equal(ganger_step_get(context, "s", &json),
                     job->attempt == 1 ? GANGER_DONE : GANGER_FAILED);
    assert_null(json);
    assert_null(ganger_create_token(context, -1, NULL));
    assert_int_equal(ganger_wait_for_token(context, "t", &json), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, "t", "{"), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, "t", NULL), GANGER_FAILED);
    return GANGER_WAIT;
}

static void test_no_memory_without_database(void **state)
{
    WorkerRun *run = *state;
    run->job.attempt = 1; // a first start has no steps: nothing is asked
    assert_int_equal(run_function(run, use_steps)->outcome, OUTCOME_ERROR);
    run->job.attempt = 2;
    run->job.is_first_start = false;
    assert_int_equal(run_function(run, use_steps)->outcome, OUTCOME_ERROR);
}

static void test_results(void **state)
{
    WorkerRun *run = *state;
    const RunResult *result = run_function(run, return_ok);
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    assert_string_equal(result->text, "[1]");
    assert_true(result->cpu_us >= 0);
    assert_false(run->context.settled);
    char *log = slot_log_copy(run->slot);
    assert_string_equal(log, "a line\n");
    free(log);

    result = run_function(run, return_error);
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "broken ?");
    assert_int_equal(result->delay_ms, 1500);

    result = run_function(run, return_snooze);
    assert_int_equal(result->outcome, OUTCOME_SNOOZE);
    assert_int_equal(result->delay_ms, 5000);
    result = run_function(run, return_wait);
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "the handler returned GANGER_WAIT and did not say what for");
    result = run_function(run, return_nonsense);
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "the handler returned 17, which is no ganger_result");
}

static void test_on_error(void **state)
{
    WorkerRun *run = *state;
    run->job.attempt = 3;
    assert_int_equal(run_function(run, return_error)->outcome, OUTCOME_ERROR);
    assert_int_equal(run_function(run, return_discard)->outcome, OUTCOME_DISCARD);
    assert_string_equal(run->result.text, "the handler reported an error without a message");

    const RunResult *result = run_the_hook(run, hook_payload);
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    assert_string_equal(hook_message, "no \"luck\"");
    char *log = slot_log_copy(run->slot);
    assert_string_equal(log, "the hook was here\n");
    free(log);
    hook_fails = true;
    result = run_the_hook(run, hook_payload);
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "a message of the hook");
}

// Anybody may enqueue a job of the hook's type.
static void test_on_error_of_nothing(void **state)
{
    static const char *const payloads[] = {
        "[]", "{}", "{\"id\": \"12\", \"job_type\": 7}",
        "{\"id\": 12, \"job_type\": \"mail\", \"queue\": \"q\"}"};
    WorkerRun *run = *state;
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        const RunResult *result = run_the_hook(run, payloads[i]);
        assert_int_equal(result->outcome, OUTCOME_DISCARD);
        assert_string_equal(result->text, "its payload does not tell of a failed job");
        assert_string_equal(hook_message, "");
    }
}

static enum ganger_result spoil_state(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)umask(0);
    assert_int_equal(chdir("/proc"), 0);
    (void)alarm(1);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 12345);
    if (fork() == 0) {
        (void)setsid();
        while (pause() != 0) {
        }
    }
    return GANGER_OK;
}

static enum ganger_result do_nothing(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_OK;
}

static void expect_state_put_back(WorkerRun *run)
{
    char before[4096];
    char after[4096];
    assert_non_null(getcwd(before, sizeof before));
    const mode_t mode = umask(0);
    (void)umask(mode);
    run_function(run, spoil_state);
    sigset_t now;
    (void)sigprocmask(SIG_BLOCK, NULL, &now);
    assert_false(sigismember(&now, SIGTERM));
    assert_int_equal(umask(mode), mode);
    assert_non_null(getcwd(after, sizeof after));
    assert_string_equal(before, after);
    assert_int_equal(alarm(0), 0);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_not_equal(limit.rlim_cur, 12345);
    assert_true(proc_has_no_children());
}

// Also when the runs before it made no system call, so that this one is watched (syscall_watch.h).
static void test_state_is_put_back(void **state)
{
    WorkerRun *run = *state;
    // cmocka's own handlers would keep the watch from watching
    static const int taken[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        (void)signal(taken[i], SIG_DFL);
    }
    run->handler_config.limits.file_size_bytes = 12345;
    expect_state_put_back(run);
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 200 * i; j++) {
            run_function(run, do_nothing);
        }
        expect_state_put_back(run);
        expect_state_put_back(run);
    }
}

static void test_state_is_put_back_after_the_hook(void **state)
{
    WorkerRun *run = *state;
    char before[4096];
    char after[4096];
    assert_non_null(getcwd(before, sizeof before));
    const mode_t mode = umask(0);
    (void)umask(mode);
    hook_spoils = true;
    run_the_hook(run, hook_payload);
    assert_string_not_equal(hook_message, "");
    assert_int_equal(umask(mode), mode);
    assert_non_null(getcwd(after, sizeof after));
    assert_string_equal(before, after);
    assert_int_equal(alarm(0), 0);
}

static enum ganger_result snooze_for_ever(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_snooze(context, INT64_MAX);
}

static enum ganger_result retry_never(const ganger_job *job, ganger_context *context)
{
    (void)job;
    ganger_retry_after(context, INT64_MAX);
    return GANGER_ERROR;
}

// PostgreSQL knows no instant that far away, and could not write the result.
static void test_delays_are_bounded(void **state)
{
    WorkerRun *run = *state;
    assert_int_equal(run_function(run, snooze_for_ever)->delay_ms, JOB_DELAY_MAX_MS);
    assert_int_equal(run_function(run, retry_never)->delay_ms, JOB_DELAY_MAX_MS);
}

static enum ganger_result watch_time(const ganger_job *job, ganger_context *context)
{
    if (job->attempt == 1) {
        assert_int_equal(ganger_remaining_ms(context), -1);
        assert_int_equal(ganger_prolong(context, 1000), GANGER_DONE);
        assert_int_equal(ganger_remaining_ms(context), -1);
        return GANGER_OK;
    }
    assert_true(ganger_remaining_ms(context) <= 1000);
    assert_int_equal(ganger_prolong(context, -1), GANGER_FAILED);
    assert_int_equal(ganger_prolong(context, 60000), GANGER_DONE);
    assert_true(ganger_remaining_ms(context) > 50000);
    assert_int_equal(ganger_prolong(context, 10), GANGER_DONE); // never shortens
    assert_true(ganger_remaining_ms(context) > 50000);
    assert_int_equal(ganger_prolong(context, INT64_MAX), GANGER_DONE);
    assert_false(ganger_should_stop(context));
    return GANGER_OK;
}

static enum ganger_result see_stop(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_true(ganger_should_stop(context));
    assert_int_equal(ganger_prolong(context, 1000), GANGER_LOST);
    ganger_set_error(context, "saw it");
    return GANGER_ERROR;
}

static void test_time(void **state)
{
    WorkerRun *run = *state;
    run->job.attempt = 1;
    run_function(run, watch_time);
    run->job.attempt = 2;
    atomic_store(&run->slot->run_soft_at, clock_boot_ms() + 1000);
    run_function(run, watch_time);
    atomic_store(&run->slot->run_soft_at, clock_boot_ms() + 1000);
    atomic_store(&run->slot->stop_serial, 99); // meant for another run
    run_function(run, watch_time);
    worker_run_stop(run, STOP_CANCEL);
    assert_string_equal(run_function(run, see_stop)->text, "saw it");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_results),
        TEST(test_waits),
        TEST(test_no_memory_without_database),
        TEST(test_on_error),
        TEST(test_on_error_of_nothing),
        TEST(test_state_is_put_back),
        TEST(test_state_is_put_back_after_the_hook),
        TEST(test_delays_are_bounded),
        TEST(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
