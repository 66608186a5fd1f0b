// SPDX-License-Identifier: MIT
// Processes of a node die or are stopped: what becomes of the jobs, and how soon.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"

enum { TREE_MAX = 64 };

static const char hang_handler[] =
    "hang: {exec: [/bin/sh, -c, 'trap \"\" TERM; setsid sleep 1000 & sleep 1001; wait']}";

static void test_worker_killed(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "victim", 2, NULL);
    // A long job among short ones, so that it has neighbours in its batch.
    test_db_run(test->conn, "begin");
    for (int i = 0; i < 60; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    int64_t id = journal_add(test, 1500, NULL, NULL);
    for (int i = 0; i < 60; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    test_db_run(test->conn, "commit");
    pid_t pid = journal_await_begin(test, id, 1);
    int64_t at = clock_boot_ms();
    (void)kill(pid, SIGKILL);
    CHECK(test, journal_await_begin(test, id, 2) != pid);
    CHECK(test, clock_boot_ms() - at < slow_ms(500));
    job_await(test, id, "completed");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 121");
    sql_check(test,
              "(select outcome = 'crashed' and signal = 9 and max_rss > 0 from ganger.attempts "
              "where job_id = %" PRId64 " and attempt = 1)",
              id);
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              id);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs where id <> %" PRId64 ")", id);
}

static void test_idle_worker_killed(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "idle", 2, NULL);
    (void)kill(daemon_child(daemon, "ganger-worker", 0), SIGKILL);
    for (int i = 0; i < 20; i++) {
        job_await(test, job_add(test, "'noop'"), "completed");
    }
    daemon_await_workers(test, daemon, 2);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
}

// What dies with the supervisor is gone within about a second, whatever it does against it.
static void test_supervisor_killed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(
        test, "boss", 4,
        &(DaemonOptions){.pools = "{default: {processes: 4}}", .handlers = hang_handler});
    int64_t deaf = journal_add(test, 1500, "\"deaf\": 1", NULL);
    int64_t spin = job_add(test, "'spin', max_attempts => 1");
    int64_t hang = job_add(test, "'hang', max_attempts => 1");
    int64_t orphan = job_add(test, "'orphan', max_attempts => 1");
    journal_await_begin(test, deaf, 1);
    (void)job_await_pid(test, spin);
    pid_t hang_pid = job_await_pid(test, hang);
    pid_t orphan_pid = job_await_pid(test, orphan);
    pid_t tree[TREE_MAX];
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         process_descendants(hang_pid, tree, TREE_MAX) < 3 ||
         process_descendants(orphan_pid, tree, TREE_MAX) < 1;) {
        CHECK(test, clock_boot_ms() < until);
        pause_ms(2);
    }
    size_t count = process_descendants(daemon->pid, tree, TREE_MAX);
    CHECK(test, count >= 9); // reaper, 4 workers, 3 of hang, 1 of orphan
    int64_t at = clock_boot_ms();
    daemon_destroy(daemon);
    size_t alive = count;
    while (alive > 1) { // all but the reaper, which has its last duty
        CHECK(test, clock_boot_ms() - at < slow_ms(1200));
        process_reap(tree, count);
        alive = 0;
        for (size_t i = 0; i < count; i++) {
            alive += process_is_alive(tree[i]);
        }
        pause_ms(2);
    }
    // Its reaper has written down what is known.
    job_await_within(test, spin, "failed", slow_ms(3000));
    job_await_within(test, orphan, "failed", 1000);
    // The worker of this one could be stopped, and gave its job back itself.
    job_await_within(test, hang, "pending", 1000);
    sql_check(test, "(select attempts = 0 from ganger.jobs where id = %" PRId64 ")", hang);
    sql_await(test, "(select state::text <> 'alive' from ganger.nodes)");
    at = clock_boot_ms();
    daemon_start(daemon);
    journal_await_begin(test, deaf, 2);
    CHECK(test, clock_boot_ms() - at < slow_ms(2000));
    job_await(test, deaf, "completed");
    sql_check(test, "(select attempts = 2 from ganger.jobs where id = %" PRId64 ")", deaf);
}

// As when the machine is reset: nobody is left to write anything down.
static void test_all_killed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "reset", 2, NULL);
    int64_t id = journal_add(test, 500, NULL, NULL);
    pid_t worker = journal_await_begin(test, id, 1);
    // Or it may start another reaper, which settles the job, before it is killed itself.
    daemon_signal(daemon, SIGSTOP);
    (void)kill(daemon_child(daemon, "ganger-reaper", 0), SIGKILL);
    (void)kill(worker, SIGKILL);
    daemon_signal(daemon, SIGKILL);
    (void)daemon_wait(daemon, DAEMON_PATIENCE_MS);
    sql_check(test, "(select status = 'processing' from ganger.jobs where id = %" PRId64 ")", id);
    int64_t at = clock_boot_ms();
    daemon_start(daemon);
    journal_await_begin(test, id, 2);
    CHECK(test, clock_boot_ms() - at < slow_ms(2000));
    job_await(test, id, "completed");
    sql_check(test,
              "(select outcome = 'node_lost' from ganger.attempts where job_id = %" PRId64
              " and attempt = 1)",
              id);
}

static void test_reaper_killed(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "reaper", 2, NULL);
    int64_t node = test_db_int(test->conn, "select id from ganger.nodes");
    int64_t id = journal_add(test, 1000, NULL, NULL);
    pid_t worker = journal_await_begin(test, id, 1);
    for (int i = 0; i < 3; i++) {
        pid_t reaper = daemon_child(daemon, "ganger-reaper", 0);
        (void)kill(reaper, SIGKILL);
        CHECK(test, process_await_end(reaper, 1000));
        int64_t at = clock_boot_ms();
        int64_t other = job_add(test, "'noop'");
        job_await(test, other, "completed");
        CHECK(test, clock_boot_ms() - at < slow_ms(3000));
    }
    CHECK(test, process_is_alive(worker));
    job_await(test, id, "completed");
    sql_check(test,
              "(select count(*) = 1 and min(id) = %" PRId64
              " and min(state::text) = 'alive' from ganger.nodes)",
              node);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_await(test, "(select clock_timestamp() - seen_at < '1 s' from ganger.nodes)");
}

// Its new connection has the number of the old one; what is announced there is heard at once, without a poll.
static void test_reaper_connection_killed(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "deaf", 2, &(DaemonOptions){.poll = "60s"});
    for (int i = 1; i <= 2; i++) {
        test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                                "application_name = 'ganger-reaper' and datname = "
                                "current_database()");
        for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
             daemon_log_count(daemon, "database.reconnected") < i; pause_ms(2)) {
            CHECK(test, clock_boot_ms() < until);
        }
        sql_await(test, "(select count(*) = 1 from pg_stat_activity where application_name = "
                        "'ganger-reaper' and datname = current_database() and state = 'idle' and "
                        "clock_timestamp() - backend_start > interval '300 ms')");
        // Each would wait for the next look at the slots otherwise, 100 ms later.
        int64_t at = clock_boot_ms();
        for (int j = 0; j < 20; j++) {
            job_await(test, job_add(test, "'noop'"), "completed");
        }
        CHECK(test, clock_boot_ms() - at < slow_ms(1200));
    }
}

static int64_t await_log_count(SystemTest *test, const Daemon *daemon, const char *text, int count)
{
    int64_t at = clock_boot_ms();
    while (daemon_log_count(daemon, text) < count) {
        CHECK(test, clock_boot_ms() - at < 3 * DAEMON_PATIENCE_MS);
        pause_ms(2);
    }
    return clock_boot_ms() - at;
}

// A statement that fails at once, again and again: the reaper takes its time, and its heartbeat goes on.
static void test_failing_statement(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "failing", 2, NULL);
    test_db_run(test->conn, "alter function ganger._poll(bigint, text[], text[]) rename to gone");
    (void)await_log_count(test, daemon, "statement=poll_node", 1);
    CHECK(test, await_log_count(test, daemon, "statement=poll_node", 8) > 2500);
    sql_check(test, "(select clock_timestamp() - seen_at < '1 s' from ganger.nodes)");
    test_db_run(test->conn, "alter function ganger.gone(bigint, text[], text[]) rename to _poll");
    job_await(test, job_add(test, "'noop'"), "completed");
}

// A server that takes nothing: one connection a second, not as many as there is time for.
static void test_read_only_server(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "reading", 2, NULL);
    test_db_run(test->conn, "do $$ begin execute format('alter database %%I set "
                            "default_transaction_read_only = on', current_database()); end $$");
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                            "application_name like 'ganger-%%' and datname = current_database()");
    (void)await_log_count(test, daemon, "database.reconnected", 1);
    CHECK(test, await_log_count(test, daemon, "database.reconnected", 4) >
                    1200); // without growing pauses 300
    test_db_run(test->conn, "do $$ begin execute format('alter database %%I set "
                            "default_transaction_read_only = off', current_database()); end $$");
    job_await(test, job_add(test, "'noop'"), "completed");
}

// The schema becomes newer, as another node is upgraded: this one goes on, also with workers and a reaper that are new.
static void test_newer_schema(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "older", 2, NULL);
    test_db_run(test->conn, "insert into ganger.migration (version, name, sha256, duration_ms) "
                            "values (9999, 'newer', 'x', 1)");
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                            "application_name like 'ganger-%%' and datname = current_database()");
    job_await(test, job_add(test, "'noop'"), "completed");
    (void)kill(daemon_child(daemon, "ganger-worker", 0), SIGKILL);
    (void)kill(daemon_child(daemon, "ganger-reaper", 0), SIGKILL);
    job_await(test, job_add(test, "'noop'"), "completed");
    CHECK(test, daemon_await_log(daemon, "schema.newer", DAEMON_PATIENCE_MS));
    CHECK(test, process_is_alive(daemon->pid));
    // It is not begun on such a schema.
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    daemon_start(daemon);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 78);
}

// The node asks for all its workers; they themselves ask for nothing while there is nothing to do.
static void test_idle_workers_are_silent(void **state)
{
    SystemTest *test = *state;
    (void)daemon_run(test, "silent", 2, NULL);
    sql_await(test,
              "(select count(*) = 2 and min(clock_timestamp() - state_change) > '6500 ms' from "
              "pg_stat_activity where application_name = 'ganger-worker' and datname = "
              "current_database())");
    job_await(test, job_add(test, "'noop'"), "completed");
}

// A worker and the reaper at once: the obituary waits in the slot for the next reaper.
static void test_worker_and_reaper_killed(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "both", 2, NULL);
    int64_t id = journal_add(test, 800, NULL, NULL);
    pid_t worker = journal_await_begin(test, id, 1);
    (void)kill(daemon_child(daemon, "ganger-reaper", 0), SIGKILL);
    (void)kill(worker, SIGKILL);
    journal_await_begin(test, id, 2);
    job_await(test, id, "completed");
    sql_check(
        test,
        "(select outcome = 'crashed' and signal = 9 from ganger.attempts where job_id = %" PRId64
        " and attempt = 1)",
        id);
}

static void test_stopped_worker_times_out(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "stopped", 2, NULL);
    int64_t id = journal_add(test, 60000, NULL, "timeout => '500 ms', max_attempts => 1");
    pid_t pid = journal_await_begin(test, id, 1);
    (void)kill(pid, SIGSTOP);
    job_await(test, id, "failed");
    CHECK(test, !process_is_alive(pid));
    sql_check(test,
              "(select failure_reason = 'timeout' and finished_at - started_at < interval '2 s' * "
              "%d from ganger.jobs where id = %" PRId64 ")",
              DAEMON_SLOWNESS, id);
}

// The worker's own kernel timer holds the deadline while the supervisor does nothing.
static void test_stopped_supervisor_times_out(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "frozen", 2, NULL);
    int64_t id = job_add(test, "'spin', timeout => '600 ms', max_attempts => 1");
    pid_t pid = job_await_pid(test, id);
    daemon_signal(daemon, SIGSTOP);
    bool has_ended = process_await_end(pid, slow_ms(3000));
    daemon_signal(daemon, SIGCONT);
    CHECK(test, has_ended);
    job_await(test, id, "failed");
    sql_check(test, "(select failure_reason = 'timeout' from ganger.jobs where id = %" PRId64 ")",
              id);
}

// An operator's wish reaches the worker wherever its node is: what runs is asked, and killed when it is deaf; what completes all the
// same has completed; what had not begun goes back. Others take the places.
static void test_operator_ends_workers(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon =
        daemon_run(test, "unwanted", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    int64_t polite = journal_add(test, 60000, NULL, "max_attempts => 1");
    int64_t deaf =
        journal_add(test, 60000, "\"deaf\": 1", "max_attempts => 1, kill_grace => '300 ms'");
    int64_t quick = journal_add(test, 700, "\"deaf\": 1", "kill_grace => '1 min'");
    pid_t pids[] = {journal_await_begin(test, polite, 1), journal_await_begin(test, deaf, 1),
                    journal_await_begin(test, quick, 1)};
    test_db_run(test->conn,
                "select ganger.kill_worker(id) from ganger.workers where state = 'busy'");
    job_await(test, polite, "failed");
    job_await(test, deaf, "failed");
    job_await(test, quick, "completed");
    sql_check(
        test,
        "(select count(*) = 2 from ganger.jobs where failure_reason = 'crashed' and crashes = 1 "
        "and error like '%%worker was ended by an operator%%')");
    CHECK(test, journal_count(test, polite, "stop") == 1);
    for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++) {
        CHECK(test, process_await_end(pids[i], DAEMON_PATIENCE_MS));
    }
    CHECK(test, daemon_log_count(daemon, "worker.unwanted") == 3);
    daemon_await_workers(test, daemon, 3);
    sql_check(test, "(select count(*) = 3 from ganger.workers where state = 'idle' and id > 3)");
    test_db_run(test->conn,
                "select ganger.kill_worker(max(id)) from ganger.workers where state = 'idle'");
    sql_await(test, "(select count(*) = 4 from ganger.workers where state = 'dead')");
    job_await(test, job_add(test, "'noop'"), "completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_worker_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_idle_worker_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_all_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_worker_and_reaper_killed, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_connection_killed, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_failing_statement, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_read_only_server, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_newer_schema, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_idle_workers_are_silent, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_stopped_worker_times_out, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_stopped_supervisor_times_out, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_operator_ends_workers, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("deaths", tests, NULL, NULL);
}
