// SPDX-License-Identifier: MIT
// Jobs through the real gangerd: every kind of handler, retries, timeouts, crashes, cancels, due times.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"

static const char exec_handlers[] =
    "upper: {exec: [/bin/sh, -c, 'read -r line; echo told >&2; echo \"{\\\"got\\\": $line}\"']}, "
    "sorry: {exec: [/bin/sh, -c, 'echo why >&2; exit 100']}, "
    "hang: {exec: [/bin/sh, -c, 'trap \"\" TERM; sleep 1000 & sleep 1000; wait']}, "
    "double: {sql: app.double}";

static void check_output(SystemTest *test, int64_t id, const char *expected)
{
    char *output =
        test_db_text(test->conn, "select output::text from ganger.jobs where id = %" PRId64, id);
    if (output == NULL || !str_equal(output, expected)) {
        (void)fprintf(stderr, "output of %" PRId64 ": %s, not %s\n", id,
                      output != NULL ? output : "null", expected);
        system_fail(test, "an output is not what the handler gave");
    }
    free(output);
}

static void test_handler_kinds(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn,
                "create schema app; create table app.effect (n int);"
                "create function app.double(payload jsonb, job ganger.jobs) returns jsonb "
                "language plpgsql as $$ begin insert into app.effect values "
                "((payload ->> 'n')::int); return jsonb_build_object('n', 2 * "
                "(payload ->> 'n')::int, 'attempt', job.attempts); end $$");
    daemon_run(test, "kinds", 2, &(DaemonOptions){.handlers = exec_handlers});
    int64_t plugin = job_add(test, "'echo', '{\"a\": [1, \"ü\"]}'");
    int64_t program = job_add(test, "'upper', '{\"b\": 2}'");
    int64_t function = job_add(test, "'double', '{\"n\": 21}'");
    int64_t nothing = job_add(test, "'noop'");
    int64_t discarded = job_add(test, "'sorry'");
    job_await(test, plugin, "completed");
    job_await(test, program, "completed");
    job_await(test, function, "completed");
    job_await(test, nothing, "completed");
    job_await(test, discarded, "failed");
    check_output(test, plugin, "{\"a\": [1, \"ü\"]}");
    check_output(test, program, "{\"got\": {\"b\": 2}}");
    check_output(test, function, "{\"n\": 42, \"attempt\": 1}");
    sql_check(test, "(select log from ganger.attempts where job_id = %" PRId64 ") like 'told%%'",
              program);
    sql_check(test,
              "(select array[failure_reason, attempts::text] from ganger.jobs where id = %" PRId64
              ") = array['discarded', '1']",
              discarded);
    sql_check(test, "(select count(*) from app.effect) = 1");
    sql_check(test, "(select output is null from ganger.jobs where id = %" PRId64 ")", nothing);
}

// Among many lanes a batch is claimed in the order on disk, which is here the opposite one.
static void test_order_among_many_lanes(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn,
                "create schema app; create table app.ran (n bigserial, priority int);"
                "create function app.note(payload jsonb, job ganger.jobs) returns jsonb language "
                "plpgsql as $$ begin insert into app.ran (priority) values (job.priority); return "
                "null; end $$");
    test_db_run(test->conn, "select ganger.enqueue('note', priority => p) from "
                            "generate_series(1, 300) p");
    daemon_run(test, "order", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                .handlers = "note: {sql: app.note}"});
    sql_await(test, "(select count(*) = 300 from app.ran)");
    sql_check(test, "(select array_agg(priority order by n) from app.ran) = "
                    "(select array_agg(p order by p desc) from generate_series(1, 300) p)");
}

static void test_effects_once(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create table effect (job_id bigint, attempt int)");
    daemon_run(test, "effects", 2, NULL);
    int64_t good = job_add(test, "'db_effect', '{\"table\": \"effect\"}'");
    int64_t bad =
        job_add(test, "'db_effect', '{\"table\": \"effect\", \"fail\": 1}', max_attempts => 1");
    job_await(test, good, "completed");
    job_await(test, bad, "failed");
    sql_check(test, "(select array_agg(job_id) from effect) = array[%" PRId64 "::bigint]", good);
}

static void test_flaky_retries(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "flaky", 2, NULL);
    int64_t id =
        job_add(test, "'flaky', '{\"until\": 3}', retry_delay => '50 ms', retry_backoff => false");
    int64_t hopeless = job_add(test, "'flaky', '{\"until\": 9}', retry_delay => '20 ms', "
                                     "retry_backoff => false, max_attempts => 2");
    job_await(test, id, "completed");
    job_await(test, hopeless, "failed");
    sql_check(test,
              "(select attempts = 3 and jsonb_array_length(error_history) = 2 from ganger.jobs "
              "where id = %" PRId64 ")",
              id);
    sql_check(
        test,
        "(select array_agg(outcome order by attempt) from ganger.attempts where job_id = %" PRId64
        ") = array['error', 'error', 'completed']",
        id);
    sql_check(
        test,
        "(select attempts = 2 and failure_reason = 'error' from ganger.jobs where id = %" PRId64
        ")",
        hopeless);
}

static void test_timeout_kills_spin(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "spin", 2, NULL);
    int64_t id =
        job_add(test, "'spin', timeout => '300 ms', kill_grace => '100 ms', max_attempts => 1");
    pid_t pid = job_await_pid(test, id);
    job_await(test, id, "failed");
    CHECK(test, !process_is_alive(pid));
    sql_check(test,
              "(select failure_reason = 'timeout' and finished_at - started_at < interval '1.5 s' "
              "* %d from "
              "ganger.jobs where id = %" PRId64 ")",
              DAEMON_SLOWNESS, id);
    sql_check(
        test,
        "(select outcome = 'timeout' and signal = 9 and cpu_time > '20 ms' and cpu_time < '10 s' "
        "and max_rss > 1000000 from ganger.attempts where job_id = %" PRId64 ")",
        id);
    job_await(test, job_add(test, "'echo', '1'"), "completed");
}

static void test_timeout_obeyed(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "obeys", 1, &(DaemonOptions){.pools = "{default: {processes: 1}}"});
    int64_t id = journal_add(test, 60000, NULL,
                             "timeout => '200 ms', kill_grace => '5 s', max_attempts => 1");
    pid_t pid = journal_await_begin(test, id, 1);
    job_await(test, id, "failed");
    sql_check(test, "(select failure_reason = 'timeout' from ganger.jobs where id = %" PRId64 ")",
              id);
    CHECK(test, process_is_alive(pid)); // it obeyed, so its worker lives on
    // What stopped that job says nothing about the next one of the same worker.
    int64_t next = journal_add(test, 60000, NULL, NULL);
    CHECK(test, journal_await_begin(test, next, 1) == pid);
    (void)kill(pid, SIGKILL);
    journal_await_begin(test, next, 2);
    sql_check(
        test,
        "(select outcome = 'crashed' and signal = 9 from ganger.attempts where job_id = %" PRId64
        " and attempt = 1)",
        next);
}

static void test_segv_costs_one_job(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon =
        daemon_run(test, "segv", 1, &(DaemonOptions){.pools = "{default: {processes: 1}}"});
    int64_t plain = job_add(test, "'segv', max_attempts => 1");
    job_await(test, plain, "failed");
    sql_check(
        test,
        "(select failure_reason = 'crashed' and crashes = 1 from ganger.jobs where id = %" PRId64
        ")",
        plain);
    sql_check(
        test,
        "(select outcome = 'crashed' and signal = 11 from ganger.attempts where job_id = %" PRId64
        ")",
        plain);

    // In the middle of a batch: short jobs of the same type before, so that batches have grown, and behind.
    test_db_run(test->conn, "begin");
    for (int i = 0; i < 200; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    int64_t id = journal_add(test, 0, "\"crash_until\": 99", "max_attempts => 2");
    for (int i = 0; i < 200; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    test_db_run(test->conn, "commit");
    job_await(test, id, "failed");
    sql_await(test, "(select count(*) from ganger.jobs where job_type = 'journal' and status = "
                    "'completed') = 400");
    sql_check(test, "(select attempts = 2 and crashes = 2 from ganger.jobs where id = %" PRId64 ")",
              id);
    sql_check(test,
              "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs where job_type = "
              "'journal' and id <> %" PRId64 ")",
              id);
    CHECK(test, journal_count(test, id, "begin") == 2);
    for (int64_t i = plain + 1; i < id + 200; i++) {
        CHECK(test, i == id || (journal_count(test, i, "begin") <= 1 &&
                                journal_count(test, i, "end") <= 1));
    }
    CHECK(test, daemon_log_count(daemon, "event=worker.settled") == 3);
}

static void test_orphan_is_swept(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "orphan", 2, NULL);
    int64_t id =
        job_add(test, "'orphan', timeout => '400 ms', kill_grace => '50 ms', max_attempts => 1");
    pid_t worker = job_await_pid(test, id);
    pid_t below[16];
    size_t count = 0;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         (count = process_descendants(worker, below, 16)) == 0 && clock_boot_ms() < until;) {
        pause_ms(1);
    }
    CHECK(test, count > 0);
    job_await(test, id, "failed");
    for (size_t i = 0; i < count; i++) {
        CHECK(test, !process_is_alive(below[i]));
    }
    // One that returns and leaves its daemon behind: gone with the attempt.
    int64_t left = job_add(test, "'orphan', '{\"hang\": 0}'");
    job_await(test, left, "completed");
    daemon_await_workers(test, daemon, 2);
    // The reaper and two workers; a new one tries its plugins in a child first.
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         (count = process_descendants(daemon->pid, below, 16)) != 3 && clock_boot_ms() < until;) {
        pause_ms(10);
    }
    CHECK(test, count == 3);
}

static void test_exec_tree_is_killed(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "tree", 2,
               &(DaemonOptions){.handlers = "hang: {exec: [/bin/sh, -c, 'trap \"\" TERM; "
                                            "setsid sleep 1000 & sleep 1001; wait']}"});
    int64_t id =
        job_add(test, "'hang', timeout => '300 ms', kill_grace => '50 ms', max_attempts => 1");
    pid_t worker = job_await_pid(test, id);
    pid_t below[16];
    size_t count = 0;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         (count = process_descendants(worker, below, 16)) < 3 && clock_boot_ms() < until;) {
        pause_ms(1);
    }
    CHECK(test, count >= 3);
    job_await(test, id, "failed");
    for (size_t i = 0; i < count; i++) {
        CHECK(test, !process_is_alive(below[i]));
    }
    sql_check(test, "(select failure_reason = 'timeout' from ganger.jobs where id = %" PRId64 ")",
              id);
}

static void test_cancel(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "cancel", 2,
               &(DaemonOptions){.supervisor = "kill_grace: 5s, shutdown_timeout: 5s"});
    int64_t pending = job_add(test, "'noop', run_at => now() + interval '1 hour'");
    sql_check(test, "ganger.cancel(%" PRId64 ")", pending);
    job_await(test, pending, "cancelled");
    int64_t obeys = journal_add(test, 60000, NULL, NULL);
    int64_t deaf = journal_add(test, 60000, "\"deaf\": 1", "kill_grace => '100 ms'");
    journal_await_begin(test, obeys, 1);
    pid_t pid = journal_await_begin(test, deaf, 1);
    int64_t at = clock_boot_ms();
    sql_check(test, "ganger.cancel(%" PRId64 ")", obeys);
    sql_check(test, "ganger.cancel(%" PRId64 ")", deaf);
    job_await(test, obeys, "cancelled");
    job_await(test, deaf, "cancelled");
    CHECK(test, clock_boot_ms() - at < slow_ms(1500));
    CHECK(test, !process_is_alive(pid));
    CHECK(test, journal_count(test, obeys, "stop") == 1);
    int64_t next = job_add(test, "'noop'");
    job_await(test, next, "completed");
}

typedef struct Batch {
    int64_t before, long_one, after;
} Batch;

// Many short jobs, a long one, and one more, by one commit. True: the long one began as part of a batch that others begin.
static bool run_batch(SystemTest *test, Batch *batch)
{
    test_db_run(test->conn, "begin");
    for (int i = 0; i < 30; i++) {
        batch->before = journal_add(test, 0, NULL, NULL);
    }
    batch->long_one = journal_add(test, 60000, NULL, NULL);
    batch->after = journal_add(test, 0, NULL, NULL);
    test_db_run(test->conn, "commit");
    journal_await_begin(test, batch->long_one, 1);
    bool is_within = test_db_int(test->conn,
                                 "select count(*) from ganger.worker_claim where %" PRId64
                                 " = any (job_ids) and job_ids[1] <> %" PRId64,
                                 batch->long_one, batch->long_one) == 1;
    return is_within;
}

// The jobs of a batch have one lease: it is that job, and no other, that is stopped.
static void test_cancel_in_a_batch(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "batch", 1,
               &(DaemonOptions){.supervisor = "kill_grace: 5s",
                                .pools = "{default: {queues: [default], processes: 1}}"});
    Batch batch;
    for (int i = 0; !run_batch(test, &batch); i++) {
        CHECK(test, i < 10);
        sql_check(test, "ganger.cancel(%" PRId64 ")", batch.long_one);
    }
    sql_check(test, "ganger.cancel(%" PRId64 ")", batch.long_one);
    job_await(test, batch.long_one, "cancelled");
    job_await(test, batch.before, "completed");
    job_await(test, batch.after, "completed");
    CHECK(test, journal_count(test, batch.before, "begin") == 1);
    CHECK(test, journal_count(test, batch.long_one, "stop") == 1);
}

static void test_scheduled_starts_on_time(void **state)
{
    SystemTest *test = *state;
    // The poll would be far too late: the timer on the next due instant has to do it.
    const Daemon *daemon = daemon_run(test, "due", 2, &(DaemonOptions){.poll = "20s"});
    (void)daemon;
    int64_t far = job_add(test, "'noop', run_at => clock_timestamp() + interval '1200 ms'");
    int64_t near = job_add(test, "'noop', run_at => clock_timestamp() + interval '600 ms'");
    job_await(test, near, "completed");
    job_await(test, far, "completed");
    sql_check(test,
              "(select bool_and(started_at >= run_at and started_at < run_at + interval '250 ms' * "
              "%d) from ganger.jobs)",
              DAEMON_SLOWNESS);
}

static void test_long_job_frees_its_batch(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "rescue", 2, NULL);
    test_db_run(test->conn, "begin");
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, 60)");
    // longer than all others together
    int64_t slow = job_add(test, "'sleep', '{\"ms\": %" PRId64 "}'", slow_ms(3000));
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, 300)");
    test_db_run(test->conn, "commit");
    sql_await(test,
              "(select count(*) from ganger.jobs where id <> %" PRId64
              " and status = 'completed') = 360",
              slow);
    sql_check(test, "(select status = 'processing' from ganger.jobs where id = %" PRId64 ")", slow);
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_check(test, "(select count(*) > 0 from ganger.jobs j, ganger.job_events(j.id) e where "
                    "e.event = 'released')");
    job_await(test, slow, "completed");
}

// None of them is long alone; but together they would keep an urgent one waiting.
static void test_slow_batch_is_cut(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "cut", 1, &(DaemonOptions){.pools = "{default: {processes: 1}}"});
    test_db_run(test->conn, "begin");
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 1}') from generate_series(1, 100)");
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 20}') from generate_series(1, 40)");
    test_db_run(test->conn, "commit");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 140");
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_check(test, "(select count(*) > 0 from ganger.jobs j, ganger.job_events(j.id) e where "
                    "e.event = 'released' and e.data::text like '%%what came before it%%')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handler_kinds, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_order_among_many_lanes, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_effects_once, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_flaky_retries, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout_kills_spin, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout_obeyed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_segv_costs_one_job, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_orphan_is_swept, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_exec_tree_is_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_cancel, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_in_a_batch, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_scheduled_starts_on_time, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_long_job_frees_its_batch, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_slow_batch_is_cut, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
