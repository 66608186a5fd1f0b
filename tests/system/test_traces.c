// SPDX-License-Identifier: MIT
// Each kill, reclaim and refusal leaves one line in the log, which names the job, its type, the worker and the cause, and one event of the job.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/daemon.h"

// Waits for the line, and sees that it is the only one of its event about this job.
static void check_line(SystemTest *test, const Daemon *daemon, const char *event, int64_t id,
                       const char *more)
{
    char about[128];
    char line[256];
    (void)snprintf(about, sizeof about, "job_id=%" PRId64 " ", id);
    (void)snprintf(line, sizeof line, "%s%s", about, more);
    CHECK(test, daemon_await_log(daemon, line, DAEMON_PATIENCE_MS));
    int count = 0;
    FILE *file = fopen(daemon->log_path, "re");
    char text[4096];
    while (file != NULL && fgets(text, sizeof text, file) != NULL) {
        char name[64];
        (void)snprintf(name, sizeof name, "event=%s ", event);
        if (strstr(text, name) != NULL && strstr(text, about) != NULL) {
            count++;
            CHECK(test, strstr(text, more) != NULL);
            CHECK(test, strstr(text, "worker=") != NULL || strstr(text, "slot=") != NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (count != 1) {
        print_error("%s of job %" PRId64 ": %d lines\n", event, id, count);
        system_fail(test, "not one line");
    }
}

static void check_event(SystemTest *test, int64_t id, const char *event, const char *data)
{
    sql_await(test, "(select count(*) from ganger.job_events(%" PRId64 ") where event = '%s') = 1",
              id, event);
    sql_check(test,
              "exists (select from ganger.job_events(%" PRId64
              ") where event = '%s' and data @> '%s')",
              id, event, data);
}

static void test_timeout_obeyed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "obeyed", 2, NULL);
    int64_t id = journal_add(test, 60000, NULL,
                             "timeout => '300 ms', kill_grace => '20 s', max_attempts => 1");
    job_await(test, id, "failed");
    check_line(test, daemon, "job.stop", id, "job_type=journal cause=timeout");
    check_event(test, id, "failed", "{\"reason\": \"timeout\"}");
    CHECK(test, daemon_log_count(daemon, "event=job.kill") == 0);
}

static void test_timeout_killed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "killed", 2, NULL);
    int64_t id = journal_add(test, 60000, "\"deaf\": 1",
                             "timeout => '200 ms', kill_grace => '200 ms', max_attempts => 1");
    job_await(test, id, "failed");
    check_line(test, daemon, "job.stop", id, "job_type=journal cause=timeout");
    check_line(test, daemon, "job.kill", id, "job_type=journal cause=timeout");
    check_line(test, daemon, "worker.settled", id, "job_type=journal attempt=1 outcome=timeout");
    check_event(test, id, "failed", "{\"reason\": \"timeout\"}");
}

static void test_crash(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "crashed", 2, NULL);
    int64_t id = journal_add(test, 60000, NULL, "max_attempts => 1");
    (void)kill(journal_await_begin(test, id, 1), SIGKILL);
    job_await(test, id, "failed");
    check_line(test, daemon, "worker.crash", id, "job_type=journal");
    check_line(test, daemon, "worker.settled", id, "job_type=journal attempt=1 outcome=crashed");
    check_event(test, id, "failed", "{\"reason\": \"crashed\"}");
}

static void test_refused_result(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "late", 2, NULL);
    int64_t id = journal_add(test, 1500, NULL, "queue => 'default'");
    (void)journal_await_begin(test, id, 1);
    // Taken away as by a burial, and not to be had again for a while.
    test_db_run(test->conn,
                "select ganger._settle_result(id, lease_id, 'snoozed', null, 3600000, null, null, "
                "null, null, null, null, null) from ganger.job where id = %" PRId64,
                id);
    check_line(test, daemon, "job.lease_lost", id, "job_type=journal");
    check_event(test, id, "late_result", "{\"outcome\": \"completed\"}");
    sql_check(test, "(select status from ganger.jobs where id = %" PRId64 ") = 'pending'", id);
}

static void test_lease_over(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(test, "outside", 2, NULL);
    int64_t id = job_add(test, "'foreign', queue => 'elsewhere', max_attempts => 1");
    test_db_run(test->conn, "select from ganger.claim('me', '{elsewhere}', lease => '1 s')");
    job_await(test, id, "failed");
    char line[128];
    (void)snprintf(line, sizeof line, "job.reclaimed count=1 jobs=\"%" PRId64 " foreign\"", id);
    CHECK(test, daemon_await_log(daemon, line, DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(daemon, "event=job.reclaimed") == 1);
    check_event(test, id, "reclaimed", "{}");
    check_event(test, id, "failed", "{}");
}

static void test_lost_node(void **state)
{
    SystemTest *test = *state;
    static const DaemonOptions quick = {.node = "heartbeat: 200ms, self_fence: 4s, lease: 9s"};
    Daemon *dead = daemon_run(test, "dead", 2, &quick);
    int64_t id = journal_add(test, 60000, NULL, "max_attempts => 1");
    (void)journal_await_begin(test, id, 1);
    Daemon *heir = daemon_run(test, "heir", 2, &quick);
    // As when a machine stops: nothing of it runs on.
    pid_t all[64];
    size_t count = process_descendants(dead->pid, all, 64);
    for (size_t i = 0; i < count; i++) {
        (void)kill(all[i], SIGSTOP);
    }
    (void)kill(dead->pid, SIGSTOP);
    job_await_within(test, id, "failed", slow_ms(30000));
    char line[128];
    (void)snprintf(line, sizeof line, "job.reclaimed count=1 jobs=\"%" PRId64 " journal\"", id);
    CHECK(test, daemon_await_log(heir, line, DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(heir, "event=job.reclaimed") == 1);
    CHECK(test, daemon_await_log(heir, "event=node.buried", DAEMON_PATIENCE_MS));
    check_event(test, id, "reclaimed", "{}");
    check_event(test, id, "failed", "{\"reason\": \"crashed\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timeout_obeyed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_crash, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_refused_result, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_lease_over, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_lost_node, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("traces", tests, NULL, NULL);
}
