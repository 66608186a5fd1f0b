// SPDX-License-Identifier: MIT
// The database is away: at the start, for a moment in mid-run, in the middle of everything, or for single connections.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"

static void reconnect(SystemTest *test)
{
    PQfinish(test->conn);
    test->conn = test_db_connect(&test->db);
}

static void test_down_at_start(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "early", NULL);
    private_cluster("halt");
    daemon_start(daemon);
    bool has_said = daemon_await_log(daemon, "database.unreachable", DAEMON_PATIENCE_MS);
    int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    while (daemon_log_count(daemon, "database.unreachable") < 2 && clock_boot_ms() < until) {
        pause_ms(20);
    }
    bool is_trying = daemon_log_count(daemon, "database.unreachable") >= 2;
    private_cluster("resume");
    reconnect(test);
    CHECK(test, has_said && is_trying);
    job_await(test, job_add(test, "'noop'"), "completed");
}

// A stop of gangerd does not wait for a database that is away.
static void test_stop_while_down(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "leaving", 2, NULL);
    int64_t id = journal_add(test, 60000, NULL, NULL);
    (void)journal_await_begin(test, id, 1);
    private_cluster("halt");
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGQUIT);
    int code = daemon_wait(daemon, 20000);
    int64_t took_ms = clock_boot_ms() - at;
    private_cluster("resume");
    reconnect(test);
    CHECK(test, code == 0);
    CHECK(test, took_ms < 8000);
    // Nobody could write it down: the next gangerd of the same name does.
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
}

static void test_restart_in_mid_run(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "busy", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    int64_t running = journal_add(test, 4000, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    for (int round = 0; round < 3; round++) {
        test_db_run(
            test->conn,
            "select ganger.enqueue('journal', '{\"file\": \"%s/journal\", \"ms\": 1}') from "
            "generate_series(1, 400)",
            test->folder);
        sql_await(test, "(select count(*) >= %d from ganger.jobs where status = 'completed')",
                  round * 400 + 50);
        private_cluster("halt");
        private_cluster("resume");
        reconnect(test);
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 1201");
    CHECK(test, journal_count(test, running, "begin") == 1);
    CHECK(test, process_is_alive(pid));
    sql_check(test,
              "(select attempts = 1 and status = 'completed' from ganger.jobs where id = %" PRId64
              ")",
              running);
    // A restart charges nobody: results that could not be written are written later.
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 and count(distinct id) = 1201 "
                    "from ganger.jobs)");
    sql_check(test, "(select count(*) = 1 from ganger.nodes)");
    for (int64_t id = running + 1; id <= running + 1200; id += 37) {
        CHECK(test, journal_count(test, id, "begin") <= 1);
    }
}

// A worker that is being replaced still has a result, and a log with it, when the database is away.
static void test_reload_while_down(void **state)
{
    SystemTest *test = *state;
    char handlers[256];
    char gate[128];
    (void)snprintf(gate, sizeof gate, "%s/gate", test->folder);
    (void)snprintf(handlers, sizeof handlers,
                   "gated: {exec: [/bin/sh, -c, 'echo told >&2; while [ ! -e %s ]; do sleep 0.02; "
                   "done; echo 7']}",
                   gate);
    Daemon *daemon = daemon_run(test, "replaced", 2, &(DaemonOptions){.handlers = handlers});
    int64_t id = job_add(test, "'gated'");
    (void)job_await_pid(test, id);
    daemon_signal(daemon, SIGHUP);
    bool is_reloaded = daemon_await_log(daemon, "config.reloaded", DAEMON_PATIENCE_MS);
    private_cluster("halt");
    // What it says when its result waits for a connection.
    char waiting[64];
    (void)snprintf(waiting, sizeof waiting, "job_id=%" PRId64 " name=ganger-worker", id);
    FILE *file = fopen(gate, "we");
    bool has_ended =
        file != NULL && fclose(file) == 0 && daemon_await_log(daemon, waiting, DAEMON_PATIENCE_MS);
    private_cluster("resume");
    reconnect(test);
    CHECK(test, is_reloaded && has_ended);
    job_await(test, id, "completed");
    sql_check(test,
              "(select attempts = 1 and crashes = 0 and output = '7' from ganger.jobs where id = "
              "%" PRId64 ")",
              id);
    sql_check(test, "(select log = E'told\\n' from ganger.attempts where job_id = %" PRId64 ")",
              id);
}

// Connections are ended one by one, as an administrator or a firewall does.
static void test_connections_ended(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "cut", 2, NULL);
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 2}') from generate_series(1, 500)");
    for (int i = 0; i < 15; i++) {
        test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                                "datname = current_database() "
                                "and application_name like 'ganger-%%' order by random() limit 1");
        pause_ms(60);
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 500");
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    CHECK(test, daemon_log_count(daemon, "worker.reconnected") > 0);
    job_await(test, job_add(test, "'noop'"), "completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_down_at_start, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_stop_while_down, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_restart_in_mid_run, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reload_while_down, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_connections_ended, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("outage", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
