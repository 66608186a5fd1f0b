// SPDX-License-Identifier: MIT
// Steps and waits of a job whose row somebody holds are put off: seen by the job at once, applied later, and left out where the job
// has gone another way.
#include "tests/support/token_stage.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

static void hold_the_job(void)
{
    test_db_run(stage.completer, "begin");
    test_db_run(stage.completer, "select ganger.cancel(%" PRId64 ")", stage.id);
}

static void assert_call(const char *wanted, const char *function, const char *more)
{
    char *answer = test_db_text(stage.waiter,
                                "select coalesce(ganger.%s(%" PRId64 ", '%s', %s)::text, 'null')",
                                function, stage.id, stage.lease, more);
    assert_string_equal(answer, wanted);
    free(answer);
}

static void test_steps_are_put_off_and_seen(void **state)
{
    (void)state;
    assert_call("true", "step_put", "'a', '1'");
    hold_the_job();
    assert_call("true", "step_put", "'a', '2'");
    assert_call("true", "step_put", "'b', '{\"name\": \"a\"}'");
    assert_call("true", "log", "'not JSON'");
    assert_call("true", "step_put", "'a', '3'");
    assert_call("3", "step_get", "'a'");
    assert_call("{\"name\": \"a\"}", "step_get", "'b'");
    assert_call("null", "step_get", "'c'");
    assert_text(stage.waiter, "{\"a\": 3, \"b\": {\"name\": \"a\"}}",
                "select ganger._steps(id, lease_id) from ganger.job");
    assert_text(stage.duty, "a1", "select string_agg(name || result, ' ') from ganger.step");
    test_db_run(stage.completer, "rollback");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'late_results'"), 4);
    assert_call("3", "step_get", "'a'");
    assert_text(stage.duty, "2", "select count(*) from ganger.step");
    assert_call("true", "complete", "null");
    assert_text(stage.duty, "0", "select count(*) from ganger.step");
}

// The job completes before anybody has applied them.
static void test_steps_put_off_leave_nothing(void **state)
{
    (void)state;
    hold_the_job();
    assert_call("true", "step_put", "'a', '1'");
    test_db_run(stage.completer, "rollback");
    assert_call("true", "complete", "null");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_text(stage.duty, "0",
                "select count(*) from (select 1 from ganger.step union all select 1 from "
                "ganger.late_result) x");
}

static void test_a_wait_is_put_off_and_applied(void **state)
{
    (void)state;
    hold_the_job();
    assert_call("true", "step_put", "'a', '1'");
    assert_call("true", "wait_for", "'1 h'");
    assert_call("true", "wait_for", "'1 h'"); // repeated
    assert_call("false", "step_put", "'a', '2'");
    assert_call("false", "fail", "'late'");
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_text(stage.duty, "waiting 0 t",
                "select concat_ws(' ', status, attempts, wait_until between "
                "clock_timestamp() + interval '59 min' and clock_timestamp() + "
                "interval '1 h') from ganger.jobs");
    assert_text(stage.duty, "a1", "select string_agg(name || result, ' ') from ganger.step");
}

static void test_a_wait_put_off_yields_to_the_cancel(void **state)
{
    (void)state;
    hold_the_job();
    wait_for_token("waiting");
    test_db_run(stage.completer, "commit");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_status("cancelled");
}

// The token is completed while the wait for it is still put off.
static void test_a_wait_put_off_past_its_token(void **state)
{
    (void)state;
    hold_the_job();
    wait_for_token("waiting");
    char *answer = test_db_text(stage.duty, "select ganger.complete_token('%s')", stage.token);
    assert_string_equal(answer, "t");
    free(answer);
    wait_for_token("waiting"); // repeated: this attempt has ended in a wait
    test_db_run(stage.duty, "select ganger.maintain()");
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_goes_on("completed");
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_steps_are_put_off_and_seen),
        TOKEN_TEST(test_steps_put_off_leave_nothing),
        TOKEN_TEST(test_a_wait_is_put_off_and_applied),
        TOKEN_TEST(test_a_wait_put_off_yields_to_the_cancel),
        TOKEN_TEST(test_a_wait_put_off_past_its_token),
    };
    return cmocka_run_group_tests_name("steps and waits put off", tests, NULL, NULL);
}
