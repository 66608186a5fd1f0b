// SPDX-License-Identifier: MIT
// Tests of what a job remembers from run to run: steps, waits and tokens, through plugins.
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/memory_run.h"

// --- steps

static enum ganger_result put_and_fail(const ganger_job *job, ganger_context *context)
{
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_null(json);
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO effect VALUES (1)", 0, NULL, NULL, NULL),
                     1);
    assert_int_equal(ganger_step_put(context, "one", "{\"a\": 1}", 8), GANGER_DONE);
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_string_equal(json, "{\"a\": 1}");
    assert_int_equal(ganger_step_put(context, "one", "[2]", 3), GANGER_DONE);
    assert_string_equal(json, "{\"a\": 1}"); // still the handler's
    assert_int_equal(ganger_step_put(context, "none", "null", 4), GANGER_DONE);
    // Seen by others at once, though the transaction is open.
    assert_int_equal(test_db_int(memory_run_now->admin,
                                 "SELECT count(*) FROM ganger.step WHERE job_id = %lld",
                                 (long long)job->id),
                     2);
    return GANGER_ERROR;
}

static enum ganger_result find_steps(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_DONE);
    assert_string_equal(json, "[2]");
    assert_int_equal(ganger_step_get(context, "none", &json), GANGER_DONE);
    assert_string_equal(json, "null");
    assert_int_equal(ganger_step_get(context, "two", &json), GANGER_DONE);
    assert_null(json);
    assert_string_equal(ganger_last_error(context), "");
    return GANGER_OK;
}

static void test_steps_outlive_a_failure(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, put_and_fail);
    memory_run_settle(self, "pending");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), 0);
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now()");
    test_db_run(self->admin, "SELECT ganger._promote()");
    memory_run_claim(self);
    assert_false(self->run.job.is_first_start);
    memory_run_function(self, find_steps);
    memory_run_expect(self, OUTCOME_COMPLETED, NULL);
    memory_run_settle(self, "completed");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 0);
}

static enum ganger_result use_lost_lease(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    assert_int_equal(ganger_step_get(context, "one", &json), GANGER_LOST);
    assert_int_equal(ganger_step_put(context, "one", "1", 1), GANGER_LOST);
    assert_true(ganger_should_stop(context));
    // Whatever it still asks for: nothing is left in the database.
    assert_null(ganger_create_token(context, 1000, NULL));
    assert_string_equal(ganger_last_error(context), "this attempt no longer owns the job");
    assert_int_equal(ganger_progress(context, 5, "m", NULL), GANGER_LOST);
    return ganger_wait_for(context, 1000);
}

static void test_lost_lease(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    self->run.job.lease[5] ^= 1;
    self->run.job.is_first_start = false;
    memory_run_function(self, use_lost_lease);
    memory_run_expect(self, OUTCOME_WAIT, NULL); // which the database does not take
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 0);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.token"), 0);
    memory_run_expect_sql(self, "status || progress", "processing0");
}

static enum ganger_result misuse_services(const ganger_job *job, ganger_context *context)
{
    (void)job;
    char name[300];
    const char *json = NULL;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(ganger_step_get(context, "one", NULL), GANGER_FAILED);
    assert_int_equal(ganger_step_get(context, NULL, &json), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, "", "1", 1), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, name, "1", 1), GANGER_FAILED);
    name[255] = '\0';
    assert_int_equal(ganger_step_put(context, name, "1", 1), GANGER_DONE);
    assert_int_equal(ganger_step_put(context, "one", NULL, 0), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, "one", "", 0), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, "one", "1", (size_t)1 << 40), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, "one", "\"\\u0000\"", 8), GANGER_FAILED);
    assert_int_equal(ganger_step_put(context, "one\xff", "1", 1), GANGER_FAILED);
    assert_int_equal(ganger_wait_for_token(context, NULL, NULL), GANGER_FAILED);
    assert_int_equal(ganger_wait_for_token(context, "\xff", NULL), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, NULL, NULL), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, "t", "{"), GANGER_FAILED);
    assert_null(ganger_create_token(context, INT64_MAX, NULL));
    assert_null(ganger_create_token(context, 1000, "{\"a\": 1}"));
    assert_null(ganger_create_token(context, 1000, "["));
    assert_non_null(ganger_connection(context)); // none of it has cost the connection
    assert_int_equal(ganger_step_put(context, "two\xff", "1", 1), GANGER_FAILED);
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO effect VALUES (1)", 0, NULL, NULL, NULL),
                     1);
    return GANGER_OK;
}

static enum ganger_result wait_without_saying(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)ganger_wait_for(context, 1000);
    assert_int_equal(ganger_wait_for_token(context, "tok_none", NULL), GANGER_FAILED);
    return GANGER_WAIT; // what was said before is not meant any more
}

static enum ganger_result say_and_succeed(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)ganger_wait_until(context, INT64_MIN);
    (void)ganger_wait_for(context, -5);
    return GANGER_OK;
}

static void test_misuse(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, wait_without_saying);
    memory_run_expect(self, OUTCOME_ERROR,
                      "the handler returned GANGER_WAIT and did not say what for");
    memory_run_function(self, say_and_succeed);
    memory_run_expect(self, OUTCOME_COMPLETED, NULL);
    memory_run_function(self, misuse_services);
    memory_run_expect(self, OUTCOME_COMPLETED, NULL);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), 1);
    memory_run_expect_sql(self, "status", "completed");
}

static enum ganger_result lose_connection_between(const ganger_job *job, ganger_context *context)
{
    (void)job;
    test_db_run(memory_run_now->admin, "SELECT pg_terminate_backend(%d, 5000)",
                db_backend_pid(memory_run_now->run.context.db));
    assert_int_equal(ganger_step_put(context, "one", "1", 1), GANGER_DONE);
    return GANGER_OK;
}

static void test_steps_outlive_the_connection(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, lose_connection_between);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 1);
}

// --- waits

static enum ganger_result wait_once(const ganger_job *job, ganger_context *context)
{
    const char *json = NULL;
    assert_int_equal(job->attempt, 2); // as WorkerRun says
    assert_int_equal(ganger_step_get(context, "waited", &json), GANGER_DONE);
    if (json != NULL) {
        return GANGER_OK;
    }
    assert_int_equal(ganger_exec_sql(context, "INSERT INTO effect VALUES (1)", 0, NULL, NULL, NULL),
                     1);
    assert_int_equal(ganger_step_put(context, "waited", "true", 4), GANGER_DONE);
    return ganger_wait_for(context, 3600000);
}

static void test_wait_for_time(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, wait_once);
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    memory_run_expect_sql(
        self, "status || ' ' || attempts || ' ' || (wait_until > now() + interval '59 min')",
        "waiting 0 true");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM effect"), 0); // as of any end
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now()");
    test_db_run(self->admin, "SELECT ganger._promote()");
    memory_run_claim(self);
    memory_run_function(self, wait_once);
    memory_run_expect(self, OUTCOME_COMPLETED, NULL);
    memory_run_settle(self, "completed");
    memory_run_expect_sql(self, "attempts", "1");
}

static enum ganger_result wait_until_then(const ganger_job *job, ganger_context *context)
{
    (void)job;
    return ganger_wait_until(context, 4102444800000); // 2100-01-01
}

static void test_wait_until(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, wait_until_then);
    memory_run_settle(self, "waiting");
    memory_run_expect_sql(self, "wait_until = '2100-01-01 00:00:00+00'", "true");
}

// --- tokens

static enum ganger_result await_approval(const ganger_job *job, ganger_context *context)
{
    (void)job;
    const char *json = NULL;
    const char *data = NULL;
    assert_int_equal(ganger_step_get(context, "token", &json), GANGER_DONE);
    if (json == NULL) {
        assert_non_null(ganger_connection(context)); // it must not go with this transaction
        const char *token = ganger_create_token(context, 3600000, "[\"approval\"]");
        assert_non_null(token);
        char *quoted = mem_printf("\"%s\"", token);
        assert_int_equal(ganger_step_put(context, "token", quoted, strlen(quoted)), GANGER_DONE);
        assert_int_equal(ganger_step_get(context, "token", &json), GANGER_DONE);
        free(quoted);
    }
    char *token = mem_strndup(json + 1, strlen(json) - 2);
    const int status = ganger_wait_for_token(context, token, &data);
    free(token);
    switch (status) {
    case GANGER_TOKEN_WAITING:
        assert_null(data);
        return GANGER_WAIT;
    case GANGER_TOKEN_COMPLETED:
        assert_int_equal(ganger_output(context, data, strlen(data)), GANGER_DONE);
        return GANGER_OK;
    case GANGER_TOKEN_TIMED_OUT:
        ganger_set_error(context, "nobody approved it");
        return GANGER_DISCARD;
    default:
        return GANGER_ERROR;
    }
}

static void test_token_is_completed(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, await_approval);
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    assert_int_equal(
        test_db_int(self->admin,
                    "SELECT count(*) FROM ganger.tokens WHERE job_id = %lld AND tags = "
                    "'{approval}' AND timeout_at > now() + interval '59 min'",
                    (long long)self->run.job.id),
        1);
    test_db_run(self->admin,
                "SELECT ganger.complete_token(token, '{\"by\": \"ann\"}') FROM ganger.token");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    memory_run_claim(self);
    memory_run_function(self, await_approval);
    memory_run_expect(self, OUTCOME_COMPLETED, "{\"by\": \"ann\"}");
}

static void test_token_times_out(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_function(self, await_approval);
    memory_run_settle(self, "waiting");
    test_db_run(self->admin, "UPDATE ganger.token SET timeout_at = now()");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    memory_run_claim(self);
    memory_run_function(self, await_approval);
    memory_run_expect(self, OUTCOME_DISCARD, "nobody approved it");
}

static enum ganger_result complete_and_succeed(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_int_equal(ganger_wait_for_token(context, "tok_none", NULL), GANGER_FAILED);
    assert_string_equal(ganger_last_error(context), "there is no token 'tok_none'");
    assert_int_equal(ganger_complete_token(context, "tok_none", NULL), GANGER_FAILED);
    assert_int_equal(ganger_complete_token(context, memory_run_now->token, "[1]"), GANGER_DONE);
    assert_int_equal(ganger_complete_token(context, memory_run_now->token, "[2]"), GANGER_FAILED);
    return GANGER_OK;
}

static enum ganger_result complete_and_fail(const ganger_job *job, ganger_context *context)
{
    (void)job;
    assert_non_null(ganger_connection(context));
    assert_int_equal(ganger_complete_token(context, memory_run_now->token, "[1]"), GANGER_DONE);
    return GANGER_ERROR;
}

static void test_completing_is_part_of_the_transaction(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    self->token = test_db_text(self->admin, "SELECT ganger.create_token()");
    memory_run_function(self, complete_and_fail);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens WHERE status = 'waiting'"), 1);
    memory_run_function(self, complete_and_succeed);
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens WHERE status = "
                                              "'completed' AND data = '[1]'"),
                     1);
}

// --- prolong

static enum ganger_result prolong_twice(const ganger_job *job, ganger_context *context)
{
    assert_int_equal(ganger_prolong(context, 60000), GANGER_DONE);
    assert_int_equal(test_db_int(memory_run_now->admin,
                                 "SELECT (data ->> 'ms')::int FROM ganger.job_events(%lld) WHERE "
                                 "event = 'prolonged'",
                                 (long long)job->id),
                     60000);
    assert_int_equal(ganger_prolong(context, 10), GANGER_DONE); // shorter: nothing happens
    assert_int_equal(ganger_prolong(context, 120000), GANGER_DONE);
    assert_int_equal(ganger_prolong(context, 180000), GANGER_DONE);
    return GANGER_OK;
}

// At most one event a second, and the last one at the end.
static void test_prolongs_are_told(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    atomic_store(&self->run.slot->run_soft_at, clock_boot_ms() + 1000);
    memory_run_function(self, prolong_twice);
    char *told = test_db_text(self->admin,
                              "SELECT string_agg(data ->> 'ms', ' ' ORDER BY at) FROM "
                              "ganger.job_events(%lld) WHERE event = 'prolonged'",
                              (long long)self->run.job.id);
    assert_string_equal(told, "60000 180000");
    free(told);
    // A job without a timeout has nothing to prolong.
    memory_run_begin(self);
    atomic_store(&self->run.slot->run_soft_at, 0);
    memory_run_script(self, "echo '{\"prolong\": \"1h\"}' >&3");
    memory_run_expect(self, OUTCOME_COMPLETED, NULL);
    assert_int_equal(test_db_int(self->admin,
                                 "SELECT count(*) FROM ganger.job_events(%lld) WHERE event = "
                                 "'prolonged'",
                                 (long long)self->run.job.id),
                     0);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, memory_run_setup, memory_run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps_outlive_a_failure),
        TEST(test_lost_lease),
        TEST(test_misuse),
        TEST(test_steps_outlive_the_connection),
        TEST(test_wait_for_time),
        TEST(test_wait_until),
        TEST(test_token_is_completed),
        TEST(test_token_times_out),
        TEST(test_completing_is_part_of_the_transaction),
        TEST(test_prolongs_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
