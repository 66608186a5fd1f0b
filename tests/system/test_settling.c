// SPDX-License-Identifier: MIT
// Deaths at the exact points where a job could be lost, charged twice or run twice (docs/decisions/0003-settling-order.md).
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"

#ifdef GANGER_FAULT_POINTS

enum { JOB_COUNT = 40 };

static const char one_worker[] = "{default: {processes: 1}}";

static void await_strike(SystemTest *test, const Daemon *daemon)
{
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         access(daemon->fault_once, F_OK) == 0; pause_ms(2)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

// Many short jobs through one worker that dies at a point of its pipeline: the ids are first .. first + JOB_COUNT - 1.
static int64_t run_through(SystemTest *test, const char *fault)
{
    const Daemon *daemon =
        daemon_configure(test, "settling", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn, "begin");
    int64_t first = journal_add(test, 0, NULL, NULL);
    for (int i = 1; i < JOB_COUNT; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    test_db_run(test->conn, "commit");
    daemon_start(&test->daemons[0]);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              JOB_COUNT);
    await_strike(test, daemon);
    return first;
}

static void check_begins(SystemTest *test, int64_t first, int expected)
{
    int begins = 0;
    for (int64_t id = first; id < first + JOB_COUNT; id++) {
        begins += journal_count(test, id, "begin");
    }
    if (begins != expected) {
        (void)fprintf(stderr, "%d begins, not %d\n", begins, expected);
        system_fail(test, "a job ran more or less often than it should");
    }
}

// The claim is committed and the slot knows nothing of it: nothing of it has started, so nothing is charged.
static void test_between_claim_and_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "after_claim_commit:3:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    sql_check(test, "(select count(*) > 1 from ganger.jobs j, ganger.job_events(j.id) e where "
                    "e.event = 'released')");
}

// It has run, but nobody knows how it went: the attempt is charged, and only that one.
static void test_between_result_and_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "result_before_slot:4:kill");
    check_begins(test, first, JOB_COUNT + 1);
    sql_check(test,
              "(select count(*) filter (where attempts = 2 and crashes = 1) = 1 and count(*) "
              "filter (where attempts = 1 and crashes = 0) = %d from ganger.jobs)",
              JOB_COUNT - 1);
    sql_check(
        test,
        "(select count(*) = 1 from ganger.attempts where outcome = 'crashed' and signal = 9)");
}

// The result is in the slot, so it counts.
static void test_result_in_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "result_in_slot:4:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
}

static void test_before_finish(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "before_finish:3:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
}

// Also an error is a result: it is charged as an error, once.
static void test_error_in_slot(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(
        test, "error", 1, &(DaemonOptions){.pools = one_worker, .fault = "result_in_slot:1:kill"});
    int64_t id =
        journal_add(test, 0, "\"fail_until\": 2", "retry_delay => '20 ms', retry_backoff => false");
    job_await(test, id, "completed");
    await_strike(test, daemon);
    CHECK(test, journal_count(test, id, "begin") == 2);
    sql_check(test,
              "(select array_agg(outcome order by attempt) from ganger.attempts where job_id "
              "= %" PRId64 ") = array['error', 'completed']",
              id);
}

// A handler's own writes and its completion are one transaction, whenever the worker dies.
static void check_effect(SystemTest *test, const char *fault, int attempts)
{
    const Daemon *daemon =
        daemon_configure(test, "effect", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn,
                "create table if not exists journal_effect (job_id bigint, attempt int)");
    daemon_start(&test->daemons[0]);
    int64_t id = job_add(test, "'journal_tx', '{\"file\": \"%s/journal\"}'", test->folder);
    job_await(test, id, "completed");
    await_strike(test, daemon);
    sql_check(test, "(select count(*) = 1 from journal_effect where job_id = %" PRId64 ")", id);
    sql_await(test,
              "(select attempts = %d and crashes = %d from ganger.jobs where id = %" PRId64 ")",
              attempts, attempts - 1, id);
    CHECK(test, journal_count(test, id, "begin") == attempts);
}

static void test_before_complete(void **state)
{
    check_effect(*state, "handler_before_complete:1:kill", 2);
}

static void test_before_commit(void **state)
{
    check_effect(*state, "handler_before_commit:1:kill", 2);
}

static void test_after_commit(void **state)
{
    check_effect(*state, "handler_after_commit:1:kill", 1);
}

// The reaper dies between two steps of settling a crash in the middle of a batch; the next one carries on.
static void check_reaper_death(SystemTest *test, const char *fault)
{
    const Daemon *daemon =
        daemon_configure(test, "reaper", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn, "begin");
    int64_t first = journal_add(test, 0, NULL, NULL);
    for (int i = 1; i < JOB_COUNT - 1; i++) {
        (void)journal_add(test, 0, i == 10 ? "\"crash_until\": 2" : NULL, NULL);
    }
    int64_t last = journal_add(test, 0, NULL, NULL);
    assert_true(last == first + JOB_COUNT - 1);
    test_db_run(test->conn, "commit");
    daemon_start(&test->daemons[0]);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              JOB_COUNT);
    await_strike(test, daemon);
    check_begins(test, first, JOB_COUNT + 1);
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              first + 10);
    sql_check(test,
              "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs where id <> %" PRId64
              ")",
              first + 10);
    sql_check(test, "(select count(*) = 1 from ganger.nodes)");
}

static void test_reaper_before_settle(void **state)
{
    check_reaper_death(*state, "before_settle:1:kill");
}

static void test_reaper_after_marking(void **state)
{
    check_reaper_death(*state, "worker_marked_dead:1:kill");
}

static void test_reaper_after_settle(void **state)
{
    check_reaper_death(*state, "worker_settled:1:kill");
}

// The supervisor dies while it deals with a dead or an overdue worker.
static void check_supervisor_death(SystemTest *test, const char *fault, bool is_overdue)
{
    Daemon *daemon =
        daemon_run(test, "boss", 1, &(DaemonOptions){.pools = one_worker, .fault = fault});
    int64_t id = is_overdue ? journal_add(test, 60000, NULL,
                                          "timeout => '100 ms', max_attempts => 2, "
                                          "retry_delay => '50 ms', retry_backoff => false")
                            : journal_add(test, 0, "\"crash_until\": 2", NULL);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 128 + SIGKILL);
    sql_await(test, "(select status <> 'processing' from ganger.jobs where id = %" PRId64 ")", id);
    daemon_start(daemon);
    // Due retries are promoted by the new node at once, though the old one held the duties.
    job_await_within(test, id, is_overdue ? "failed" : "completed", slow_ms(4000));
    sql_check(test, "(select attempts = 2 from ganger.jobs where id = %" PRId64 ")", id);
}

static void test_supervisor_before_wait(void **state)
{
    check_supervisor_death(*state, "supervisor_before_wait:1:kill", false);
}

static void test_supervisor_before_obituary(void **state)
{
    check_supervisor_death(*state, "supervisor_before_obituary:1:kill", false);
}

static void test_supervisor_soft_stop(void **state)
{
    check_supervisor_death(*state, "supervisor_soft_stop:1:kill", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_between_claim_and_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_between_result_and_slot, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_result_in_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_finish, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_error_in_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_complete, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_commit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_after_commit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_before_settle, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_after_marking, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_after_settle, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_before_wait, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_before_obituary, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_soft_stop, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}

#else

static void test_without_fault_points(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_fault_points)};
    return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}

#endif
