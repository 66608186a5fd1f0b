// SPDX-License-Identifier: MIT
// DatabaseFaults: see the header. Those of many clients are in client_faults.c.
#include "tests/support/database_faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/private_cluster.h"
#include "tests/support/producer.h"
#include "tests/support/tree_cpu.h"

enum {
    RESUME_AFTER_RESTART_MS = 2000,
    RESUME_MS = 5000,
    FULL_CPU_PERCENT = 10,
    FULL_LOOK_MS = 1500,
    CONNECTION_MAX = 64
};

// A connection as soon as there is one: when that was.
static int64_t reconnect(SystemTest *test)
{
    int64_t until = clock_boot_ms() + 6 * DAEMON_PATIENCE_MS;
    PQfinish(test->conn);
    while (PQstatus(test->conn = PQconnectdb(test->db.url)) != CONNECTION_OK) {
        PQfinish(test->conn);
        assert_true(clock_boot_ms() < until);
        pause_ms(5);
    }
    return clock_boot_ms();
}

// How long after `since` a job that is enqueued now has been completed.
static int64_t probe_ms(SystemTest *test, int64_t since)
{
    job_await_within(test, job_add(test, "'noop'"), "completed", 6 * DAEMON_PATIENCE_MS);
    return clock_boot_ms() - since;
}

static void check_resumed(SystemTest *test, const char *what, int64_t took_ms, int64_t goal_ms)
{
    (void)printf("%s: a new job was completed after %" PRId64 " ms (goal %" PRId64 ")\n", what,
                 took_ms, goal_ms);
    CHECK(test, took_ms <= slow_ms(goal_ms));
}

// All the producer was told of is there, and ends well; and is charged once.
static void check_told(SystemTest *test, Producer *producer)
{
    producer_stop(producer);
    char *ids = producer_ids(producer);
    sql_check(test, "(select count(*) = %d from ganger.jobs where id in (%s))",
              producer_count(producer), ids);
    sql_await(test,
              "(select count(*) = 0 from ganger.jobs where status <> 'completed' and id in (%s))",
              ids);
    sql_check(test,
              "(select coalesce(max(attempts), 1) = 1 and coalesce(max(crashes), 0) = 0 from "
              "ganger.jobs where id in (%s))",
              ids);
    free(ids);
    producer_free(producer);
}

static void check_uninterrupted(SystemTest *test, int64_t id, pid_t pid)
{
    CHECK(test, process_is_alive(pid));
    job_await_within(test, id, "completed", 12 * DAEMON_PATIENCE_MS);
    CHECK(test, journal_count(test, id, "begin") == 1);
    sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", id);
}

// --- restarts

void fault_restart(SystemTest *test, int rounds)
{
    daemon_run(test, "restarted", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    for (int i = 0; i < rounds; i++) {
        int64_t running = journal_add(test, 2000, NULL, NULL);
        pid_t pid = journal_await_begin(test, running, 1);
        Producer *producer = producer_start(test, test->db.url, 1);
        producer_await(test, producer, 100);
        private_cluster("halt");
        private_cluster("resume");
        int64_t accepts_at = reconnect(test);
        check_resumed(test, "immediate restart", probe_ms(test, accepts_at),
                      RESUME_AFTER_RESTART_MS);
        check_told(test, producer);
        check_uninterrupted(test, running, pid);
    }
}

void fault_backend_killed(SystemTest *test, int rounds)
{
    daemon_run(test, "killed", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    for (int i = 0; i < rounds; i++) {
        int64_t running = journal_add(test, 2000, NULL, NULL);
        pid_t pid = journal_await_begin(test, running, 1);
        Producer *producer = producer_start(test, test->db.url, 1);
        producer_await(test, producer, 100);
        int64_t backend = test_db_int(test->conn, "select min(pid) from pg_stat_activity where "
                                                  "application_name = 'ganger-worker' and datname "
                                                  "= current_database()");
        CHECK(test, backend > 1 && kill((pid_t)backend, SIGKILL) == 0);
        // The server ends all sessions when it has noticed.
        while (PQstatus(test->conn) == CONNECTION_OK) {
            PQclear(PQexec(test->conn, "select pg_sleep(0.01)"));
        }
        int64_t accepts_at = reconnect(test);
        check_resumed(test, "backend killed", probe_ms(test, accepts_at), RESUME_AFTER_RESTART_MS);
        check_told(test, producer);
        check_uninterrupted(test, running, pid);
    }
}

void fault_outage(SystemTest *test, const char *node, int64_t away_ms, bool is_fatal)
{
    const Daemon *daemon = daemon_run(test, "alone", 2, &(DaemonOptions){.node = node});
    int64_t id = journal_add(test, (int)away_ms + 1500, NULL, NULL);
    pid_t pid = journal_await_begin(test, id, 1);
    private_cluster("halt");
    pause_ms((int)away_ms); // the outage itself
    bool is_alive = process_is_alive(pid);
    private_cluster("resume");
    int64_t accepts_at = reconnect(test);
    int64_t took_ms = probe_ms(test, accepts_at);
    CHECK(test, is_alive != is_fatal);
    if (is_fatal) {
        (void)journal_await_begin(test, id, 2);
    } else {
        check_resumed(test, "outage", took_ms, RESUME_MS);
        check_uninterrupted(test, id, pid);
        CHECK(test, daemon_log_count(daemon, "node.lost") == 0);
        sql_check(test, "(select count(*) = 1 from ganger.nodes)"); // never buried
    }
}

// --- locks

void fault_table_locked(SystemTest *test, const char *mode, int64_t held_ms)
{
    const Daemon *daemon = daemon_run(test, "waiting", 2, NULL);
    int64_t running = journal_add(test, (int)held_ms + 500, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 50)");
    int64_t short_one = journal_add(test, 300, NULL, NULL); // its result meets the lock
    PGconn *holder = test_db_connect(&test->db);
    test_db_run(holder, "begin");
    test_db_run(holder, "lock table ganger.job in %s mode", mode);
    int64_t held_until = clock_boot_ms() + held_ms;
    int64_t most = 0;
    while (clock_boot_ms() < held_until) {
        int64_t open = test_db_int(test->conn, "select count(*) from pg_stat_activity where "
                                               "application_name like 'ganger-%%' and datname = "
                                               "current_database()");
        most = open > most ? open : most;
        pause_ms(50);
    }
    test_db_run(holder, "commit");
    int64_t released_at = clock_boot_ms();
    PQfinish(holder);
    check_resumed(test, mode, probe_ms(test, released_at), RESUME_MS);
    check_uninterrupted(test, running, pid);
    job_await(test, short_one, "completed");
    CHECK(test, journal_count(test, short_one, "begin") <= 1);
    sql_await(test, "(select count(*) = 0 from ganger.jobs where status <> 'completed')");
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    CHECK(test, daemon_log_count(daemon, "node.lost") == 0);
    (void)printf("%s: at most %" PRId64 " connections\n", mode, most);
    CHECK(test, most <= 2 * 2 + 1);
}

// --- connections

void fault_connections_used_up(SystemTest *test, int max_connections)
{
    const Daemon *daemon = daemon_run(test, "crowded", 2, NULL);
    PGconn *taken[CONNECTION_MAX];
    int count = 0;
    assert_true(max_connections <= CONNECTION_MAX);
    pid_t worker = daemon_child(daemon, "ganger-worker", 0);
    CHECK(test, worker > 0);
    while (count < max_connections) {
        PGconn *conn = PQconnectdb(test->db.url);
        if (PQstatus(conn) != CONNECTION_OK) {
            CHECK(test, strstr(PQerrorMessage(conn), "too many clients") != NULL);
            PQfinish(conn);
            break;
        }
        taken[count++] = conn;
    }
    CHECK(test, count < max_connections);
    // Who has a connection works on; who is born gets none, and tries again.
    (void)probe_ms(test, 0);
    CHECK(test, kill(worker, SIGKILL) == 0);
    while (count < max_connections) { // the one that is free now is gone at once
        PGconn *conn = PQconnectdb(test->db.url);
        if (PQstatus(conn) == CONNECTION_OK) {
            taken[count++] = conn;
            break;
        }
        PQfinish(conn);
        if (daemon_log_count(daemon, "db.connect_failed") > 0) {
            break;
        }
        pause_ms(5);
    }
    CHECK(test, daemon_await_log(daemon, "db.connect_failed", 2 * DAEMON_PATIENCE_MS));
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 20)");
    sql_await(test, "(select count(*) = 0 from ganger.jobs where status <> 'completed')");
    for (int i = 0; i < count; i++) {
        PQfinish(taken[i]);
    }
    int64_t free_at = clock_boot_ms();
    daemon_await_workers(test, daemon, 2);
    check_resumed(test, "connections", clock_boot_ms() - free_at, RESUME_MS);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
}

// --- room

// Takes all the room there is, or gives it back.
static void fill_disk(SystemTest *test, const char *home)
{
    static const char block[8192];
    char *path = mem_printf("%s/ballast", home);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CHECK(test, file >= 0);
    while (write(file, block, sizeof block) > 0) {
    }
    (void)close(file);
    free(path);
}

static void free_disk(const char *home)
{
    char *path = mem_printf("%s/ballast", home);
    (void)unlink(path);
    free(path);
}

static void check_full_is_cheap(SystemTest *test, const Daemon *daemon, const char *what)
{
    int64_t before_ms = tree_cpu_ms(daemon->pid);
    int64_t since = clock_boot_ms();
    pause_ms(FULL_LOOK_MS); // the time that is measured
    int64_t percent = (tree_cpu_ms(daemon->pid) - before_ms) * 100 / (clock_boot_ms() - since);
    (void)printf("disk full (%s): the node used %" PRId64 " %% of a processor\n", what, percent);
    CHECK(test, percent < slow_ms(FULL_CPU_PERCENT));
}

// Writes WAL until there is no room for it: the server ends itself then.
static void fill_wal(PGconn *conn)
{
    bool is_running = true;
    for (int i = 0; i < 1000 && is_running; i++) {
        PGresult *result =
            PQexec(conn, "select pg_logical_emit_message(true, 'x', repeat('x', 1000000))");
        is_running = PQstatus(conn) == CONNECTION_OK;
        PQclear(result);
    }
    assert_false(is_running);
}

void fault_disk_full(SystemTest *test, const char *home)
{
    const Daemon *daemon = daemon_run(test, "full", 2, NULL);
    test_db_run(test->conn, "create table filler (x text)");
    Producer *producer = producer_start(test, test->db.url, 1);
    producer_await(test, producer, 100);
    fill_disk(test, home);
    bool is_refused = false;
    for (int i = 0; i < 1000 && !is_refused; i++) {
        PGresult *result = PQexec(
            test->conn, "insert into filler select repeat('x', 1000) from generate_series(1, 100)");
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        is_refused = sqlstate != NULL && str_equal(sqlstate, "53100");
        PQclear(result);
    }
    CHECK(test, is_refused);
    check_full_is_cheap(test, daemon, "tables");
    free_disk(home);
    int64_t room_at = clock_boot_ms();
    check_resumed(test, "room for tables", probe_ms(test, room_at), RESUME_MS);
    check_told(test, producer);

    producer = producer_start(test, test->db.url, 1);
    producer_await(test, producer, 100);
    PGconn *writer = test_db_connect(&test->db); // nobody gets in with the disk full
    fill_disk(test, home);
    fill_wal(writer);
    PQfinish(writer);
    check_full_is_cheap(test, daemon, "WAL");
    free_disk(home);
    if (PQping(test->db.url) != PQPING_OK) {
        private_cluster("resume"); // it gave up, or is just coming back
    }
    int64_t accepts_at = reconnect(test);
    check_resumed(test, "room for WAL", probe_ms(test, accepts_at), RESUME_MS);
    check_told(test, producer);
}
