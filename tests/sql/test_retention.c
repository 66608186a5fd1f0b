// SPDX-License-Identifier: MIT
// Old partitions of history go while others read and finish: nobody waits for more than a moment, and the drop is not starved.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "tests/support/test_db.h"

enum {
    OLD_JOBS = 20000,
    STEPS_MAX = 200,
    // The limit is 50 ms a lock; a loaded machine may take its time.
    LONGEST_READ_MS = 2000
};

typedef struct Stage {
    TestDb *db;
    PGconn *duty;
    PGconn *other;
    PGconn *watcher;
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.duty = test_db_connect(stage.db);
    stage.other = test_db_connect(stage.db);
    stage.watcher = test_db_connect(stage.db);
    // A week of the year 2000, full of failed jobs with everything that can belong to them.
    test_db_run(stage.duty,
                "create table ganger.history_ended2000_01 partition of ganger.history_ended for "
                "values from ('2000-01-03 00:00+00') to ('2000-01-10 00:00+00')");
    test_db_run(stage.duty,
                "insert into ganger.history (id, finish_id, created_at, finished_at, max_attempts, "
                "attempts, status, priority, crashes, queue, job_type, payload) select i, i, "
                "'2000-01-05 00:00+00', '2000-01-05 00:00+00', 3, 2, 'failed', 0, 0, 'q', 'old', "
                "'{}' from generate_series(1, %d) i",
                OLD_JOBS);
    test_db_run(stage.duty,
                "insert into ganger.attempt (job_id, attempt, outcome, finished_at) select i, 1, "
                "'error', '2000-01-05' from generate_series(1, %d) i",
                OLD_JOBS);
    test_db_run(
        stage.duty,
        "insert into ganger.job_key (kind, key, job_id) select 'idempotency', i::text, i from "
        "generate_series(1, 100) i");
    test_db_run(stage.duty, "insert into ganger.stat values ('old', 'failed', %d, 0)", OLD_JOBS);
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.duty);
    PQfinish(stage.other);
    PQfinish(stage.watcher);
    return test_db_teardown(state);
}

static void assert_step(const char *wanted)
{
    char *step = test_db_text(stage.duty, "select step from ganger._tidy_partitions('1 min')");
    assert_string_equal(step, wanted);
    free(step);
}

static int64_t old_jobs(void)
{
    return test_db_int(stage.watcher, "select count(*) from ganger.history where job_type = 'old'");
}

// Steps until the partition is gone; false: it never was.
static bool tidy(void)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        test_db_run(stage.duty, "select ganger._tidy_partitions('20 ms')");
        if (test_db_int(stage.watcher,
                        "select (to_regclass('ganger.history_ended2000_01') is null)::int") == 1) {
            return true;
        }
    }
    return false;
}

static void test_everything_goes_with_the_partition(void **state)
{
    (void)state;
    assert_true(tidy());
    assert_int_equal(old_jobs(), 0);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.attempt"), 0);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.job_key"), 0);
    assert_int_equal(test_db_int(stage.watcher, "select ganger.stats('old') -> 'total'"), 0);
    assert_step("nothing");
}

// The long step takes nothing a reader, a finish or a retry could wait for.
static void test_stripping_takes_weak_locks(void **state)
{
    (void)state;
    assert_step("retired");
    test_db_run(stage.duty, "begin");
    assert_step("stripped");
    assert_int_equal(
        test_db_int(stage.watcher,
                    "select count(*) from pg_locks where pid = %d and locktype = 'relation' and "
                    "mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')",
                    PQbackendPID(stage.duty)),
        0);
    test_db_run(stage.duty, "commit");
}

// A reader that stays open holds the drop up, and nobody behind it.
static void test_an_open_reader_delays_the_drop_only(void **state)
{
    (void)state;
    assert_step("retired");
    assert_step("stripped");
    test_db_run(stage.other, "begin");
    test_db_run(stage.other, "select ganger.get_job(1)");
    assert_step("busy");
    test_db_run(stage.watcher, "set lock_timeout = '1ms'");
    assert_int_equal(old_jobs(), OLD_JOBS); // untouched, and readable
    test_db_run(stage.other, "commit");
    assert_step("dropped");
    assert_int_equal(old_jobs(), 0);
}

// Whoever is about to retry one of its jobs comes first.
static void test_an_open_retry_delays_the_mark(void **state)
{
    (void)state;
    test_db_run(stage.other, "begin");
    assert_int_equal(test_db_int(stage.other, "select ganger.retry(7)::int"), 1);
    assert_step("nothing");
    test_db_run(stage.other, "commit");
    assert_true(tidy());
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.attempt"), 1);
    assert_int_equal(test_db_int(stage.watcher, "select ganger.stats('old') -> 'total'"), 1);
}

// --- a client that does nothing but look

static atomic_bool is_over;
static int64_t longest_read_ms;

static void *look_on(void *argument)
{
    PGconn *conn = argument;
    while (!atomic_load(&is_over)) {
        const int64_t start = clock_boot_ms();
        PGresult *result = PQexec(conn, "select status from ganger.get_job(7)");
        if (PQresultStatus(result) != PGRES_TUPLES_OK) {
            print_error("%s", PQresultErrorMessage(result));
            exit(EXIT_FAILURE);
        }
        PQclear(result);
        const int64_t took = clock_boot_ms() - start;
        longest_read_ms = took > longest_read_ms ? took : longest_read_ms;
    }
    return NULL;
}

static void test_a_polling_client_does_not_starve_the_drop(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&is_over, false);
    longest_read_ms = 0;
    assert_int_equal(pthread_create(&thread, NULL, look_on, stage.other), 0);
    const bool is_dropped = tidy();
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    print_message("longest read: %" PRId64 " ms\n", longest_read_ms);
    assert_true(is_dropped);
    assert_true(longest_read_ms < LONGEST_READ_MS);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_everything_goes_with_the_partition),
        CASE(test_stripping_takes_weak_locks),
        CASE(test_an_open_reader_delays_the_drop_only),
        CASE(test_an_open_retry_delays_the_mark),
        CASE(test_a_polling_client_does_not_starve_the_drop),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
