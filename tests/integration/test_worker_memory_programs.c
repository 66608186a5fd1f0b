// SPDX-License-Identifier: MIT
// Tests of what a job remembers from run to run, through programs.
#include "tests/support/memory_run.h"

static void resume(MemoryRun *self)
{
    test_db_run(self->admin, "UPDATE ganger.job SET due_at = now() WHERE due_at IS NOT NULL");
    test_db_run(self->admin, "SELECT ganger.maintain()");
    memory_run_claim(self);
}

static void test_program_remembers(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_script(
        self, "cat $GANGER_STEPS >&2; echo '{\"step\": \"a\", \"result\": {\"n\": 1}}' >&3\n"
              "echo '{\"step\": \"b\\\"\", \"wait\": \"1h\"}' >&3");
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    resume(self);
    memory_run_script(self, "cat $GANGER_STEPS; echo ${GANGER_WAITED-no token} >&2");
    memory_run_expect(self, OUTCOME_COMPLETED, "{\"a\": {\"n\": 1}, \"b\\\"\": null}");
    char *log = slot_log_copy(self->run.slot);
    assert_string_equal(log, "{}no token\n");
    free(log);
}

// All are stored, and handed to the next run; nothing is held back for the others.
static void test_program_with_thousands_of_steps(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_script(self,
                      "seq 3000 | sed 's/.*/{\"step\": \"s&\", \"result\": &}/' >&3\n"
                      "seq 1000 | sed 's/.*/{\"step\": \"cursor\", \"result\": &}/' >&3; exit 1");
    memory_run_settle(self, "pending");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.step"), 3001);
    resume(self);
    memory_run_script(self, "grep -o '\"s[0-9]*\": [0-9]*' $GANGER_STEPS | wc -l\n"
                            "grep -o '\"cursor\": 1000' $GANGER_STEPS");
    memory_run_expect(self, OUTCOME_COMPLETED, "\"3000\\n\\\"cursor\\\": 1000\"");
}

// PostgreSQL has the last word on a wait; what it refuses fails the attempt.
static void test_program_waits_for_what_there_is_not(void **state)
{
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_script(self, "echo '{\"wait_until\": \"9999-12-31T23:59:59Z\"}' >&3");
    memory_run_expect(self, OUTCOME_WAIT, "{\"until\": \"9999-12-31T23:59:59.000Z\"}");
    memory_run_settle(self, "waiting");
    memory_run_expect_sql(self, "wait_until = '9999-12-31 23:59:59+00'", "true");
}

static void test_program_waits_for_its_token(void **state)
{
    static const char script[] =
        "if [ -n \"$GANGER_WAITED\" ]; then cat \"$GANGER_WAITED\"; exit; fi\n"
        "echo '{\"create_token\": {\"step\": \"ok\", \"timeout\": \"1h\", \"tags\": [\"t\"]}, "
        "\"wait\": true}' >&3";
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_script(self, script);
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    self->token = test_db_text(self->admin, "SELECT token FROM ganger.tokens WHERE tags = '{t}'");
    memory_run_expect_sql(self, "wait_token = (SELECT result #>> '{}' FROM ganger.step)", "true");
    // Woken before anybody has completed it, it finds the token it has made.
    test_db_run(self->admin,
                "UPDATE ganger.job SET status = 'pending', wait_token = NULL, due_at = now()");
    resume(self);
    memory_run_script(self, script);
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    assert_int_equal(test_db_int(self->admin, "SELECT count(*) FROM ganger.tokens"), 1);
    test_db_run(self->admin, "SELECT ganger.complete_token('%s', '{\"yes\": 1}')", self->token);
    resume(self);
    memory_run_script(self, script);
    char *expected = mem_printf(
        "{\"data\": {\"yes\": 1}, \"token\": \"%s\", \"status\": \"completed\"}", self->token);
    memory_run_expect(self, OUTCOME_COMPLETED, expected);
    free(expected);
}

// A program that never looks at GANGER_WAITED: its wait would end at once, again and again, at nobody's expense.
static void test_program_waits_in_circles(void **state)
{
    static const char script[] =
        "echo '{\"create_token\": {\"step\": \"ok\"}, \"wait\": true}' >&3";
    MemoryRun *self = *state;
    memory_run_begin(self);
    memory_run_script(self, script);
    memory_run_expect(self, OUTCOME_WAIT, NULL);
    memory_run_settle(self, "waiting");
    self->token = test_db_text(self->admin, "SELECT token FROM ganger.tokens");
    test_db_run(self->admin, "SELECT ganger.complete_token('%s', '1')", self->token);
    char *expected = mem_printf("token '%s' has ended, as GANGER_WAITED has told this run: look at "
                                "that first, instead of waiting for it again",
                                self->token);
    static const char *const statuses[] = {"pending", "failed"};
    for (int attempt = 1; attempt <= 2; attempt++) {
        resume(self);
        memory_run_script(self, "echo '{\"wait\": \"0s\"}' >&3"); // another wait is none of it
        memory_run_expect(self, OUTCOME_WAIT, NULL);
        memory_run_script(self, script);
        memory_run_expect(self, OUTCOME_ERROR, expected);
        memory_run_settle(self, statuses[attempt - 1]);
        memory_run_expect_sql(self, "attempts", attempt == 1 ? "1" : "2");
    }
    free(expected);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, memory_run_setup, memory_run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_program_remembers),
        TEST(test_program_with_thousands_of_steps),
        TEST(test_program_waits_for_what_there_is_not),
        TEST(test_program_waits_for_its_token),
        TEST(test_program_waits_in_circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
