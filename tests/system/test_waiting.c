// SPDX-License-Identifier: MIT
// Jobs that wait: their workers die meanwhile, and they go on with what they remember.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

static Daemon *run_waiters(SystemTest *test, const char *name, const char *fault)
{
    char handlers[1024];
    CHECK(test, (size_t)snprintf(handlers, sizeof handlers,
                                 "journal_steps: {plugin: %s/journal.so}, "
                                 "approval: {exec: [%s/handlers/examples/approval.sh]}",
                                 getenv("GANGER_TEST_PLUGINS"),
                                 getenv("GANGER_SOURCE_DIR")) < sizeof handlers);
    return daemon_run(test, name, 1,
                      &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                       .handlers = handlers,
                                       .fault = fault});
}

static int64_t add(SystemTest *test, int wait_ms, int ms, int max_attempts)
{
    return job_add(test,
                   "'journal_steps', '{\"file\": \"%s/journal\", \"wait\": %d, \"ms\": %d}', "
                   "max_attempts => %d",
                   test->folder, wait_ms, ms, max_attempts);
}

static void complete_token(SystemTest *test, int64_t id)
{
    char *answer = test_db_text(test->conn,
                                "select ganger.complete_token(token, '{\"n\": 7}')::text from "
                                "ganger.tokens where job_id = %" PRId64,
                                id);
    CHECK(test, answer != NULL && str_equal(answer, "true"));
    free(answer);
}

// Once while it waits, once in the middle of its work.
static void test_workers_are_killed(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run_waiters(test, "waiter", NULL);
    int64_t id = add(test, 1000, 60000, 2);
    pid_t first = journal_await_begin(test, id, 1);
    job_await(test, id, "waiting");
    sql_check(test, "(select attempts = 0 from ganger.jobs where id = %" PRId64 ")", id);
    (void)kill(daemon_child(daemon, "ganger-worker", 0), SIGKILL);
    pid_t second = journal_await_begin(test, id, 2);
    CHECK(test, second != first);
    sql_await(test,
              "(select exists (select from ganger.step where job_id = %" PRId64
              " and name = 'two'))",
              id);
    (void)kill(second, SIGKILL);
    (void)journal_await_begin(test, id, 3);
    job_await(test, id, "waiting");
    sql_check(test, "(select wait_token is not null from ganger.jobs where id = %" PRId64 ")", id);
    complete_token(test, id);
    job_await(test, id, "completed");
    CHECK(test, journal_count(test, id, "begin") == 4);
    CHECK(test, journal_count(test, id, "one") == 1);
    CHECK(test, journal_count(test, id, "two") == 1);
    sql_check(test,
              "(select attempts = 2 and crashes = 1 and output = '{\"n\": 7}' from ganger.jobs "
              "where id = %" PRId64 ")",
              id);
    sql_check(test,
              "(select string_agg(event, ' ' order by at) from ganger.job_events(%" PRId64
              ") where event in ('waiting', 'resumed')) = 'waiting resumed waiting resumed'",
              id);
}

// The wait is in the slot, not yet in the database, and its worker dies: it is a wait all the same, and costs nothing.
static void test_wait_outlives_its_worker(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run_waiters(test, "slot", "result_in_slot:1:kill");
    int64_t id = add(test, 100, 0, 1);
    pid_t first = journal_await_begin(test, id, 1);
    CHECK(test, journal_await_begin(test, id, 2) != first);
    CHECK(test, daemon_await_log(daemon, "worker.settled", DAEMON_PATIENCE_MS));
    job_await(test, id, "waiting");
    complete_token(test, id);
    job_await(test, id, "completed");
    CHECK(test, journal_count(test, id, "one") == 1);
    sql_check(test,
              "(select attempts = 1 and crashes = 0 and max_attempts = 1 from ganger.jobs where id "
              "= %" PRId64 ")",
              id);
}

// The example, as it stands.
static void test_program_waits(void **state)
{
    SystemTest *test = *state;
    run_waiters(test, "program", NULL);
    int64_t id = job_add(test, "'approval', max_attempts => 1");
    sql_await(test,
              "(select exists (select from ganger.jobs where id = %" PRId64
              " and status = 'waiting' and wait_token is not null))",
              id);
    // The worker is free for others meanwhile.
    job_await(test, job_add(test, "'noop'"), "completed");
    complete_token(test, id);
    job_await(test, id, "completed");
    sql_check(test,
              "(select attempts = 1 and output ->> 'status' = 'completed' and output -> 'data' = "
              "'{\"n\": 7}' from ganger.jobs where id = %" PRId64 ")",
              id);
}

// PostgreSQL refuses the wait when the program has ended: that attempt fails, and the worker goes on.
static void test_program_waits_for_no_token(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "lost", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                .handlers =
                                    "lost: {exec: [/bin/sh, -c, \"echo '{\\\"wait_token\\\": "
                                    "\\\"tok_none\\\"}' >&3\"]}"});
    int64_t id = job_add(test, "'lost', max_attempts => 2, retry_delay => '0 s'");
    job_await(test, id, "failed");
    sql_check(test,
              "(select attempts = 2 and error = 'PostgreSQL does not accept the result: there is "
              "no token tok_none' "
              "from ganger.jobs where id = %" PRId64 ")",
              id);
    job_await(test, job_add(test, "'noop'"), "completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_workers_are_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_wait_outlives_its_worker, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_program_waits, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_program_waits_for_no_token, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
