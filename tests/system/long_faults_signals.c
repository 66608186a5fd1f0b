// SPDX-License-Identifier: MIT
// gangerd is told to stop, in every way and at every moment of its work, many times. About ten minutes.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/fault_node.h"

enum { ROUNDS = 100, TIMEOUT_MS = 300, GRACE_MS = 200, MARGIN_MS = 1000 };

typedef struct Way {
    const char *name;
    int first;
    int second;       // 0 = none
    int64_t limit_ms; // until it has ended
    const char *fault;
} Way;

static const Way ways[] = {
    {"TERM", SIGTERM, 0, TIMEOUT_MS + GRACE_MS + MARGIN_MS, NULL},
    {"INT", SIGINT, 0, TIMEOUT_MS + GRACE_MS + MARGIN_MS, NULL},
    {"TERM, TERM", SIGTERM, SIGTERM, GRACE_MS + MARGIN_MS, NULL},
    {"QUIT", SIGQUIT, 0, GRACE_MS + MARGIN_MS, NULL},
#ifdef GANGER_FAULT_POINTS
    {"TERM while a claim is under way", SIGTERM, 0, TIMEOUT_MS + GRACE_MS + MARGIN_MS,
     "claim_sending:6:sleep=150"},
    {"QUIT between claim and start", SIGQUIT, 0, GRACE_MS + MARGIN_MS,
     "after_claim_commit:6:sleep=150"},
#endif
};

// Long jobs, one that obeys and one that does not, and short ones beside them.
static void add_work(SystemTest *test)
{
    (void)journal_add(test, 60000, NULL, "priority => 1");
    (void)journal_add(test, 60000, "\"deaf\": 1", "priority => 1");
    test_db_run(test->conn, "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, "
                            "400)");
}

static void check_nothing_is_left(SystemTest *test)
{
    sql_check(test, "(select count(*) = 0 from ganger.jobs where status = 'processing')");
    // What was stopped, or never begun, is as if it had never been claimed.
    sql_check(test,
              "(select coalesce(bool_and(attempts = 0 and pending_reason is null), true) from "
              "ganger.jobs where status = 'pending')");
    sql_check(test,
              "(select coalesce(bool_and(attempts = 1), true) from ganger.jobs where status = "
              "'completed')");
    sql_check(test, "(select count(*) = 0 from ganger.jobs where status in ('failed', 'waiting'))");
    sql_check(test, "(select bool_and(state::text = 'stopped') from ganger.nodes)");
    sql_check(test, "(select bool_and(state = 'dead') from ganger.workers)");
}

static void await_strike(SystemTest *test, const Daemon *daemon)
{
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         access(daemon->fault_once, F_OK) == 0; pause_ms(1)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

static int64_t stop_once(SystemTest *test, const Way *way, int round)
{
    static const DaemonOptions options = {.pools = "{default: {processes: 4}}",
                                          .supervisor =
                                              "kill_grace: 200ms, shutdown_timeout: 300ms"};
    DaemonOptions own = options;
    own.fault = way->fault;
    int64_t before =
        test_db_int(test->conn, "select count(*) from ganger.jobs where status = 'completed'");
    Daemon *daemon = daemon_configure(test, "stopped", &own);
    add_work(test);
    daemon_start(daemon);
    if (way->fault != NULL) {
        await_strike(test, daemon);
    } else if (round % 4 != 0) { // else in the middle of its start
        sql_await(test,
                  "(select count(*) > %" PRId64 " from ganger.jobs where status = 'completed')",
                  before);
        pause_ms(round * 7 % 60); // any moment is as good as another
    }
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, way->first);
    if (way->second != 0) {
        pause_ms(round % 20);
        daemon_signal(daemon, way->second);
    }
    int code = daemon_wait(daemon, slow_ms(20000));
    int64_t took_ms = clock_boot_ms() - at;
    if (way->fault != NULL || round % 4 != 0) {
        CHECK(test, code == 0);
        check_nothing_is_left(test);
    } else { // before its signals are its own, it dies of them
        CHECK(test, code == 0 || code == 128 + way->first);
        sql_check(test, "(select count(*) = 0 from ganger.jobs where status = 'processing')");
    }
    test_db_run(test->conn, "select ganger.cancel(id) from ganger.jobs where status = 'pending'");
    return took_ms;
}

static void test_stops(void **state)
{
    SystemTest *test = *state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        Figures figures = {.count = 0};
        for (int round = 0; round < long_count(ROUNDS); round++) {
            figures_add(&figures, stop_once(test, &ways[i], round));
        }
        CHECK(test, figures_tell(&figures, ways[i].name) < slow_ms(ways[i].limit_ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stops, system_setup, system_teardown),
    };
    long_choose();
    return cmocka_run_group_tests_name("faults_signals", tests, NULL, NULL);
}
