// SPDX-License-Identifier: MIT
// The on_error hook of a plugin through the real gangerd: it is called whatever a job has failed of, once, and its own end is its own.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/daemon.h"

static void run(SystemTest *test, const char *name)
{
    char handlers[512];
    CHECK(test, (size_t)snprintf(handlers, sizeof handlers, "journal_hook: {plugin: %s/journal.so}",
                                 getenv("GANGER_TEST_PLUGINS")) < sizeof handlers);
    daemon_run(test, name, 2, &(DaemonOptions){.handlers = handlers});
}

static int64_t add(SystemTest *test, const char *more, const char *options)
{
    return job_add(test, "'journal_hook', '{\"file\": \"%s/journal\", %s}', %s", test->folder, more,
                   options);
}

// The job that calls the hook of a failed one.
static int64_t hook_of(SystemTest *test, int64_t id)
{
    job_await(test, id, "failed");
    return test_db_int(test->conn,
                       "select (data ->> 'job_id')::bigint from ganger.job_events(%" PRId64
                       ") where event = 'on_error'",
                       id);
}

static void test_whatever_it_fails_of(void **state)
{
    SystemTest *test = *state;
    run(test, "hooks");
    int64_t error = add(test, "\"fail_until\": 9", "max_attempts => 1");
    int64_t crash = add(test, "\"crash_until\": 9", "max_attempts => 1");
    int64_t timeout = add(test, "\"ms\": 60000, \"deaf\": 1",
                          "max_attempts => 1, timeout => '300 ms', kill_grace => '100 ms'");
    int64_t good = add(test, "\"fail_until\": 2", "max_attempts => 2, retry_delay => '0 s'");
    const int64_t failed[] = {error, crash, timeout};
    static const char *const reasons[] = {"error", "crashed", "timeout"};
    for (size_t i = 0; i < 3; i++) {
        int64_t hook = hook_of(test, failed[i]);
        job_await(test, hook, "completed");
        CHECK(test, journal_count(test, failed[i], "hook") == 1);
        sql_check(test,
                  "(select payload ->> 'reason' = '%s' and job_type = 'journal_hook:on_error' from "
                  "ganger.jobs where id = %" PRId64 ")",
                  reasons[i], hook);
        sql_check(test,
                  "(select bool_or(a.log = j.error || E'\\n') from ganger.attempts a, ganger.jobs "
                  "j where "
                  "a.job_id = %" PRId64 " and j.id = %" PRId64 ")",
                  hook, failed[i]);
    }
    job_await(test, good, "completed");
    sql_check(test, "(select count(*) = 3 from ganger.jobs where job_type like '%%:on_error')");
}

// It dies, or does not come to its end.
static void test_its_own_end(void **state)
{
    SystemTest *test = *state;
    run(test, "ends");
    int64_t dies = add(test, "\"fail_until\": 9, \"hook_crash\": 1", "max_attempts => 1");
    int64_t hangs = add(test, "\"fail_until\": 9, \"hook_ms\": 60000",
                        "max_attempts => 1, timeout => '300 ms', kill_grace => '100 ms'");
    int64_t dead = hook_of(test, dies);
    int64_t late = hook_of(test, hangs);
    job_await(test, dead, "failed");
    job_await(test, late, "failed");
    sql_check(test,
              "(select failure_reason = 'crashed' and attempts = 1 from ganger.jobs where id = "
              "%" PRId64 ")",
              dead);
    sql_check(test, "(select bool_or(signal = 11) from ganger.attempts where job_id = %" PRId64 ")",
              dead);
    sql_check(test, "(select failure_reason = 'timeout' from ganger.jobs where id = %" PRId64 ")",
              late);
    // Nothing has changed for the jobs themselves, and nothing follows.
    sql_check(test,
              "(select count(*) = 2 from ganger.jobs where failure_reason = 'error' and error "
              "= 'told to fail' and job_type = 'journal_hook' and attempts = 1)");
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select count(*) = 5 from ganger.jobs)");
    CHECK(test, journal_count(test, dies, "hook") == 1);
    CHECK(test, journal_count(test, hangs, "hook") == 1);
}

// With a name of its own the hook's job would have one that is too long: the handler is refused, not its failures.
static void test_no_room_for_the_name(void **state)
{
    SystemTest *test = *state;
    char handlers[1024];
    char longest[256 - sizeof ":on_error" + 1];
    char longer[sizeof longest + 1];
    memset(longest, 'x', sizeof longest - 1);
    memset(longer, 'y', sizeof longer - 1);
    longest[sizeof longest - 1] = '\0';
    longer[sizeof longer - 1] = '\0';
    const char *folder = getenv("GANGER_TEST_PLUGINS");
    CHECK(test, (size_t)snprintf(handlers, sizeof handlers,
                                 "%s: {plugin: %s/journal.so, symbol: journal_hook}, "
                                 "%s: {plugin: %s/journal.so, symbol: journal_hook}",
                                 longest, folder, longer, folder) < sizeof handlers);
    const Daemon *daemon = daemon_run(test, "names", 2, &(DaemonOptions){.handlers = handlers});
    CHECK(test, daemon_await_log(daemon, "its on_error hook needs a job type of at most 246 bytes",
                                 DAEMON_PATIENCE_MS));
    int64_t fits =
        job_add(test, "'%s', '{\"file\": \"%s/journal\", \"fail_until\": 9}', max_attempts => 1",
                longest, test->folder);
    job_await(test, hook_of(test, fits), "completed");
    int64_t refused =
        job_add(test, "'%s', '{\"file\": \"%s/journal\", \"fail_until\": 9}', max_attempts => 1",
                longer, test->folder);
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select status = 'pending' from ganger.jobs where id = %" PRId64 ")", refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whatever_it_fails_of, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_its_own_end, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_the_name, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
