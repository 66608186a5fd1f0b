// SPDX-License-Identifier: MIT
// Behind PgBouncer: processes die, jobs are stopped, the pooler and the server go away.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>

#include "common/base/clock.h"
#include "tests/support/pooled.h"

static void test_worker_killed(void **state)
{
    SystemTest *test = *state;
    pooled_run(test, "victim", "postgres", NULL);
    test_db_run(test->conn, "begin");
    pooled_add_journals(test, 60);
    int64_t id = journal_add(test, 1500, NULL, NULL);
    pooled_add_journals(test, 60);
    test_db_run(test->conn, "commit");
    pid_t pid = journal_await_begin(test, id, 1);
    int64_t at = clock_boot_ms();
    (void)kill(pid, SIGKILL);
    CHECK(test, journal_await_begin(test, id, 2) != pid);
    CHECK(test, clock_boot_ms() - at < slow_ms(1500));
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 121");
    CHECK(test, journal_count(test, id, "begin") == 2 && journal_count(test, id, "end") == 1);
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              id);
    sql_check(test,
              "(select outcome = 'crashed' and signal = 9 from ganger.attempts where job_id = "
              "%" PRId64 " and attempt = 1)",
              id);
    sql_check(test, "(select max(attempts) from ganger.jobs where id <> %" PRId64 ") = 1", id);
    pooled_check_no_terminations(test);
}

// Nobody ends the backend of a claim whose worker has died: it may yet be committed, and only its lock on the worker's row is
// waited for before what it took goes back.
static void test_killed_in_claim(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = pooled_run(test, "claiming", "postgres", NULL);
    pid_t first = daemon_child(daemon, "ganger-worker", 0);
    pid_t second = daemon_child(daemon, "ganger-worker", 1);
    PGconn *holder = test_db_connect(&test->db);
    test_db_run(holder, "begin; select from ganger.worker for update");
    int64_t id = journal_add(test, 0, NULL, NULL);
    sql_await(test, "exists (select from pg_stat_activity where datname = current_database() and "
                    "wait_event_type = 'Lock' and query like '%%_take_jobs%%')");
    (void)kill(first, SIGKILL);
    (void)kill(second, SIGKILL);
    CHECK(test, process_await_end(first, DAEMON_PATIENCE_MS));
    CHECK(test, process_await_end(second, DAEMON_PATIENCE_MS));
    test_db_run(holder, "commit");
    PQfinish(holder);
    job_await(test, id, "completed");
    sql_check(test, "(select attempts = 1 and crashes = 0 from ganger.jobs where id = %" PRId64 ")",
              id);
    CHECK(test, journal_count(test, id, "begin") == 1);
    pooled_check_no_terminations(test);
}

static void test_timeout(void **state)
{
    SystemTest *test = *state;
    pooled_run(test, "timed", "postgres", NULL);
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", "timeout => '300 ms', max_attempts => 1");
    pid_t pid = journal_await_begin(test, id, 1);
    job_await_within(test, id, "failed", slow_ms(3000));
    CHECK(test, !process_is_alive(pid));
    sql_check(test,
              "(select outcome = 'timeout' and signal = 9 from ganger.attempts where job_id = "
              "%" PRId64 ")",
              id);
    job_await(test, job_add(test, "'noop'"), "completed");
    pooled_check_no_terminations(test);
}

static void test_drain(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = pooled_run(test, "leaving", "postgres", NULL);
    int64_t first = journal_add(test, 800, NULL, NULL);
    int64_t second = journal_add(test, 800, NULL, NULL);
    (void)journal_await_begin(test, first, 1);
    (void)journal_await_begin(test, second, 1);
    pooled_add_journals(test, 50);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    sql_check(test, "(select count(*) from ganger.jobs where status = 'processing') = 0");
    sql_check(test,
              "(select count(*) from ganger.jobs where status = 'completed') between 2 and 51");
    sql_check(test, "(select state::text = 'stopped' from ganger.nodes)");
    CHECK(test, pooled_count_clients(test->db.name) == 0);
    daemon_start(daemon);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 52");
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    pooled_check_no_terminations(test);
}

// Its reaper settles what it can; nobody can hold the node's lock there, so the next one gives it the time.
static void test_gangerd_killed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = pooled_run(test, "boss", "postgres", NULL);
    int64_t id = journal_add(test, 1500, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    daemon_destroy(daemon);
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
    job_await(test, id, "completed");
    CHECK(test, journal_count(test, id, "begin") == 2);
    CHECK(test, daemon_log_count(daemon, "event=node.lost") == 0);
    sql_check(test, "(select count(*) from ganger.nodes where state::text = 'alive') = 1");
    pooled_check_no_terminations(test);
}

// Three times the pooler, then the server behind it.
static void test_restarts(void **state)
{
    SystemTest *test = *state;
    pooled_run(test, "busy", "postgres", &(DaemonOptions){.pools = "{default: {processes: 2}}"});
    int64_t running = journal_add(test, 5000, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    for (int round = 0; round < 4; round++) {
        pooled_add_journals(test, 400);
        pooled_await_completed(test, round * 400 + 50);
        if (round < 3) {
            private_pooler("halt");
            private_pooler("resume");
        } else {
            private_cluster("halt");
            private_cluster("resume");
            PQfinish(test->conn);
            test->conn = test_db_connect(&test->db);
        }
    }
    pooled_await_completed(test, 1601);
    CHECK(test, journal_count(test, running, "begin") == 1);
    CHECK(test, process_is_alive(pid));
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 and count(distinct id) = 1601 "
                    "from ganger.jobs)");
    sql_check(test, "(select count(*) = 1 from ganger.nodes)");
    for (int64_t id = running + 1; id <= running + 1600; id += 37) {
        CHECK(test, journal_count(test, id, "begin") <= 1);
    }
    pooled_check_no_terminations(test);
}

// An administrator may end them; this also shows that the other tests would see it.
static void test_backends_ended(void **state)
{
    SystemTest *test = *state;
    pooled_run(test, "cut", "postgres", NULL);
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 2}') from generate_series(1, 500)");
    for (int i = 0; i < 15; i++) {
        test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                                "datname = current_database() and pid <> pg_backend_pid() and "
                                "backend_type = 'client backend' order by random() limit 1");
        pause_ms(60);
    }
    pooled_await_completed(test, 500);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    CHECK(test, private_cluster_log_count(pooled_terminated, test->db.name) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_worker_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_killed_in_claim, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_drain, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_gangerd_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_restarts, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_backends_ended, system_setup, system_teardown),
    };
    if (!pooled_is_possible()) {
        return POOLED_SKIPPED;
    }
    return cmocka_run_group_tests_name("pgbouncer_deaths", tests, private_pooler_setup,
                                       private_pooler_teardown);
}
