// SPDX-License-Identifier: MIT
// Two nodes on one database: one dies, or is frozen past its lease, and the other buries it.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"

enum { LEASE_MS = 6000, SCAN_MS = 2000, TREE_MAX = 64 };

static const char node_options[] = "heartbeat: 100ms, self_fence: 700ms, lease: 6s";
static const char quick_fence[] = "{default: {processes: 1}}";

// The first node alone, so that it has the jobs; the second is started by the caller.
static Daemon *run_first(SystemTest *test, const char *fault)
{
    return daemon_run(test, "first", 1,
                      &(DaemonOptions){.node = node_options, .pools = quick_fence, .fault = fault});
}

static void run_second(SystemTest *test)
{
    daemon_run(test, "second", 1, &(DaemonOptions){.node = node_options, .pools = quick_fence});
}

static void signal_all(const pid_t *pids, size_t count, int signal)
{
    for (size_t i = 0; i < count; i++) {
        (void)kill(pids[i], signal);
    }
}

static void check_history(SystemTest *test, int64_t id)
{
    sql_check(test,
              "(select array_agg(outcome || ' ' || node order by attempt) from ganger.attempts "
              "where job_id = %" PRId64 ") = array['node_lost first', 'completed second']",
              id);
    sql_check(test, "(select count(*) = 1 from ganger.jobs where id = %" PRId64 ")", id);
}

static void test_lost_machine(void **state)
{
    SystemTest *test = *state;
    Daemon *first = run_first(test, NULL);
    int64_t id = journal_add(test, 3000, NULL, NULL); // longer than the second node needs to start
    (void)journal_await_begin(test, id, 1);
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(first->pid, tree, TREE_MAX);
    run_second(test);
    int64_t at = clock_boot_ms();
    (void)kill(first->pid, SIGSTOP); // so that nobody sees another die
    signal_all(tree, count, SIGKILL);
    daemon_destroy(first);
    sql_check(test, "(select status = 'processing' from ganger.jobs where id = %" PRId64 ")", id);
    (void)journal_await_begin(test, id, 2);
    int64_t took_ms = clock_boot_ms() - at;
    CHECK(test, took_ms > LEASE_MS - 1000);
    CHECK(test, took_ms < LEASE_MS + SCAN_MS + slow_ms(1500));
    job_await(test, id, "completed");
    check_history(test, id);
    sql_check(test, "(select state::text = 'dead' from ganger.nodes where name = 'first')");
    sql_await(test, "(select leader from ganger.nodes where name = 'second')");
}

// A whole node stands still past its lease, with a result in hand that it has not written. The kernel ends its worker at the
// self-fence, before others may begin; when the node goes on, its result is not accepted.
static void test_frozen_machine(void **state)
{
    SystemTest *test = *state;
    Daemon *first = run_first(test, NULL);
    int64_t id = journal_add(test, 2000, NULL, NULL);
    pid_t worker = journal_await_begin(test, id, 1);
    run_second(test);
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(first->pid, tree, TREE_MAX);
    (void)kill(first->pid, SIGSTOP);
    signal_all(tree, count, SIGSTOP);
    int64_t at = clock_boot_ms();
    CHECK(test, process_await_end(worker, 3000));
    CHECK(test, clock_boot_ms() - at < 1500);
    (void)journal_await_begin(test, id, 2);
    CHECK(test, clock_boot_ms() - at > LEASE_MS - 1000);
    signal_all(tree, count, SIGCONT);
    (void)kill(first->pid, SIGCONT);
    job_await(test, id, "completed");
    check_history(test, id);
    // The frozen node finds itself buried, and comes back as a new one.
    sql_await(
        test,
        "(select count(*) = 1 from ganger.nodes where name = 'first' and state::text = 'alive')");
    daemon_await_workers(test, first, 1);
    CHECK(test, journal_count(test, id, "end") == 1);
}

// A supervisor that stands still keeps its node alive for nobody: no job would be ended at its limit, no worker replaced. So it
// is buried like a lost machine, and before others begin its jobs, all processes of those are gone.
static void test_frozen_supervisor(void **state)
{
    static const char twice[] =
        "twice: {exec: [/bin/sh, -c, '[ \"$GANGER_ATTEMPT\" = 1 ] || exit 0; trap \"\" TERM; "
        "setsid sleep 1000 & sleep 1001; wait']}";
    SystemTest *test = *state;
    DaemonOptions options = {.node = node_options, .pools = quick_fence, .handlers = twice};
    Daemon *first = daemon_run(test, "first", 1, &options);
    int64_t id = job_add(test, "'twice'");
    pid_t worker = job_await_pid(test, id);
    pid_t tree[TREE_MAX];
    size_t count = 0;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS; count < 3; pause_ms(2)) {
        CHECK(test, clock_boot_ms() < until);
        count = process_descendants(worker, tree, TREE_MAX);
    }
    daemon_run(test, "second", 1, &options);
    daemon_signal(first, SIGSTOP);
    int64_t at = clock_boot_ms();
    CHECK(test, process_await_end(worker, slow_ms(20000)));
    for (size_t i = 0; i < count; i++) {
        CHECK(test, process_await_end(tree[i], 200));
    }
    job_await_within(test, id, "completed", LEASE_MS + SCAN_MS + slow_ms(15000));
    check_history(test, id);
    CHECK(test,
          test_db_await(test->conn, LEASE_MS + SCAN_MS + slow_ms(10000),
                        "select state::text = 'dead' from ganger.nodes where name = 'first'"));
    CHECK(test, clock_boot_ms() - at < 5000 + LEASE_MS + SCAN_MS + slow_ms(4000));
    daemon_signal(first, SIGCONT);
    sql_await(
        test,
        "(select count(*) = 1 from ganger.nodes where name = 'first' and state::text = 'alive')");
    daemon_await_workers(test, first, 1);
}

#ifdef GANGER_FAULT_POINTS
static void test_late_result(void **state)
{
    SystemTest *test = *state;
    Daemon *first = run_first(test, "result_in_slot:1:stop");
    int64_t id = journal_add(test, 0, NULL, NULL);
    pid_t worker = journal_await_begin(test, id, 1);
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS; access(first->fault_once, F_OK) == 0;
         pause_ms(2)) {
        CHECK(test, clock_boot_ms() < until);
    }
    run_second(test);
    pid_t tree[TREE_MAX];
    size_t count = process_descendants(first->pid, tree, TREE_MAX);
    (void)kill(first->pid, SIGSTOP);
    signal_all(tree, count, SIGSTOP);
    CHECK(test, process_await_end(worker, 3000));
    job_await_within(test, id, "completed", LEASE_MS + SCAN_MS + slow_ms(3000));
    signal_all(tree, count, SIGCONT);
    (void)kill(first->pid, SIGCONT);
    sql_await(
        test,
        "(select count(*) = 1 from ganger.nodes where name = 'first' and state::text = 'alive')");
    daemon_await_workers(test, first, 1);
    check_history(test, id);
    CHECK(test, journal_count(test, id, "end") == 2); // it had run twice, and counts once
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_machine, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_frozen_machine, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_frozen_supervisor, system_setup, system_teardown),
#ifdef GANGER_FAULT_POINTS
        cmocka_unit_test_setup_teardown(test_late_result, system_setup, system_teardown),
#endif
    };
    return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
