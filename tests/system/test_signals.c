// SPDX-License-Identifier: MIT
// What gangerd does on signals: drain, stop at once, pause, new configuration.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"

static void test_drain_finishes(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "drain", 2, NULL);
    int64_t id = journal_add(test, 700, NULL, NULL);
    journal_await_begin(test, id, 1);
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_await_log(daemon, "shutdown.begin", DAEMON_PATIENCE_MS));
    int64_t late = job_add(test, "'noop'");
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    CHECK(test, clock_boot_ms() - at < slow_ms(2500));
    sql_check(test,
              "(select status = 'completed' and attempts = 1 from ganger.jobs where id = %" PRId64
              ")",
              id);
    sql_check(test,
              "(select status = 'pending' and attempts = 0 from ganger.jobs where id = %" PRId64
              ")",
              late);
    sql_check(test, "(select state::text = 'stopped' from ganger.nodes)");
    sql_check(test, "(select bool_and(state = 'dead') from ganger.workers)");
    daemon_start(daemon);
    job_await(test, late, "completed");
}

static void test_other_signals_do_nothing(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "others", 2, NULL);
    daemon_signal(daemon, SIGUSR2);
    daemon_signal(daemon, SIGTTIN);
    daemon_signal(daemon, SIGTTOU);
    daemon_signal(daemon, SIGUSR1); // obeyed after them
    CHECK(test, daemon_await_log(daemon, "log.reopened", DAEMON_PATIENCE_MS));
    job_await(test, job_add(test, "'noop'"), "completed");
}

// INT is TERM, and a second signal stops at once: what runs goes back uncounted.
static void test_second_term_stops(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "twice", 2, NULL);
    int64_t polite = journal_add(test, 60000, NULL, NULL);
    int64_t deaf = journal_add(test, 60000, "\"deaf\": 1", NULL);
    journal_await_begin(test, polite, 1);
    journal_await_begin(test, deaf, 1);
    daemon_signal(daemon, SIGINT);
    CHECK(test, daemon_await_log(daemon, "shutdown.begin", DAEMON_PATIENCE_MS));
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    CHECK(test, clock_boot_ms() - at < slow_ms(2000));
    sql_check(test, "(select bool_and(status = 'pending' and attempts = 0 and pending_reason is "
                    "null) from ganger.jobs)");
}

static void test_quit_stops(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "quit", 2, NULL);
    int64_t id = journal_add(test, 60000, NULL, NULL);
    journal_await_begin(test, id, 1);
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGQUIT);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    CHECK(test, clock_boot_ms() - at < slow_ms(2000));
    sql_check(
        test,
        "(select status = 'pending' and attempts = 0 from ganger.jobs where id = %" PRId64 ")", id);
    sql_check(test, "(select state::text = 'stopped' from ganger.nodes)");
}

static void test_drain_has_an_end(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon =
        daemon_run(test, "patience", 2,
                   &(DaemonOptions){.supervisor = "kill_grace: 200ms, shutdown_timeout: 400ms"});
    int64_t polite = journal_add(test, 60000, NULL, NULL);
    int64_t deaf = journal_add(test, 60000, "\"deaf\": 1", NULL);
    journal_await_begin(test, polite, 1);
    journal_await_begin(test, deaf, 1);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    CHECK(test, journal_count(test, polite, "stop") == 1);
    sql_check(test, "(select bool_and(status = 'pending' and attempts = 0) from ganger.jobs)");
}

static void test_pause_and_go(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "pause", 2, NULL);
    // Each worker has one, or has long been idle: no claim is on its way.
    int64_t one = journal_add(test, 400, NULL, NULL);
    int64_t other = journal_add(test, 400, NULL, NULL);
    journal_await_begin(test, one, 1);
    journal_await_begin(test, other, 1);
    daemon_signal(daemon, SIGTSTP);
    CHECK(test, daemon_await_log(daemon, "supervisor.quiet", DAEMON_PATIENCE_MS));
    int64_t waiting = job_add(test, "'noop'");
    job_await(test, one, "completed");
    job_await(test, other, "completed");
    pause_ms(400); // several polls
    sql_check(test, "(select status = 'pending' from ganger.jobs where id = %" PRId64 ")", waiting);
    daemon_signal(daemon, SIGCONT);
    int64_t at = clock_boot_ms();
    job_await(test, waiting, "completed");
    CHECK(test, clock_boot_ms() - at < slow_ms(1000));
}

static void test_reload(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "reload", 2, NULL);
    int64_t node = test_db_int(test->conn, "select id from ganger.nodes");
    int64_t running = journal_add(test, 1200, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    (void)daemon_configure(
        test, "reload",
        &(DaemonOptions){.pools =
                             "{default: {processes: 2}, other: {queues: [other], processes: 1}}",
                         .handlers = "again: {plugin: noop.so, symbol: echo}"});
    daemon_signal(daemon, SIGHUP);
    CHECK(test, daemon_await_log(daemon, "config.reloaded", DAEMON_PATIENCE_MS));
    job_await(test, job_add(test, "'again', '7', queue => 'other'"), "completed");
    job_await(test, job_add(test, "'again', '8'"), "completed");
    CHECK(test, journal_count(test, running, "end") == 1 || process_is_alive(pid));
    job_await(test, running, "completed");
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    daemon_await_workers(test, daemon, 3);

    FILE *file = fopen(daemon->config_path, "ae");
    assert_non_null(file);
    (void)fputs("pools2: {}\n", file);
    (void)fclose(file);
    daemon_signal(daemon, SIGHUP);
    CHECK(test, daemon_await_log(daemon, "config.kept", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(daemon, "did you mean") > 0);
    job_await(test, job_add(test, "'again', '9', queue => 'other'"), "completed");
    sql_check(test, "(select count(*) = 1 and min(id) = %" PRId64 " from ganger.nodes)", node);
}

static void test_two_of_one_name(void **state)
{
    SystemTest *test = *state;
    const Daemon *first = daemon_run(test, "twin", 2, NULL);
    Daemon second = *first;
    (void)snprintf(second.log_path, sizeof second.log_path, "%s/second.log", test->folder);
    daemon_start(&second);
    CHECK(test, daemon_wait(&second, DAEMON_PATIENCE_MS) == 78);
    CHECK(test, daemon_log_count(&second, "pidfile.held") == 1);
    // With its own folder it gets further, but the database knows the name.
    char other[128];
    (void)snprintf(other, sizeof other, "%s/elsewhere", test->folder);
    (void)daemon_configure(test, "twin", &(DaemonOptions){.state_dir = other});
    daemon_start(&second);
    CHECK(test, daemon_wait(&second, DAEMON_PATIENCE_MS) == 78);
    CHECK(test, daemon_log_count(&second, "node.name_in_use") == 1);
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select count(*) = 1 and min(state::text) = 'alive' from ganger.nodes)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_drain_finishes, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_other_signals_do_nothing, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_second_term_stops, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_quit_stops, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_drain_has_an_end, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pause_and_go, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reload, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_two_of_one_name, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
