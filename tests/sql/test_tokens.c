// SPDX-License-Identifier: MIT
// Tokens between sessions: whoever commits first, a waiter is woken once its token has ended, by that one only, and nobody waits
// for an open transaction.
#include "tests/support/token_stage.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum { HELD_WAITERS = 250 };

static void complete_token(const char *wanted)
{
    char *answer =
        test_db_text(stage.completer, "select ganger.complete_token('%s', '7')", stage.token);
    assert_string_equal(answer, wanted);
    free(answer);
}

static int64_t work_signals(void)
{
    return test_db_int(stage.duty, "select ganger._work_signals()");
}

// --- every order of beginning and committing

static void test_the_wait_commits_last(void **state)
{
    (void)state;
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    complete_token("t");
    assert_int_equal(work_signals(), 1); // of the completion, which finds nobody
    test_db_run(stage.waiter, "commit");
    assert_status("waiting");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_the_completion_commits_last(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    wait_for_token("waiting");
    assert_int_equal(work_signals(), 1); // of the wait: nothing to be seen yet
    assert_status("waiting");
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_both_are_open_the_wait_commits_first(void **state)
{
    (void)state;
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_int_equal(work_signals(), 0);
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_both_are_open_the_completion_commits_first(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

// A claim in the transaction that suspends must not use up its signal.
static void test_a_waiter_leaves_its_signal_to_others(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    assert_int_equal(test_db_int(stage.waiter, "select ganger._work_signals()"), 0);
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1); // of the completion, which finds nobody
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_a_completion_rolled_back_wakes_nobody(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    work_signals();
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_status("waiting");
    complete_token("t");
    work_signals();
    assert_goes_on("completed");
}

// What a rolled back pass has looked at is looked at again.
static void test_a_pass_rolled_back_loses_nothing(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    wait_for_token("waiting");
    work_signals();
    test_db_run(stage.completer, "commit");
    test_db_run(stage.waiter, "begin");
    assert_int_equal(test_db_int(stage.waiter, "select ganger._work_signals()"), 1);
    assert_int_equal(work_signals(), 0); // somebody is at it
    test_db_run(stage.waiter, "rollback");
    assert_status("waiting");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_a_waiter_that_is_held_is_woken_later(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(%" PRId64 ")", stage.id);
    complete_token("t");
    assert_int_equal(work_signals(), 2); // of the wait and of the completion
    test_db_run(stage.waiter, "rollback");
    assert_status("waiting");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and status = 'pending' from "
                              "ganger.jobs where id = %" PRId64,
                              stage.id));
    assert_goes_on("completed");
}

static void test_a_waiter_that_is_cancelled_stays_so(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(%" PRId64 ")", stage.id);
    complete_token("t");
    work_signals();
    test_db_run(stage.waiter, "commit");
    assert_true(test_db_await(
        stage.duty, LIMIT_MS,
        "select ganger._work_signals() >= 0 and not exists (select from ganger.signal)"));
    assert_status("cancelled");
}

// Many that are held take no place from the others.
static void test_held_waiters_do_not_delay_others(void **state)
{
    (void)state;
    test_db_run(stage.duty, "select ganger.enqueue('held') from generate_series(1, %d)",
                HELD_WAITERS);
    test_db_run(stage.duty,
                "create table held as select id, lease_id, ganger.create_token() as token "
                "from ganger.claim('w', job_types => '{held}', max_jobs => 1000)");
    test_db_run(stage.duty, "select ganger.wait_for_token(id, lease_id, token) from held");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(id) from held");
    test_db_run(stage.duty, "select ganger.complete_token(token) from held");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    char *answer = test_db_text(stage.duty, "select ganger.wait_for_token(%" PRId64 ", '%s', '%s')",
                                stage.id, stage.lease, stage.token);
    free(answer);
    test_db_run(stage.completer, "commit");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and status = 'pending' from "
                              "ganger.jobs where id = %" PRId64,
                              stage.id));
    test_db_run(stage.waiter, "rollback");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and count(*) = %d from "
                              "ganger.job where job_type = 'held' and status = 'pending'",
                              HELD_WAITERS));
}

// --- timeouts

// Makes the token late while the completer holds it.
static void complete_late(void)
{
    test_db_run(stage.duty,
                "update ganger.token set timeout_at = clock_timestamp() + interval '2 s'");
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    assert_true(test_db_await(stage.waiter, LIMIT_MS,
                              "select timeout_at < clock_timestamp() from ganger.token"));
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 0);
    assert_status("waiting");
}

static void test_a_completion_begun_in_time_counts(void **state)
{
    (void)state;
    complete_late();
    test_db_run(stage.completer, "commit");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 0);
    assert_goes_on("completed");
}

static void test_one_that_is_rolled_back_does_not(void **state)
{
    (void)state;
    complete_late();
    test_db_run(stage.completer, "rollback");
    complete_token("f");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 1);
    work_signals();
    assert_goes_on("timed_out");
}

// --- who waits for whom

static void test_nobody_waits_but_for_the_same_token(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    int64_t first = stage.id;
    run_a_job();
    PGconn *waiter = stage.waiter;
    stage.waiter = stage.duty; // with its lock_timeout
    wait_for_token("waiting");
    stage.waiter = waiter;
    assert_text(stage.duty, "t", "select ganger.complete_token(ganger.create_token())");
    test_db_run(stage.duty, "select ganger.maintain(), ganger.claim('x'), ganger._forget_tokens()");
    test_db_run(stage.duty, "select count(*) from ganger.tokens, ganger.jobs");
    char *second = mem_printf("select ganger.complete_token('%s')", stage.token);
    assert_int_equal(PQsendQuery(stage.waiter, second), 1);
    free(second);
    assert_true(test_db_await(stage.duty, LIMIT_MS, "select pg_blocking_pids(%d) = array[%d]",
                              PQbackendPID(stage.waiter), PQbackendPID(stage.completer)));
    test_db_run(stage.completer, "commit");
    PGresult *result = PQgetResult(stage.waiter);
    assert_string_equal(PQgetvalue(result, 0, 0), "f");
    PQclear(result);
    assert_null(PQgetResult(stage.waiter));
    test_db_run(stage.duty, "select ganger._work_signals()");
    assert_status("pending");
    stage.id = first;
    assert_status("pending");
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_the_wait_commits_last),
        TOKEN_TEST(test_the_completion_commits_last),
        TOKEN_TEST(test_both_are_open_the_wait_commits_first),
        TOKEN_TEST(test_both_are_open_the_completion_commits_first),
        TOKEN_TEST(test_a_waiter_leaves_its_signal_to_others),
        TOKEN_TEST(test_a_completion_rolled_back_wakes_nobody),
        TOKEN_TEST(test_a_pass_rolled_back_loses_nothing),
        TOKEN_TEST(test_a_waiter_that_is_held_is_woken_later),
        TOKEN_TEST(test_a_waiter_that_is_cancelled_stays_so),
        TOKEN_TEST(test_held_waiters_do_not_delay_others),
        TOKEN_TEST(test_a_completion_begun_in_time_counts),
        TOKEN_TEST(test_one_that_is_rolled_back_does_not),
        TOKEN_TEST(test_nobody_waits_but_for_the_same_token),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
