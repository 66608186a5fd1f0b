// SPDX-License-Identifier: MIT
// What a configuration says of schedules, queues and unhandled types, from the file to its effect.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "tests/support/daemon.h"

// Adds a section to the daemon's file, as an editor would.
static void append(SystemTest *test, const Daemon *daemon, const char *text)
{
    FILE *file = fopen(daemon->config_path, "ae");
    CHECK(test, file != NULL);
    CHECK(test, fputs(text, file) >= 0);
    CHECK(test, fclose(file) == 0);
}

// What is written to the log follows what the database shows.
static void await_logged(SystemTest *test, const Daemon *daemon, const char *text, int times)
{
    for (int i = 0; daemon_log_count(daemon, text) < times; i++) {
        CHECK(test, i < DAEMON_PATIENCE_MS / 20);
        pause_ms(20);
    }
    CHECK(test, daemon_log_count(daemon, text) == times);
}

static void reload(SystemTest *test, const Daemon *daemon, int times)
{
    daemon_signal(daemon, SIGHUP);
    await_logged(test, daemon, "config.reloaded", times);
}

static void test_schedules_from_the_file(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "sched", NULL);
    append(
        test, daemon,
        "schedules:\n"
        "  often: {cron: \"* * * * * *\", job_type: echo, payload: {n: [1, x]}, overlap: allow}\n"
        "  yearly: {cron: \"@yearly\", job_type: noop, options: {priority: 5, timeout: 1m}}\n"
        "  wrong: {cron: \"0 0 30 2 *\", job_type: noop}\n");
    daemon_start(daemon);
    sql_await(test, "(select count(*) = 2 from ganger.schedules)");
    sql_await(test,
              "exists (select from ganger.jobs where job_type = 'echo' and status = 'completed' "
              "and output = '{\"n\": [1, \"x\"]}')");
    sql_check(test,
              "(select options = '{\"priority\": 5, \"timeout\": \"60000 milliseconds\"}' from "
              "ganger.schedules where name = 'yearly')");
    await_logged(test, daemon, "schedule.refused", 1);
    await_logged(test, daemon, "schedule.applied", 2);

    test_db_run(test->conn, "select ganger.create_schedule('by_hand', '@yearly', 'noop')");
    test_db_run(test->conn, "select ganger.pause_schedule('yearly')");
    daemon_configure(test, "sched", NULL);
    append(test, daemon,
           "schedules:\n"
           "  yearly: {cron: \"@yearly\", job_type: echo}\n");
    reload(test, daemon, 1);
    sql_await(test, "(select array_agg(name order by name) = '{by_hand,yearly}' from "
                    "ganger.schedules)");
    sql_await(test, "(select job_type = 'echo' and paused and options = '{}' from ganger.schedules "
                    "where name = 'yearly')");

    // the section is gone: so is what this node brought
    daemon_configure(test, "sched", NULL);
    reload(test, daemon, 2);
    sql_await(test, "(select array_agg(name) = '{by_hand}' from ganger.schedules)");
}

// Two nodes with the same file: the second finds all as it should be.
static void test_two_nodes_with_one_file(void **state)
{
    SystemTest *test = *state;
    static const char section[] =
        "schedules:\n"
        "  a: {cron: \"@yearly\", job_type: noop, payload: [1.50, x]}\n"
        "  b: {cron: \"@every 1d\", job_type: noop, options: {tags: [t]}}\n";
    Daemon *first = daemon_configure(test, "one", NULL);
    append(test, first, section);
    daemon_start(first);
    sql_await(test, "(select count(*) = 2 from ganger.schedules)");
    Daemon *second = daemon_configure(test, "two", NULL);
    append(test, second, section);
    append(test, second, "queues: {second: {concurrency: 1}}\n");
    daemon_start(second);
    // which comes after its schedules
    await_logged(test, second, "queue.applied", 1);
    CHECK(test, daemon_log_count(second, "schedule.applied") == 0);
    append(test, first, "  c: {cron: \"@yearly\", job_type: noop}\n");
    reload(test, first, 1);
    await_logged(test, first, "schedule.applied", 3);
    sql_check(test, "(select count(*) = 3 from ganger.schedules)");
}

// The node runs on without what PostgreSQL holds for somebody, and comes back to it.
static void test_a_schedule_that_is_held(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "select ganger.create_schedule('a', '@yearly', 'noop')");
    PGconn *holder = test_db_connect(&test->db);
    test_db_run(holder, "begin; select ganger.edit_schedule('a', '{\"cron\": \"@daily\"}')");
    Daemon *daemon = daemon_configure(test, "held", NULL);
    append(test, daemon,
           "schedules:\n"
           "  a: {cron: \"@hourly\", job_type: noop}\n"
           "  b: {cron: \"@hourly\", job_type: noop}\n");
    daemon_start(daemon);
    sql_await(test, "exists (select from ganger.schedules where name = 'b')");
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select cron = '@yearly' from ganger.schedules where name = 'a')");
    test_db_run(holder, "commit");
    sql_await(test, "(select cron = '@hourly' from ganger.schedules where name = 'a')");
    PQfinish(holder);
}

static void test_queues_from_the_file(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "limits", NULL);
    append(test, daemon,
           "queues:\n"
           "  mail: {concurrency: 3, rate: 10, rate_period: 1m, retention: 1d}\n");
    daemon_start(daemon);
    sql_await(test, "(select (concurrency, group_concurrency, rate, rate_period, retention) is not "
                    "distinct from (3, null::int, 10, interval '1 min', interval '1 day') from "
                    "ganger.queue where name = 'mail')");
    daemon_configure(test, "limits", NULL);
    append(test, daemon, "queues: {mail: {concurrency: 5}}\n");
    reload(test, daemon, 1);
    sql_await(test, "(select (concurrency, rate) is not distinct from (5, null::int) from "
                    "ganger.queue where name = 'mail')");
}

// One mistake, wherever it stands, and all stays as it was.
static void test_mistakes_at_a_reload(void **state)
{
    static const char *const mistakes[] = {
        "queues: {mail: {concurrency: 5}}\nschedules: {a: {cron: \"61 * * * *\", job_type: "
        "noop}}\n",
        "queues: {mail: {concurrency: 5, paused: true}}\n",
        "queues: {mail: {concurrency: 5}}\nschedules: {a: {cron: \"@daily\", job_type: noop, "
        "payload: &p [*p]}}\n",
        "queues: {mail: {concurrency: 5}}\nschedules: [a\n",
    };
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "mistaken", NULL);
    append(test, daemon,
           "queues: {mail: {concurrency: 3}}\n"
           "schedules: {a: {cron: \"@yearly\", job_type: noop}}\n");
    daemon_start(daemon);
    await_logged(test, daemon, "queue.applied", 1);
    for (int i = 0; i < (int)(sizeof mistakes / sizeof mistakes[0]); i++) {
        daemon_configure(test, "mistaken", NULL);
        append(test, daemon, mistakes[i]);
        daemon_signal(daemon, SIGHUP);
        await_logged(test, daemon, "config.kept", i + 1);
    }
    daemon_configure(test, "mistaken", NULL);
    append(test, daemon, "queues: {mail: {concurrency: 3, rate: 7, rate_period: 1s}}\n");
    reload(test, daemon, 1);
    await_logged(test, daemon, "queue.applied", 2);
    sql_check(test, "(select (concurrency, rate) = (3, 7) from ganger.queue where name = 'mail')");
    sql_check(test, "(select count(*) = 0 from ganger.schedules)"); // its section is gone
}

// Nobody handles it: it fails soon, while others of the same queue run; a type of another queue, which no node serves, waits.
static void test_no_handler(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "nobody", NULL);
    append(test, daemon, "no_handler_after: 2s\n");
    daemon_start(daemon);
    daemon_await_workers(test, daemon, 2);
    int64_t strange = job_add(test, "'strange'");
    int64_t elsewhere = job_add(test, "'strange', queue => 'elsewhere'");
    int64_t known = job_add(test, "'noop'");
    job_await(test, known, "completed");
    job_await(test, strange, "failed");
    sql_check(
        test,
        "(select failure_reason = 'no_handler' and attempts = 0 and error like '%%\"strange\"%%' "
        "and finished_at - created_at >= interval '2 s' from ganger.jobs where id = %" PRId64 ")",
        strange);
    sql_check(test, "(select status = 'pending' from ganger.jobs where id = %" PRId64 ")",
              elsewhere);
    // a new handler for it: the node says so, and nothing fails any more
    int64_t another = job_add(test, "'strange'");
    daemon_configure(test, "nobody",
                     &(DaemonOptions){.handlers = "strange: {plugin: noop.so, symbol: noop}"});
    append(test, daemon, "no_handler_after: 2s\n");
    reload(test, daemon, 1);
    job_await(test, another, "completed");
}

// A handler that no pool runs is as good as none.
static void test_no_pool_for_the_handler(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon =
        daemon_configure(test, "idle", &(DaemonOptions){.pools = "{default: {job_types: [noop]}}"});
    append(test, daemon, "no_handler_after: 1s\n");
    daemon_start(daemon);
    int64_t echo = job_add(test, "'echo'");
    job_await(test, job_add(test, "'noop'"), "completed");
    job_await(test, echo, "failed");
}

// As is one that no worker could load; others of its node go on.
static void test_handler_that_is_refused(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(
        test, "broken", &(DaemonOptions){.handlers = "lost: {exec: [/nowhere/at/all]}"});
    append(test, daemon, "no_handler_after: 1s\n");
    daemon_start(daemon);
    int64_t lost = job_add(test, "'lost'");
    job_await(test, lost, "failed");
    sql_check(test,
              "(select failure_reason = 'no_handler' from ganger.jobs where id = %" PRId64 ")",
              lost);
    job_await(test, job_add(test, "'noop'"), "completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_schedules_from_the_file, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_two_nodes_with_one_file, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_a_schedule_that_is_held, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_queues_from_the_file, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_mistakes_at_a_reload, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_no_handler, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_handler_that_is_refused, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_no_pool_for_the_handler, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
