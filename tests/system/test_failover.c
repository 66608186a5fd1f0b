// SPDX-License-Identifier: MIT
// The primary dies and its standby takes over; the old primary comes back; the standby is away.
#include "tests/support/unit.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/failover.h"
#include "tests/support/producer.h"
#include "tests/support/scale.h"
#include "tests/support/standby.h"

enum { RESUME_GOAL_MS = 5000, TAIL = 80, CONDITION_MS = 20000, REPEATS_MAX = 16 };

static Daemon *run_node(SystemTest *test, const char *name, int workers)
{
    char pools[64];
    (void)snprintf(pools, sizeof pools, "{default: {processes: %d}}", workers);
    char *database = failover_database(test);
    Daemon *daemon =
        daemon_run(test, name, workers, &(DaemonOptions){.database = database, .pools = pools});
    free(database);
    return daemon;
}

// What the tests here stand on: the standby has what it was sent, and no more; the old primary has it all.
static void test_servers_change_places(void **state)
{
    SystemTest *test = *state;
    int old = standby_primary();
    test_db_run(test->conn, "create table seen (n int)");
    test_db_run(test->conn, "insert into seen values (1)");
    standby_await_caught_up();
    standby_detach();
    test_db_run(test->conn, "insert into seen values (2)");
    standby_kill_primary();
    (void)standby_promote();
    CHECK(test, standby_primary() == 1 - old);
    failover_reconnect(test);
    CHECK(test, test_db_int(test->conn, "select sum(n) from seen") == 1);
    standby_restart_old();
    PGconn *former = standby_connect(old, test->db.name);
    CHECK(test, test_db_int(former, "insert into seen values (3) returning n") == 3);
    CHECK(test, test_db_int(former, "select sum(n) from seen") == 6);
    PQfinish(former);
    standby_reclone();
    standby_set_synchronous(true);
    test_db_run(test->conn, "insert into seen values (4)");
    standby_await_caught_up();
    former = standby_connect(old, test->db.name);
    CHECK(test, test_db_int(former, "select sum(n) from seen") == 5);
    PQfinish(former);
    standby_set_synchronous(false);
}

// A client of several hosts finds the one that takes writes, whichever it is; a node is refused one that has been left behind.
static void test_connecting(void **state)
{
    SystemTest *test = *state;
    char url[256];
    char old_url[256];
    Db *db = NULL;
    standby_await_caught_up(); // the standby knows of the database
    standby_url(test->db.name, url, sizeof url);
    CHECK(test, db_open(&db, url, "test", CONDITION_MS, true) == STATUS_OK);
    CHECK(test, !test_db_int(db_conn(db), "select pg_is_in_recovery()::int"));
    db_close(db);
    Timeline seen = {0};
    CHECK(test, db_open_at_least(&db, url, "test", CONDITION_MS, true, &seen) == STATUS_OK);
    seen = db_timeline(db);
    CHECK(test, seen.number > 0 && seen.system_id > 0);
    db_close(db);
    standby_server_url(1 - standby_primary(), test->db.name, old_url, sizeof old_url);
    CHECK(test, db_open_at_least(&db, old_url, "test", CONDITION_MS, true, &seen) == STATUS_LOST);
    CHECK(test, strstr(db_open_error(), "is a standby") != NULL);

    standby_server_url(standby_primary(), test->db.name, old_url, sizeof old_url);
    (void)standby_promote(); // the old one runs on
    CHECK(test, db_open_at_least(&db, old_url, "test", CONDITION_MS, true, &seen) == STATUS_OK);
    db_close(db);
    Timeline later = {.system_id = seen.system_id, .number = seen.number + 1};
    CHECK(test, db_open_at_least(&db, old_url, "test", CONDITION_MS, true, &later) == STATUS_LOST);
    CHECK(test, strstr(db_open_error(), "old primary") != NULL);
    CHECK(test, db_open_at_least(&db, url, "test", CONDITION_MS, true, &later) == STATUS_OK);
    CHECK(test, db_timeline(db).number == later.number);
    db_close(db);
    // Another cluster has numbers of its own; and who may not ask for the cluster's is told by the timeline alone.
    later.system_id ^= 1;
    CHECK(test, db_open_at_least(&db, old_url, "test", CONDITION_MS, true, &later) == STATUS_OK);
    db_close(db);
    failover_reconnect(test);
    standby_reclone();
}

static void test_role_without_rights(void **state)
{
    SystemTest *test = *state;
    char url[256];
    Db *db = NULL;
    const Timeline later = {.system_id = 1, .number = 1000};
    char *user = test_db_text(test->conn, "select 'r_' || current_database()");
    test_db_run(test->conn, "create role %s login", user);
    test_db_run(test->conn, "revoke execute on function pg_control_system() from public");
    standby_server_url(standby_primary(), test->db.name, url, sizeof url);
    char *as_user = mem_printf("%s user=%s", url, user);
    CHECK(test, db_open_at_least(&db, as_user, "test", CONDITION_MS, true, &later) == STATUS_LOST);
    CHECK(test, strstr(db_open_error(), "old primary") != NULL);
    const Timeline none = {0};
    CHECK(test, db_open_at_least(&db, as_user, "test", CONDITION_MS, true, &none) == STATUS_OK);
    CHECK(test, db_timeline(db).number > 0 && db_timeline(db).system_id == 0);
    db_close(db);
    // A service that tells nothing of its WAL: it is used, and nothing is known of its timeline.
    test_db_run(test->conn, "revoke execute on function pg_current_wal_lsn() from public");
    CHECK(test, db_open_at_least(&db, as_user, "test", CONDITION_MS, true, &later) == STATUS_OK);
    CHECK(test, db_timeline(db).number == 0);
    db_close(db);
    test_db_run(test->conn, "grant execute on function pg_current_wal_lsn() to public");
    test_db_run(test->conn, "grant execute on function pg_control_system() to public");
    test_db_run(test->conn, "drop role %s", user);
    free(as_user);
    free(user);
}

static void test_synchronous_standby_takes_over(void **state)
{
    SystemTest *test = *state;
    standby_set_synchronous(true);
    (void)run_node(test, "moving", 2);
    int64_t resumed_ms = failover_synchronous_round(test, 200);
    CHECK(test, resumed_ms <= slow_ms(RESUME_GOAL_MS));
    standby_reclone();
}

// --- a standby that lacks the last commits

// Jobs of a queue that nobody serves, made on the primary until ids have come so far.
static void enqueue_until(SystemTest *test, int64_t id)
{
    while (job_add(test, "'noop', queue => 'unserved'") < id) {
    }
}

// The tail is lost and its numbers are given out again: to other jobs, which a result from before must not touch.
static void test_lost_tail_and_repeated_ids(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = run_node(test, "stale", 2);
    int64_t kept = job_add(test, "'noop', queue => 'unserved'");
    standby_await_caught_up();
    standby_detach();
    enqueue_until(test, kept + TAIL);
    int64_t twin = journal_add(test, 6000, NULL, NULL);
    (void)journal_await_begin(test, twin, 1);
    int64_t lost =
        test_db_int(test->conn, "select count(*) from ganger.jobs where id > %" PRId64, kept);
    standby_kill_primary();
    (void)standby_promote();
    failover_reconnect(test);
    sql_check(test, "(select count(*) = 1 from ganger.jobs where id = %" PRId64 ")", kept);
    sql_check(test, "(select count(*) = 0 from ganger.jobs where id > %" PRId64 ")", kept);
    enqueue_until(test, twin);
    sql_check(test, "exists (select from ganger.jobs where id = %" PRId64 " and job_type = 'noop')",
              twin);
    test_db_run(test->conn,
                "create table mine as select * from ganger.claim('outside', '{unserved}', "
                "max_jobs => 1000, lease => '1 h')");
    CHECK(test, daemon_await_log(daemon, "job.lease_lost", 2 * DAEMON_PATIENCE_MS));
    CHECK(test, journal_count(test, twin, "end") == 1);
    sql_check(test,
              "(select j.status = 'processing' and j.attempts = 1 from ganger.jobs j where id = "
              "%" PRId64 ")",
              twin);
    sql_check(test, "(select ganger.complete(id, lease_id) from mine where id = %" PRId64 ")",
              twin);
    (void)failover_probe_ms(test, 0);
    (void)printf("failover: lost with an asynchronous standby: %" PRId64
                 " jobs, all of them younger than its last\n",
                 lost);
    standby_reclone();
}

// A worker's claim that the new primary has, of a job that has been run again since in the tail that was lost: nobody may be left
// holding it.
static void test_earlier_lease_comes_back(void **state)
{
    SystemTest *test = *state;
    (void)run_node(test, "again", 1);
    int64_t id =
        journal_add(test, 3000, "\"fail_until\": 2", "max_attempts => 3, retry_delay => '0 s'");
    (void)journal_await_begin(test, id, 1);
    standby_await_caught_up(); // with the first claim
    standby_detach();
    (void)journal_await_begin(test, id, 2); // claimed anew by the same worker
    standby_kill_primary();
    (void)standby_promote();
    failover_reconnect(test);
    job_await_within(test, id, "completed", 2 * DAEMON_PATIENCE_MS);
    standby_reclone();
}

// --- the old primary comes back

// Jobs on a server that nobody may run.
static void add_bait(SystemTest *test, int server, int count)
{
    PGconn *conn = standby_connect(server, test->db.name);
    test_db_run(conn, "select ganger.enqueue('noop') from generate_series(1, %d)", count);
    PQfinish(conn);
}

static void check_untouched(SystemTest *test, int server, int count)
{
    PGconn *conn = standby_connect(server, test->db.name);
    CHECK(test, test_db_int(conn, "select count(*) from ganger.jobs where job_type = 'noop' and "
                                  "status = 'pending' and attempts = 0") == count);
    PQfinish(conn);
}

static void await_log_count(SystemTest *test, const Daemon *daemon, const char *text, int count)
{
    for (int64_t until = clock_boot_ms() + 2 * DAEMON_PATIENCE_MS;
         daemon_log_count(daemon, text) < count; pause_ms(20)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

// The new primary is away for a moment, and only the old one answers: to the node that runs, to a worker that is born, and to a node
// that starts.
static void test_old_primary_is_refused(void **state)
{
    enum { BAIT = 20 };
    SystemTest *test = *state;
    Daemon *daemon = run_node(test, "wary", 2);
    standby_await_caught_up();
    standby_kill_primary();
    (void)standby_promote();
    failover_reconnect(test);
    (void)failover_probe_ms(test, 0);
    daemon_await_workers(test, daemon, 2);
    // From here on the node's file says so too: it is all that the next supervisor has.
    CHECK(test, daemon_await_log(daemon, "database.reconnected", DAEMON_PATIENCE_MS));
    int old = 1 - standby_primary();
    standby_restart_old();
    add_bait(test, old, BAIT);
    standby_primary_action("halt");
    await_log_count(test, daemon, "database.old_primary", 1);
    pid_t worker = daemon_child(daemon, "ganger-worker", 0);
    CHECK(test, worker > 0 && kill(worker, SIGKILL) == 0);
    pid_t reaper = daemon_child(daemon, "ganger-reaper", 0);
    CHECK(test, reaper > 0 && kill(reaper, SIGKILL) == 0);
    await_log_count(test, daemon, "database.old_primary", 3); // each process says so once
    daemon_destroy(daemon);
    daemon_start(daemon);
    await_log_count(test, daemon, "database.old_primary", 4);
    check_untouched(test, old, BAIT);
    standby_primary_action("resume");
    failover_reconnect(test);
    (void)failover_probe_ms(test, 0);
    check_untouched(test, old, BAIT);
    standby_stop_old();
    standby_reclone();
}

// The socket of a server, by which nobody new gets in while it is away; who is in stays in.
static void move_socket(const SystemTest *test, int server, bool is_away)
{
    char url[256];
    char folder[64];
    char path[128];
    char aside[128];
    standby_server_url(server, test->db.name, url, sizeof url);
    assert_int_equal(sscanf(url, "host=%63s", folder), 1); // NOLINT(cert-err34-c): a word
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", folder);
    (void)snprintf(aside, sizeof aside, "%s/aside", folder);
    assert_int_equal(is_away ? rename(path, aside) : rename(aside, path), 0);
}

// Both take writes, and the node is connected to the old one. The first of its processes that meets the new one takes all others along.
static void test_one_worker_tells_the_node(void **state)
{
    enum { BAIT = 20 };
    SystemTest *test = *state;
    const Daemon *daemon = run_node(test, "split", 3);
    standby_await_caught_up();
    int old = standby_primary();
    (void)standby_promote();
    PGconn *former = test->conn;
    test->conn = standby_connect(standby_primary(), test->db.name);
    move_socket(test, old, true);
    test_db_run(former,
                "select pg_terminate_backend(pid) from pg_stat_activity where pid = (select "
                "min(pid) from pg_stat_activity where application_name = 'ganger-worker' "
                "and datname = current_database())");
    CHECK(test, test_db_await(test->conn, CONDITION_MS,
                              "select exists (select from pg_stat_activity where application_name "
                              "= 'ganger-reaper' and datname = current_database())"));
    // The idle ones notice when they are woken.
    test_db_run(former, "select ganger.enqueue('noop') from generate_series(1, %d)", BAIT);
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 200}') from generate_series(1, 6)");
    sql_await(test, "(select count(*) = 6 from ganger.jobs where status = 'completed')");
    sql_await(test, "(select count(*) >= 3 from pg_stat_activity where application_name = "
                    "'ganger-worker' and datname = current_database())");
    CHECK(test, daemon_log_count(daemon, "database.new_timeline") >= 1);
    CHECK(test, test_db_int(former, "select count(*) from ganger.jobs where job_type = 'noop' and "
                                    "attempts = 0") == BAIT);
    PQfinish(former);
    move_socket(test, old, false);
    standby_reclone();
}

// --- commits that wait

// The synchronous standby is away: what runs goes on, nothing is told as done, and nothing is run twice when it is back.
static void test_synchronous_standby_is_away(void **state)
{
    SystemTest *test = *state;
    standby_set_synchronous(true);
    const Daemon *daemon =
        daemon_configure(test, "patient",
                         &(DaemonOptions){.node = "heartbeat: 200ms, self_fence: 4s, lease: 9s",
                                          .database = failover_database(test),
                                          .pools = "{default: {processes: 1}}"});
    daemon_start(&test->daemons[0]);
    daemon_await_workers(test, daemon, 1);
    int64_t running = journal_add(test, 500, NULL, NULL);
    int64_t next = journal_add(test, 1, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    standby_detach();
    int64_t away_at = clock_boot_ms();
    // Longer than the node would live without a heartbeat; its worker waits for the commit of its first result.
    while (clock_boot_ms() - away_at < 6000) {
        CHECK(test, journal_count(test, next, "begin") == 0);
        pause_ms(100);
    }
    CHECK(test, process_is_alive(pid));
    // Somebody cuts the wait of its backend short: what it is told then is no confirmation.
    test_db_run(test->conn,
                "select pg_cancel_backend(pid) from pg_stat_activity where application_name = "
                "'ganger-worker' and datname = current_database() and wait_event = 'SyncRep'");
    CHECK(test,
          daemon_await_log(daemon, "not confirmed by the synchronous standby", DAEMON_PATIENCE_MS));
    CHECK(test, journal_count(test, next, "begin") == 0);
    standby_attach();
    job_await(test, running, "completed");
    job_await(test, next, "completed");
    CHECK(test, journal_count(test, running, "begin") == 1);
    CHECK(test, journal_count(test, next, "begin") == 1);
    CHECK(test, daemon_log_count(daemon, "node.lost") == 0);
    standby_set_synchronous(false);
}

static bool is_standby_away; // a check may fail meanwhile

static PGconn *ask(SystemTest *test, const char *sql)
{
    PGconn *conn = standby_connect(standby_primary(), test->db.name);
    CHECK(test, PQsendQuery(conn, sql) == 1);
    return conn;
}

static void await_standby_wait(SystemTest *test, const PGconn *conn, bool is_waiting)
{
    CHECK(test, test_db_await(test->conn, CONDITION_MS,
                              "select %s exists (select from pg_stat_activity where pid = %d and "
                              "wait_event = 'SyncRep')",
                              is_waiting ? "" : "not", PQbackendPID(conn)));
}

// A call that is committed on the primary alone: its session ends as it waits for the standby, and all see what it did, as they do after
// a restart.
static void commit_unconfirmed(SystemTest *test, const char *sql)
{
    PGconn *conn = ask(test, sql);
    await_standby_wait(test, conn, true);
    test_db_run(test->conn, "select pg_terminate_backend(%d, %d)", PQbackendPID(conn),
                CONDITION_MS);
    PQfinish(conn);
}

// Makes each call twice while the standby is away: the first is committed on the primary alone. The second finds that it is so already,
// and is not answered before the standby has it, too. answers: of the second calls; NULL: the id of a job.
static void check_repeats_wait(SystemTest *test, const char *const calls[], int count,
                               const char *const answers[])
{
    PGconn *conns[REPEATS_MAX];
    assert_true(count <= REPEATS_MAX);
    standby_set_synchronous(true);
    standby_detach();
    is_standby_away = true;
    for (int i = 0; i < count; i++) {
        commit_unconfirmed(test, calls[i]);
        conns[i] = ask(test, calls[i]);
        await_standby_wait(test, conns[i], true);
    }
    standby_attach();
    is_standby_away = false;
    for (int i = 0; i < count; i++) {
        await_standby_wait(test, conns[i], false);
        PGresult *result = PQgetResult(conns[i]);
        CHECK(test, PQresultStatus(result) == PGRES_TUPLES_OK);
        if (answers == NULL) {
            sql_check(test, "exists (select from ganger.jobs where id = %s)",
                      PQgetvalue(result, 0, 0));
        } else {
            CHECK(test, strcmp(PQgetvalue(result, 0, 0), answers[i]) == 0);
        }
        PQclear(result);
        PQfinish(conns[i]);
    }
}

// The id of a job that only the primary has is not told to anybody who calls with its key.
static void test_known_keys_wait(void **state)
{
    static const char *const calls[] = {
        "select ganger.enqueue('noop', idempotency_key => 'once')",
        "select ganger.enqueue('noop', unique_key => 'alone')",
        "select ganger.enqueue_many('[{\"job_type\": \"noop\", \"idempotency_key\": \"many\"}]')",
        // where one key stands twice, all are gone through one by one
        "select ganger.enqueue_many('[{\"job_type\": \"noop\", \"unique_key\": \"twice\"}, "
        "{\"job_type\": \"noop\", \"unique_key\": \"twice\"}]')"};
    enum { CALLS = sizeof calls / sizeof calls[0] };
    SystemTest *test = *state;
    check_repeats_wait(test, calls, CALLS, NULL);
    sql_check(test, "(select count(*) = %d from ganger.jobs)", CALLS);
}

// Nor is anybody told who repeats a call, as its answer was lost, that all is done.
static void test_repeated_calls_wait(void **state)
{
    static const char *const calls[] = {
        "select ganger.complete(id, lease_id) from held where n = 1",
        "select ganger.fail(id, lease_id, 'no') from held where n = 2",
        "select ganger.snooze(id, lease_id, '1 h') from held where n = 3",
        "select ganger.wait_for(id, lease_id, '1 h') from held where n = 4",
        "select ganger.complete_token(token) from made",
        "select ganger.cancel(id) from waiting where job_type = 'a'",
        "select ganger.retry(id) from waiting where job_type = 'b'",
        "select ganger.start_batch('few')",
        "select ganger.cancel_batch('few')",
        "select ganger.revoke_api_token(api_token) from made"};
    static const char *const answers[] = {"t", "t", "t", "t", "f", "f", "f", "f", "f", "f"};
    enum { CALLS = sizeof calls / sizeof calls[0] };
    SystemTest *test = *state;
    test_db_run(test->conn,
                "select ganger.enqueue('outside', queue => 'outside') from generate_series(1, 4)");
    test_db_run(test->conn, "create table held as select row_number() over () as n, id, lease_id "
                            "from ganger.claim('w', '{outside}', max_jobs => 4, lease => '1 h')");
    test_db_run(test->conn, "create table waiting as select t as job_type, ganger.enqueue(t) as id "
                            "from unnest('{a,b}'::text[]) t");
    test_db_run(test->conn, "select ganger.cancel(id) from waiting where job_type = 'b'");
    test_db_run(test->conn, "create table made as select ganger.create_token() as token, "
                            "ganger.create_batch('few', 'noop', '[1]') as batch, "
                            "ganger.create_api_token('key', sha256('key'), '{read}') as api_token");
    check_repeats_wait(test, calls, CALLS, answers);
}

// What a check that fails leaves would hold up whatever commits after it, and the next test.
static int failover_teardown(void **state)
{
    standby_set_synchronous(false);
    if (is_standby_away) {
        standby_attach();
        is_standby_away = false;
    }
    return system_teardown(state);
}

int main(void)
{
#define FAILOVER_TEST(name) cmocka_unit_test_setup_teardown(name, system_setup, failover_teardown)
    const struct CMUnitTest tests[] = {
        FAILOVER_TEST(test_connecting),
        FAILOVER_TEST(test_role_without_rights),
        FAILOVER_TEST(test_synchronous_standby_takes_over),
        FAILOVER_TEST(test_known_keys_wait),
        FAILOVER_TEST(test_repeated_calls_wait),
        FAILOVER_TEST(test_lost_tail_and_repeated_ids),
        FAILOVER_TEST(test_old_primary_is_refused),
    };
    // These take half a minute more.
    const struct CMUnitTest more[] = {
        FAILOVER_TEST(test_servers_change_places),
        FAILOVER_TEST(test_earlier_lease_comes_back),
        FAILOVER_TEST(test_one_worker_tells_the_node),
        FAILOVER_TEST(test_synchronous_standby_is_away),
    };
    int failed = cmocka_run_group_tests_name("failover", tests, standby_setup, standby_teardown);
    if (test_scale_percent() >= 100) {
        failed +=
            cmocka_run_group_tests_name("more failover", more, standby_setup, standby_teardown);
    }
    return failed;
}
