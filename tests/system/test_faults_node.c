// SPDX-License-Identifier: MIT
// Faults of whole nodes: cut off from the database, with a wrong clock, away for hours, with a bad configuration.
// tests/system/long_faults_node.c has what takes longer.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/fault_node.h"
#include "tests/unit/config_mistakes.h"

enum { LEASE_MS = 6000, BACK_MS = 6500, HOUR_MS = 3600000 };

// --- partitions

enum { CUT_COUNT = 3 };

static const struct {
    const char *name;
    NetnsCut what;
} cuts[CUT_COUNT] = {
    {"both_ways", NETNS_BOTH_WAYS}, {"to_database", NETNS_TO_DATABASE}, {"to_node", NETNS_TO_NODE}};

typedef struct Partition {
    Daemon *nodes[CUT_COUNT];
    int64_t endless[CUT_COUNT]; // would end at 1.1 times the lease
    int64_t ending[CUT_COUNT];  // ends while its node is cut off, before that fences itself
    int64_t cut_at;
} Partition;

static void start_jobs(SystemTest *test, Partition *all)
{
    char options[64];
    for (int i = 0; i < CUT_COUNT; i++) {
        (void)snprintf(options, sizeof options, "queue => '%s'", cuts[i].name);
        all->endless[i] =
            journal_add(test, LEASE_MS * 11 / 10, "\"deaf\": 1, \"tick\": 20", options);
        (void)journal_await_begin(test, all->endless[i], 1);
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        (void)snprintf(options, sizeof options, "queue => '%s'", cuts[i].name);
        all->ending[i] = journal_add(test, 500, "\"deaf\": 1, \"tick\": 20", options);
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        (void)journal_await_begin(test, all->ending[i], 1);
    }
}

static void cut_all(Partition *all)
{
    all->cut_at = clock_boot_ms();
    for (int i = 0; i < CUT_COUNT; i++) {
        netns_cut(net, i, cuts[i].what);
    }
}

static void await_second_run(SystemTest *test, const Partition *all, int i)
{
    (void)journal_await_begin(test, all->endless[i], 2);
    int64_t took_ms = runs_of(test, all->endless[i]).second_at_ms - all->cut_at;
    print_message("%s: jobs begin elsewhere %" PRId64 " ms after the cut\n", cuts[i].name, took_ms);
    CHECK(test, took_ms < slow_ms(INT64_C(2) * BACK_MS)); // three are buried one after the other
}

static void check_job(SystemTest *test, int64_t id, int i)
{
    job_await_within(test, id, "completed", slow_ms(15000));
    Runs runs = runs_of(test, id);
    // Where only the way back is lost, a result still arrives: then it counts, and there is no second run.
    if (cuts[i].what == NETNS_TO_NODE && runs.count == 1) {
        sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", id);
        return;
    }
    sql_check(test,
              "(select array_agg(outcome || ' ' || node order by attempt) from ganger.attempts "
              "where job_id = %" PRId64 ") = array['node_lost %s', 'completed survivor']",
              id, cuts[i].name);
    CHECK(test, runs.count == 2);
    CHECK(test, runs.gap_us > 0);
}

// It finds itself fenced and buried, and begins anew.
static void check_return(SystemTest *test, Partition *all, int i)
{
    netns_heal(net, i);
    int64_t at = clock_boot_ms();
    CHECK(test, test_db_await(test->conn, DAEMON_PATIENCE_MS,
                              "select count(*) = 1 from ganger.nodes where name = '%s' and "
                              "state::text = 'alive'",
                              cuts[i].name));
    print_message("%s: back %" PRId64 " ms after its network\n", cuts[i].name,
                  clock_boot_ms() - at);
    daemon_await_workers(test, all->nodes[i], 3);
    CHECK(test, daemon_log_count(all->nodes[i], "node.fenced") >= 1);
    char options[64];
    (void)snprintf(options, sizeof options, "'noop', queue => '%s'", cuts[i].name);
    job_await(test, job_add(test, "%s", options), "completed");
}

static void test_partitions(void **state)
{
    SystemTest *test = *state;
    Partition all = {.cut_at = 0};
    if (net == NULL) {
        skip();
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        all.nodes[i] = run_on_machine(test, i, cuts[i].name, cuts[i].name, 3,
                                      &(DaemonOptions){.node = quick_node});
    }
    run_on_machine(test, CUT_COUNT, "observer", "none", 1, &(DaemonOptions){.node = quick_node});
    start_jobs(test, &all);
    cut_all(&all);
    run_on_machine(test, CUT_COUNT, "survivor", "both_ways, to_database, to_node", 8,
                   &(DaemonOptions){.node = quick_node});
    for (int i = 0; i < CUT_COUNT; i++) {
        await_second_run(test, &all, i);
    }
    while (clock_boot_ms() < all.cut_at + LEASE_MS * 3 / 2) {
        pause_ms(10);
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        check_return(test, &all, i);
    }
    for (int i = 0; i < CUT_COUNT; i++) {
        check_job(test, all.endless[i], i);
        check_job(test, all.ending[i], i);
    }
}

// --- clocks

// Of a schedule with a tick a second, each of which may be late by one: a job a second at most.
#define NO_TICK_TWICE "count(*) <= floor(extract(epoch from max(created_at) - min(created_at))) + 2"

// No wall clock of a node is used for anything.
static void test_wrong_clock_of_a_node(void **state)
{
    SystemTest *test = *state;
    WallClock *clock = wall_clock_create();
    wall_clock_set(clock, HOUR_MS);
    const Daemon *daemon = daemon_run(
        test, "wrong", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}", .clock = clock});
    int64_t node = test_db_int(test->conn, "select id from ganger.nodes");
    test_db_run(test->conn, "select ganger.create_schedule('tick', '* * * * * *', 'echo')");
    for (int i = 0; i < 2; i++) {
        int64_t running = journal_add(test, 900, NULL, "timeout => '10 s'");
        (void)journal_await_begin(test, running, 1);
        wall_clock_set(clock, i == 0 ? -HOUR_MS : HOUR_MS);
        int64_t late = job_add(test, "'noop', run_at => now() + interval '500 ms'");
        int64_t again = journal_add(test, 0, "\"fail_until\": 2",
                                    "retry_delay => '300 ms', retry_backoff => false");
        int64_t hung = job_add(test, "'spin', timeout => '300 ms', kill_grace => '0 s', "
                                     "max_attempts => 1");
        job_await(test, running, "completed");
        job_await(test, late, "completed");
        job_await(test, again, "completed");
        job_await(test, hung, "failed");
        sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", running);
        sql_check(test,
                  "(select started_at - run_at between '0 s' and interval '%" PRId64
                  " ms' from ganger.jobs where id = %" PRId64 ")",
                  slow_ms(400), late);
        sql_check(test,
                  "(select failure_reason = 'timeout' and finished_at - started_at between "
                  "'300 ms' and interval '%" PRId64 " ms' from ganger.jobs where id = %" PRId64 ")",
                  slow_ms(1000), hung);
        sql_check(test,
                  "(select max(started_at) - min(finished_at) between '300 ms' and interval "
                  "'%" PRId64 " ms' from ganger.attempts where job_id = %" PRId64 ")",
                  slow_ms(900), again);
    }
    sql_await(test, "(select count(*) >= 3 from ganger.jobs where job_type = 'echo')");
    sql_check(test, "(select " NO_TICK_TWICE " from ganger.jobs where job_type = 'echo')");
    sql_check(test, "(select count(*) = 1 and min(id) = %" PRId64 " from ganger.nodes)", node);
    CHECK(test, daemon_log_count(daemon, "node.fenced") == 0);
    wall_clock_destroy(clock);
}

static void check_clock_of_server(SystemTest *test, int64_t ahead_ms)
{
    int64_t seen_ms = test_db_int(
        test->conn, "select (extract(epoch from clock_timestamp()) * 1000)::bigint - %" PRId64,
        clock_wall_us() / 1000);
    CHECK(test, seen_ms - ahead_ms > -60000 && seen_ms - ahead_ms < 60000);
}

// An hour forwards: what waits for its time comes early. Back again: nothing stands still for an hour but what waits for its time.
static void test_database_clock_jumps(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "steady", 3,
                                      &(DaemonOptions){.pools = "{default: {queues: [default, "
                                                                "rated], processes: 3}}"});
    int64_t node = test_db_int(test->conn, "select id from ganger.nodes");
    test_db_run(test->conn, "select ganger.set_queue('rated', rate => 2, rate_period => '1 s')");
    test_db_run(test->conn, "select ganger.create_schedule('tick', '* * * * * *', 'echo')");
    int64_t running = journal_add(test, 2000, NULL, "timeout => '20 s'");
    int64_t later = job_add(test, "'noop', run_at => now() + interval '30 min'");
    (void)journal_await_begin(test, running, 1);
    wall_clock_set(server_time, HOUR_MS);
    check_clock_of_server(test, HOUR_MS);
    job_await(test, later, "completed");
    int64_t rated = job_add(test, "'noop', queue => 'rated'");
    (void)job_add(test, "'noop', queue => 'rated'");
    job_await(test, rated, "completed");
    sql_await(test, "(select count(*) > 0 from ganger.jobs where job_type = 'echo' and status = "
                    "'completed')");

    wall_clock_set(server_time, 0);
    check_clock_of_server(test, 0);
    int64_t at = clock_boot_ms();
    rated = job_add(test, "'noop', queue => 'rated'");
    job_await(test, rated, "completed");
    sql_await(test,
              "exists (select from ganger.read_events(0, 10000) where job_id = %" PRId64
              " and event = 'completed')",
              rated);
    print_message("clock set back: the feed tells of a new job %" PRId64 " ms later\n",
                  clock_boot_ms() - at);
    job_await(test, running, "completed");
    sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", running);
    sql_check(test, "(select count(*) = count(distinct date_trunc('second', created_at)) from "
                    "ganger.jobs where job_type = 'echo')");
    sql_check(test,
              "(select count(*) = 1 and min(id) = %" PRId64
              " and bool_and(state::text = 'alive') from ganger.nodes)",
              node);
    CHECK(test, daemon_log_count(daemon, "node.fenced") == 0);
}

// All nodes are away for three hours, in which each schedule has three ticks.
static void test_missed_schedules(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "back", NULL);
    test_db_run(
        test->conn,
        "select ganger.create_schedule(c, extract(minute from clock_timestamp() + interval "
        "'30 min')::int || ' * * * *', t, '{\"ms\": 1}', catch_up => c, overlap => 'allow') "
        "from (values ('none', 'noop'), ('last', 'echo'), ('all', 'sleep')) s (c, t)");
    wall_clock_set(server_time, 3 * (int64_t)HOUR_MS);
    check_clock_of_server(test, 3 * (int64_t)HOUR_MS);
    int64_t at = clock_boot_ms();
    daemon_start(daemon);
    sql_await(test, "(select count(*) = 4 from ganger.jobs where status = 'completed')");
    int64_t took_ms = clock_boot_ms() - at;
    print_message("missed ticks made up for %" PRId64 " ms after the start\n", took_ms);
    CHECK(test, took_ms < slow_ms(5000));
    test_db_run(test->conn, "select ganger.maintain()");
    sql_check(test, "(select array_agg(n || ' ' || job_type order by n) = '{1 echo, 3 sleep}' from "
                    "(select job_type, count(*) as n from ganger.jobs group by 1) j)");
    wall_clock_set(server_time, 0);
}

// --- configuration

typedef struct Pids {
    pid_t all[16];
    size_t count;
} Pids;

static Pids children_of(const Daemon *daemon)
{
    Pids pids;
    pids.count = process_descendants(daemon->pid, pids.all, sizeof pids.all / sizeof pids.all[0]);
    return pids;
}

static void write_bytes(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

// Under load, one bad file after the other: each is refused with its line, and nothing else happens.
static void test_bad_files(void **state)
{
    enum { FILES = 60, JOBS = 2000 };
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "firm", 2, NULL);
    Pids before = children_of(daemon);
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, %d)", JOBS);
    size_t known = sizeof bad_files / sizeof bad_files[0];
    assert_true(known >= FILES);
    for (int i = 0; i < FILES; i++) {
        const BadFile *bad = &bad_files[(size_t)i * known / FILES];
        write_bytes(daemon->config_path, bad->text, bad->length);
        daemon_signal(daemon, SIGHUP);
        for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
             daemon_log_count(daemon, "config.kept") <= i; pause_ms(2)) {
            if (clock_boot_ms() > until) {
                print_message("file \"%s\"\n", bad->name);
                system_fail(test, "a bad file was not refused");
            }
        }
        CHECK(test, daemon_log_count(daemon, "config.kept") == i + 1);
    }
    CHECK(test, daemon_log_count(daemon, "config.reloaded") == 0);
    CHECK(test, daemon_log_count(daemon, daemon->config_path) >= FILES); // with line and column
    Pids after = children_of(daemon);
    CHECK(test, before.count == after.count &&
                    memcmp(before.all, after.all, before.count * sizeof before.all[0]) == 0);
    sql_await(test, "(select count(*) = %d from ganger.jobs where status = 'completed')", JOBS);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
}

// --- names

static void test_name_of_another_machine(void **state)
{
    SystemTest *test = *state;
    const Daemon *first = daemon_run(test, "twin", 2, NULL);
    test_db_run(test->conn, "update ganger.node set boot_id = 'another machine'");
    Daemon second = *first;
    char other[128];
    (void)snprintf(second.log_path, sizeof second.log_path, "%s/second.log", test->folder);
    (void)snprintf(other, sizeof other, "%s/elsewhere", test->folder);
    (void)daemon_configure(test, "twin", &(DaemonOptions){.state_dir = other});
    daemon_start(&second);
    CHECK(test, daemon_wait(&second, DAEMON_PATIENCE_MS) == 78);
    CHECK(test, daemon_log_count(&second, "node.name_in_use") == 1);
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select count(*) = 1 and min(state::text) = 'alive' from ganger.nodes)");
}

static int setup(void **state)
{
    return fault_node_setup(CUT_COUNT + 1, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_clock_of_a_node, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_database_clock_jumps, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_missed_schedules, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_name_of_another_machine, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests_name("faults_node", tests, setup, fault_node_teardown);
}
