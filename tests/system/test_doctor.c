// SPDX-License-Identifier: MIT
// doctor() where it is about the whole server, and what gangerd's log says of the same by itself: settings, transactions that are open for
// long, slots, connections. On a server of its own. What concerns one database: tests/sql/doctor.sql.
#include "tests/support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"
#include "tests/support/wall_clock.h"

static void reload(SystemTest *test, const char *setting, const char *value)
{
    test_db_run(test->conn, "alter system set %s = %s", setting, value);
    test_db_run(test->conn, "select pg_reload_conf()");
    sql_await(test, "current_setting('%s') = '%s'", setting, value);
}

// Runs the statements of a line, one by one, as psql does.
static void run_each(SystemTest *test, char *line)
{
    for (char *rest = line; rest != NULL;) {
        char *one = strsep(&rest, ";");
        PGresult *done = PQexec(test->conn, one);
        ExecStatusType status = PQresultStatus(done);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
            status != PGRES_EMPTY_QUERY) {
            print_error("%s: %s", one, PQresultErrorMessage(done));
            system_fail(test, "what is to mend it does not");
        }
        PQclear(done);
    }
}

// Runs what the findings of a check say.
static void mend(SystemTest *test, const char *check)
{
    PGresult *result = PQexecParams(
        test->conn,
        "select mend from ganger.doctor('0 s') where check_name = $1 and severity <> 'ok'", 1, NULL,
        &check, NULL, NULL, 0);
    CHECK(test, PQntuples(result) > 0);
    for (int i = 0; i < PQntuples(result); i++) {
        run_each(test, PQgetvalue(result, i, 0));
    }
    PQclear(result);
}

static void check_finding(SystemTest *test, const char *check, const char *severity,
                          const char *subject)
{
    sql_check(test,
              "exists (select from ganger.doctor('0 s') where check_name = '%s' and severity like "
              "'%s' and subject like '%s')",
              check, severity, subject);
}

// With a node that has worked for a while there is nothing to say, at once.
static void test_nothing_is_wrong(void **state)
{
    SystemTest *test = *state;
    reload(test, "fsync", "on"); // which tests do without
    reload(test, "full_page_writes", "on");
    Daemon *daemon = daemon_run(test, "well", 2, NULL);
    for (int i = 0; i < 20; i++) {
        (void)job_add(test, "'noop'");
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 20");
    sql_await(test, "(select clock_offset from ganger.nodes) between '-2 s' and '2 s'");
    sql_await(test,
              "(select cpu_count > 0 and load >= 0 and processes #> '{supervisor,rss}' > '100000' "
              "and processes #> '{reaper,rss}' > '100000' "
              "and processes #> '{reaper,cpu_share}' >= '0' from ganger.nodes)");
    sql_await(test, "(select bool_and(rss > 100000 and cpu_time >= '0 s') from ganger.workers)");
    char *wrong = test_db_text(test->conn, "select string_agg(concat_ws(' ', check_name, severity, "
                                           "subject, finding), E'\\n') from ganger.doctor() where "
                                           "severity <> 'ok'");
    if (wrong != NULL) {
        system_fail(test, wrong);
    }
    int64_t began_ms = clock_boot_ms();
    test_db_run(test->conn, "select from ganger.doctor()");
    print_message("doctor(): %d ms\n", (int)(clock_boot_ms() - began_ms));
    CHECK(test, daemon_log_count(daemon, "database.unsafe") == 0);
    CHECK(test, daemon_log_count(daemon, "horizon.held") == 0);
    CHECK(test, daemon_log_count(daemon, "clock.off") == 0);
    test_db_run(test->conn, "alter system reset all");
    test_db_run(test->conn, "select pg_reload_conf()");
    sql_await(test, "current_setting('fsync') = 'off'");
}

static void test_unsafe_settings(void **state)
{
    SystemTest *test = *state;
    static const char *const names[] = {"fsync", "full_page_writes", "autovacuum"};
    reload(test, "autovacuum", "off"); // the others are off here in any case
    check_finding(test, "server", "error", "fsync");
    check_finding(test, "server", "error", "full_page_writes");
    check_finding(test, "autovacuum", "error", "autovacuum");
    // The node says it once for each start of the server, and when it has become otherwise.
    Daemon *daemon = daemon_run(test, "warned", 2, NULL);
    CHECK(test, daemon_await_log(daemon, "database.unsafe", DAEMON_PATIENCE_MS));
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                            "application_name = 'ganger-reaper'");
    CHECK(test, daemon_await_log(daemon, "database.reconnected", DAEMON_PATIENCE_MS));
    job_await(test, job_add(test, "'noop'"), "completed");
    CHECK(test, daemon_log_count(daemon, "database.unsafe") == 1);
    mend(test, "server");
    mend(test, "autovacuum");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sql_await(test, "current_setting('%s') = 'on'", names[i]);
    }
    sql_await(test, "(select bool_and(severity = 'ok') from ganger.doctor() where check_name in "
                    "('server', 'autovacuum'))");
    test_db_run(test->conn, "alter system reset all");
    test_db_run(test->conn, "select pg_reload_conf()");
}

// What others hold open is told by the leader, once for each holder, with who it is; and when it is over.
static void test_horizon(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "insert into ganger.setting values ('horizon_patience', '500 ms')");
    Daemon *daemon = daemon_run(test, "watching", 2, NULL);
    PGconn *other = test_db_connect(&test->db);
    int64_t pid = test_db_int(other, "select pg_backend_pid()");
    test_db_run(other, "begin isolation level repeatable read");
    int64_t began_ms = clock_boot_ms();
    test_db_run(other, "select count(*) from ganger.jobs");
    test_db_run(test->conn,
                "select ganger.enqueue('noop')"); // so that there is something older to see
    char name[64];
    (void)snprintf(name, sizeof name, "horizon.held holder=\"session %lld\"", (long long)pid);
    CHECK(test, daemon_await_log(daemon, name, DAEMON_PATIENCE_MS));
    print_message("told after %d ms, with a limit of 500 ms\n", (int)(clock_boot_ms() - began_ms));
    char subject[64];
    (void)snprintf(subject, sizeof subject, "session %lld", (long long)pid);
    check_finding(test, "snapshots", "warning", subject);
    pause_ms(1500); // three looks more: it is the same one
    CHECK(test, daemon_log_count(daemon, name) == 1);
    mend(test, "snapshots");
    CHECK(test, daemon_await_log(daemon, "horizon.free", DAEMON_PATIENCE_MS));
    PQfinish(other);
    sql_await(test, "(select bool_and(severity = 'ok') from ganger.doctor('0 s') where check_name "
                    "= 'snapshots')");
}

// A name of 199 bytes, all of them quoted, is told once, too.
static void test_horizon_with_a_long_name(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "insert into ganger.setting values ('horizon_patience', '300 ms')");
    test_db_run(test->conn, "begin");
    test_db_run(test->conn, "select ganger.enqueue('noop')");
    char name[200];
    memset(name, '\'', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *gid = PQescapeLiteral(test->conn, name, sizeof name - 1);
    test_db_run(test->conn, "prepare transaction %s", gid);
    Daemon *daemon = daemon_run(test, "watching", 2, NULL);
    CHECK(test, daemon_await_log(daemon, "horizon.held", DAEMON_PATIENCE_MS));
    pause_ms(1500); // some looks more
    int told = daemon_log_count(daemon, "horizon.held");
    test_db_run(test->conn, "rollback prepared %s", gid);
    PQfreemem(gid);
    CHECK(test, told == 1);
    CHECK(test, daemon_await_log(daemon, "horizon.free", DAEMON_PATIENCE_MS));
}

static void test_prepared_transactions_and_slots(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "begin");
    test_db_run(test->conn, "select ganger.enqueue('noop')");
    test_db_run(test->conn, "prepare transaction 'forgotten'");
    check_finding(test, "snapshots", "warning", "prepared transaction ''forgotten''");
    mend(test, "snapshots");
    test_db_run(test->conn, "select pg_create_physical_replication_slot('gone', true)");
    check_finding(test, "slots", "notice", "replication slot \"gone\"");
    // Where it may not be asked how far WAL has been written, as on Amazon Aurora, what is known is told.
    test_db_run(test->conn, "revoke execute on function pg_current_wal_lsn() from public");
    test_db_run(test->conn,
                "create role doctor_small; grant usage on schema ganger to doctor_small");
    test_db_run(test->conn, "grant execute on all functions in schema ganger to doctor_small");
    test_db_run(test->conn, "set role doctor_small");
    sql_check(test,
              "(select finding from ganger._doctor_slots('0 s') where severity = 'notice' and "
              "subject = 'replication slot \"gone\"') like 'nobody reads it; how much WAL is "
              "kept for it cannot be found out on this server: permission denied %%'");
    test_db_run(test->conn, "reset role");
    test_db_run(test->conn, "drop owned by doctor_small; drop role doctor_small");
    mend(test, "slots");
    sql_check(test, "(select bool_and(severity = 'ok') from ganger.doctor('0 s') where check_name "
                    "in ('snapshots', 'slots'))");
}

static void test_connections(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "many", 2, NULL);
    test_db_run(test->conn, "alter database \"%s\" connection limit 4", test->db.name);
    check_finding(test, "connections", "warning", "database %");
    mend(test, "connections");
    sql_check(test, "(select bool_and(severity = 'ok') from ganger.doctor() where check_name = "
                    "'connections')");
    // With one session more than nine in ten a newcomer may be refused.
    PGconn *taken[256] = {0};
    int count = 0;
    while (test_db_int(test->conn,
                       "select (select sum(numbackends) from pg_stat_database) * 100 / "
                       "(current_setting('max_connections')::integer - "
                       "current_setting('superuser_reserved_connections')::integer)") < 91 &&
           count < 256) {
        taken[count++] = test_db_connect(&test->db);
    }
    check_finding(test, "connections", "%", "max_connections");
    while (count > 0) {
        PQfinish(taken[--count]);
    }
    sql_await(test, "(select bool_and(severity = 'ok') from ganger.doctor() where check_name = "
                    "'connections')");
    daemon_signal(daemon, SIGTERM);
}

// A node's wall clock that is wrong is measured with the heartbeats, told once each way, shown and named; its jobs do not care.
static void test_clock_drift(void **state)
{
    SystemTest *test = *state;
    WallClock *clock = wall_clock_create();
    wall_clock_set(clock, 5000);
    (void)setenv("GANGER_TEST_CLOCK", wall_clock_path(clock), 1);
    (void)setenv("LD_PRELOAD", wall_clock_library(), 1);
    (void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    Daemon *daemon =
        daemon_run(test, "ahead", 2,
                   &(DaemonOptions){.node = "heartbeat: 200ms, self_fence: 10s, lease: 15s"});
    (void)unsetenv("LD_PRELOAD");
    (void)unsetenv("ASAN_OPTIONS");
    (void)unsetenv("GANGER_TEST_CLOCK");
    CHECK(test, daemon_await_log(daemon, "event=clock.off", DAEMON_PATIENCE_MS));
    sql_await(test, "(select clock_offset from ganger.nodes) between '4 s' and '6 s'");
    char *offset = test_db_text(test->conn, "select clock_offset from ganger.nodes");
    print_message("5 s before: measured %s\n", offset);
    free(offset);
    check_finding(test, "clocks", "warning", "node \"ahead\"");
    job_await(test, job_add(test, "'noop'"), "completed");
    wall_clock_set(clock, -3600000);
    sql_await(test, "(select clock_offset from ganger.nodes) < '-50 min'");
    wall_clock_set(clock, 0);
    CHECK(test, daemon_await_log(daemon, "event=clock.right", DAEMON_PATIENCE_MS));
    sql_await(test, "(select bool_and(severity = 'ok') from ganger.doctor() where check_name = "
                    "'clocks')");
    CHECK(test, daemon_log_count(daemon, "event=clock.off") == 1);
    daemon_destroy(daemon);
    wall_clock_destroy(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_wrong, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_unsafe_settings, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_horizon, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_horizon_with_a_long_name, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_prepared_transactions_and_slots, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_connections, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_clock_drift, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("doctor", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
