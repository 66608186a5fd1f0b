// SPDX-License-Identifier: MIT
// The numbers of GET /metrics of a real node: known ones after known jobs, counters that never fall whoever dies, and no work for the
// database.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"
#include "tests/support/metrics_scrape.h"

enum { SCRAPES = 200 };

// All series of a family together.
static double sum_of(const Scrape *self, const char *family)
{
    const size_t length = strlen(family);
    double sum = 0;
    for (int i = 0; i < self->count; i++) {
        if (strncmp(self->names[i], family, length) == 0 &&
            (self->names[i][length] == '{' || self->names[i][length] == '\0')) {
            sum += self->values[i];
        }
    }
    return sum;
}

static void assert_value(SystemTest *test, const Scrape *self, const char *name, double value)
{
    const double found = value_of(self, name);
    if (found < value || found > value) {
        (void)fprintf(stderr, "%s is %g, not %g\n", name, found, value);
        system_fail(test, "a metric has another value");
    }
}

static void assert_sum(SystemTest *test, const Scrape *self, const char *family, double value)
{
    const double found = sum_of(self, family);
    if (found < value || found > value) {
        for (int i = 0; i < self->count; i++) {
            if (strncmp(self->names[i], family, strlen(family)) == 0 && self->values[i] > 0) {
                (void)fprintf(stderr, "%s %g\n", self->names[i], self->values[i]);
            }
        }
        system_fail(test, "a family has another sum");
    }
}

// Ended and live jobs before the node is there: its first sample of the database knows them.
static void prepare_jobs(SystemTest *test)
{
    test_db_run(test->conn, "select ganger.enqueue('old', queue => 'elsewhere') "
                            "from generate_series(1, 7)");
    test_db_run(test->conn, "select ganger.complete(c.id, c.lease_id) "
                            "from ganger.claim('w', queues => '{elsewhere}', max_jobs => 5) c");
    test_db_run(test->conn, "select ganger.enqueue('old', queue => 'later', "
                            "run_at => now() + interval '1 h')");
}

static void add_known_jobs(SystemTest *test)
{
    // Alone: one that is given back as its neighbour in the batch dies has no first start any more.
    job_await(test, job_add(test, "'echo', run_at => now() - interval '100 s'"), "completed");
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 40)");
    test_db_run(test->conn, "select ganger.enqueue('bad', max_attempts => 1) "
                            "from generate_series(1, 3)");
    test_db_run(test->conn, "select ganger.enqueue('drop') from generate_series(1, 2)");
    (void)job_add(test, "'segv', max_attempts => 1");
    (void)journal_add(test, 60000, "\"deaf\": 1",
                      "timeout => '300 ms', kill_grace => '50 ms', max_attempts => 1");
    (void)job_add(test, "'sleep', '{\"ms\": 60000}', timeout => '200 ms', max_attempts => 1");
}

static void check_runs(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_runs_started_total{job_type=\"noop\"}", 40);
    assert_value(test, now, FINISHED("noop", "completed"), 40);
    assert_value(test, now, "ganger_run_duration_seconds_count{job_type=\"noop\"}", 40);
    assert_value(test, now, "ganger_job_wait_seconds_count{job_type=\"noop\"}", 40);
    assert_value(test, now, FINISHED("bad", "error"), 3);
    assert_value(test, now, FINISHED("drop", "discarded"), 2);
    assert_value(test, now, FINISHED("segv", "crashed"), 1);
    assert_value(test, now, FINISHED("journal", "timeout"), 1);
    assert_value(test, now, FINISHED("sleep", "timeout"), 1);
    // its time had come 100 s before
    assert_value(test, now, "ganger_job_wait_seconds_bucket{job_type=\"echo\",le=\"60\"}", 0);
    assert_value(test, now, "ganger_job_wait_seconds_bucket{job_type=\"echo\",le=\"300\"}", 1);
    // no more than these
    assert_sum(test, now, "ganger_runs_started_total", 49);
    assert_sum(test, now, "ganger_runs_finished_total", 49);
    assert_sum(test, now, "ganger_run_duration_seconds_count", 49);
}

static void check_processes(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_kills_total{cause=\"timeout\"}", 1);
    assert_value(test, now, "ganger_stops_total{cause=\"timeout\"}", 2);
    assert_value(test, now, "ganger_process_ends_total{role=\"worker\",reason=\"crashed\"}", 1);
    assert_value(test, now, "ganger_process_ends_total{role=\"worker\",reason=\"asked\"}", 1);
    assert_value(test, now, "ganger_settled_workers_total", 2);
    assert_value(test, now, "ganger_settled_jobs_total{how=\"charged\"}", 2);
    assert_value(test, now, "ganger_processes{role=\"supervisor\"}", 1);
    assert_value(test, now, "ganger_processes{role=\"reaper\"}", 1);
    assert_value(test, now, "ganger_processes{role=\"api\"}", 1);
    assert_value(test, now, "ganger_node_registered", 1);
    assert_value(test, now, "ganger_database_up", 1);
    CHECK(test, value_of(now, "ganger_process_resident_bytes{role=\"worker\"}") > 1e6);
    CHECK(test, value_of(now, "ganger_process_start_time_seconds{role=\"api\"}") > 1.7e9);
    CHECK(test, value_of(now, "ganger_heartbeats_total{result=\"ok\"}") > 0);
    CHECK(test, value_of(now, "ganger_claims_total{result=\"jobs\"}") > 0);
}

static void check_database(SystemTest *test, const Scrape *now)
{
    assert_value(test, now, "ganger_jobs_enqueued_total", 8);
    assert_value(test, now, "ganger_jobs_ended_total{status=\"completed\"}", 5);
    assert_value(test, now, "ganger_queue_jobs{queue=\"elsewhere\",state=\"runnable\"}", 2);
    assert_value(test, now, "ganger_queue_jobs{queue=\"later\",state=\"scheduled\"}", 1);
    assert_value(test, now, "ganger_nodes{state=\"alive\"}", 1);
}

static void test_known_numbers(void **state)
{
    SystemTest *test = *state;
    static Scrape now;
    prepare_jobs(test);
    run_node(test, "known", 2);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    scrape(test, &now);
    check_database(test, &now);
    scrape_free(&now);
    add_known_jobs(test);
    sql_await(test, "not exists (select from ganger.jobs where queue = 'default' and status not in "
                    "('completed', 'failed'))");
    // the last worker's settling, and its successor
    await_value(test, "ganger_settled_workers_total", 2);
    await_value(test, "ganger_processes{role=\"worker\"}", 2);
    await_value(test, "ganger_process_cpu_seconds_total{role=\"worker\"}", 0.001);
    await_value(test, "ganger_database_connects_total{role=\"worker\"}", 4);
    scrape(test, &now);
    check_runs(test, &now);
    check_processes(test, &now);
    scrape_free(&now);
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t length = strcspn(name, "{");
    const size_t suffix_length = strlen(suffix);
    return length > suffix_length &&
           strncmp(name + length - suffix_length, suffix, suffix_length) == 0;
}

static bool is_growing(const char *name)
{
    return has_suffix(name, "_total") || has_suffix(name, "_bucket") ||
           has_suffix(name, "_count") || has_suffix(name, "_sum");
}

// These begin anew with each HTTP process, which may be killed here.
static bool is_of_api(const char *name)
{
    static const char *const families[] = {"ganger_http_", "ganger_scrapes_total",
                                           "ganger_database_samples_total", "ganger_jobs_"};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (strncmp(name, families[i], strlen(families[i])) == 0) {
            return true;
        }
    }
    return false;
}

// Each counter of the node that was there is there, and no smaller.
static void assert_none_fell(SystemTest *test, const Scrape *before, const Scrape *now)
{
    int at = 0;
    for (int i = 0; i < before->count; i++) {
        if (!is_growing(before->names[i]) || is_of_api(before->names[i])) {
            continue;
        }
        while (at < now->count && strcmp(now->names[at], before->names[i]) < 0) {
            at++;
        }
        if (at == now->count || !str_equal(now->names[at], before->names[i]) ||
            now->values[at] < before->values[i]) {
            (void)fprintf(stderr, "%s fell below %g\n", before->names[i], before->values[i]);
            system_fail(test, "a counter fell");
        }
    }
}

#define IDLE_WORKERS "ganger_workers{pool=\"default\",state=\"idle\"}"

// Reaper and HTTP process die as well: what they had counted stands in the scoreboard.
static void kill_others(SystemTest *test, const Daemon *daemon, const Scrape *before)
{
    static const char *const programs[] = {"ganger-reaper", "ganger-api"};
    static Scrape now;
    for (int i = 0; i < 2; i++) {
        const pid_t victim = daemon_child(daemon, programs[i], 0);
        CHECK(test, victim > 0 && kill(victim, SIGKILL) == 0);
        CHECK(test, process_await_end(victim, DAEMON_PATIENCE_MS));
        CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
        await_value(test, "ganger_processes{role=\"reaper\"}", 1);
        scrape(test, &now);
        assert_none_fell(test, before, &now);
        scrape_free(&now);
    }
    await_value(test, "ganger_process_ends_total{role=\"api\",reason=\"crashed\"}", 1);
    await_value(test, "ganger_process_ends_total{role=\"reaper\",reason=\"crashed\"}", 1);
}

// Workers die at work and at rest; their successors go on counting in their slots.
static void test_counters_survive_workers(void **state)
{
    enum { ROUNDS = 8, JOBS = 50 };
    SystemTest *test = *state;
    static Scrape scrapes[2];
    Daemon *daemon = run_node(test, "mortal", 2);
    await_value(test, IDLE_WORKERS, 2);
    scrape(test, &scrapes[0]);
    for (int i = 0; i < ROUNDS; i++) {
        Scrape *now = &scrapes[(i + 1) % 2];
        test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, %d)", JOBS);
        if (i % 2 == 0) {
            sql_await(test, "not exists (select from ganger.jobs where status <> 'completed')");
        }
        const pid_t victim = daemon_child(daemon, "ganger-worker", i % 2);
        CHECK(test, victim > 0 && kill(victim, SIGKILL) == 0);
        scrape(test, now);
        assert_none_fell(test, &scrapes[i % 2], now);
        scrape_free(&scrapes[i % 2]);
        await_value(test, "ganger_settled_workers_total", i + 1);
        await_value(test, IDLE_WORKERS, 2);
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              ROUNDS * JOBS);
    await_value(test, "ganger_process_ends_total{role=\"worker\",reason=\"crashed\"}", ROUNDS);
    Scrape *last = &scrapes[(ROUNDS + 1) % 2];
    scrape(test, last);
    assert_none_fell(test, &scrapes[ROUNDS % 2], last);
    // A kill may hit a worker between a run's end and its being counted: one a kill at most.
    const double counted = value_of(last, FINISHED("noop", "completed"));
    CHECK(test, counted >= ROUNDS * JOBS - ROUNDS && counted <= ROUNDS * JOBS + ROUNDS);
    kill_others(test, daemon, last);
    scrape_free(&scrapes[0]);
    scrape_free(&scrapes[1]);
}

// A later configuration's job types get rows, and those there were keep theirs.
static void test_counters_survive_a_reload(void **state)
{
    SystemTest *test = *state;
    static Scrape now;
    Daemon *daemon = run_node(test, "renewed", 1);
    (void)job_add(test, "'noop'");
    await_value(test, FINISHED("noop", "completed"), 1);
    char *http = mem_printf("{listen: \"%s\", auth: none}", address);
    daemon_configure(test, "renewed",
                     &(DaemonOptions){.http = http,
                                      .pools = "{default: {processes: 1}}",
                                      .handlers = "brand_new: {plugin: noop.so, symbol: noop}"});
    free(http);
    daemon_signal(daemon, SIGHUP);
    CHECK(test, daemon_await_log(daemon, "event=config.reloaded", DAEMON_PATIENCE_MS));
    (void)job_add(test, "'brand_new'");
    (void)job_add(test, "'noop'");
    await_value(test, FINISHED("brand_new", "completed"), 1);
    await_value(test, FINISHED("noop", "completed"), 2);
    scrape(test, &now);
    assert_value(test, &now, "ganger_runs_started_total{job_type=\"bad\"}",
                 0); // it is gone, and kept
    assert_value(test, &now, "ganger_runs_started_total{job_type=\"noop\"}", 2);
    scrape_free(&now);
}

// However often somebody looks, the database is asked at its own pace.
static void test_scrapes_ask_the_database_nothing(void **state)
{
    SystemTest *test = *state;
    static const char statements[] = "ganger_http_pool_statements_total{result=\"answered\"}";
    static Scrape now;
    run_node(test, "asked", 1);
    await_value(test, "ganger_database_samples_total{result=\"ok\"}", 1);
    scrape(test, &now);
    const double before = value_of(&now, statements);
    CHECK(test, before >= 1);
    scrape_free(&now);
    const int64_t began_ms = clock_boot_ms();
    for (int i = 0; i < SCRAPES; i++) {
        free(fetch(test));
        pause_ms(5);
    }
    const int64_t took_ms = clock_boot_ms() - began_ms;
    scrape(test, &now);
    const double asked = value_of(&now, statements) - before;
    (void)fprintf(stderr, "%d scrapes in %" PRId64 " ms: %g statements\n", SCRAPES, took_ms, asked);
    CHECK(test, asked <= 1 + (double)took_ms / 10000);
    CHECK(test, value_of(&now, "ganger_scrapes_total") >= SCRAPES);
    assert_value(test, &now, "ganger_database_samples_total{result=\"failed\"}", 0);
    scrape_free(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known_numbers, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_counters_survive_workers, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_counters_survive_a_reload, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_scrapes_ask_the_database_nothing, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
