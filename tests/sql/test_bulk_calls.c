// SPDX-License-Identifier: MIT
// Bulk calls: a long chain of dependents ends at once, and rows that somebody holds are left, or waited for a while.
#include "tests/support/dependents.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/test_db.h"

enum { CHAIN = 10000, CHAIN_LIMIT_MS = 20000 };

static void test_a_chain_is_cancelled_at_once(void **state)
{
    (void)state;
    int64_t head = enqueue(stage.duty, ", run_at => '2090-01-01'");
    // one call, each entry after the one before
    assert_int_equal(
        test_db_int(stage.duty,
                    "select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
                    "'job_type', 'd', 'depends_on', case n when 1 then array[%" PRId64
                    "] else array[1 - n] end) order by n) from generate_series(1, %d) n))",
                    head, CHAIN),
        CHAIN);
    int64_t began = clock_boot_ms();
    cancel(stage.duty, head);
    int64_t took = clock_boot_ms() - began;
    print_message("cancelled a chain of %d in %" PRId64 " ms\n", CHAIN, took);
    assert_true(took < CHAIN_LIMIT_MS);
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.job"), 0);
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
    assert_int_equal(test_db_int(stage.duty,
                                 "select count(*) from ganger.event where event = 'cancelled' and "
                                 "data = '{\"root_job_id\": %" PRId64 "}'",
                                 head),
                     CHAIN);
    // and comes back as it was, to be cancelled as a set
    assert_int_equal(test_db_int(stage.duty, "select ganger.retry_jobs('{}')"), CHAIN + 1);
    assert_int_equal(
        test_db_int(stage.duty, "select count(*) from ganger.job where pending_reason = 'blocked'"),
        CHAIN);
    assert_int_equal(test_db_int(stage.duty, "select ganger.cancel_jobs('{}')"), CHAIN + 1);
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
}

// --- rows that are held

static void count_warning(void *arg, const PGresult *result)
{
    int *warnings = arg;
    if (strcmp(PQresultErrorField(result, PG_DIAG_SEVERITY), "WARNING") == 0) {
        (*warnings)++;
    }
}

static void test_bulk_calls_leave_what_is_held(void **state)
{
    (void)state;
    int warnings = 0;
    (void)PQsetNoticeReceiver(stage.duty, count_warning, &warnings);
    int64_t first = enqueue(stage.duty, "");
    int64_t held = enqueue(stage.duty, "");
    (void)enqueue(stage.duty, "");
    test_db_run(stage.one, "begin");
    test_db_run(stage.one, "select ganger.edit(%" PRId64 ", '{\"priority\": 1}')", held);
    assert_int_equal(test_db_int(stage.duty, "select ganger.edit_jobs('{}', '{\"priority\": 2}')"),
                     2);
    assert_int_equal(warnings, 1);
    assert_int_equal(test_db_int(stage.duty, "select ganger.cancel_jobs('{}')"), 2);
    assert_int_equal(warnings, 2);
    assert_stands(first, "cancelled");
    assert_stands(held, "runnable");
    // what is just being retried is left to who does it
    test_db_run(stage.two, "begin");
    test_db_run(stage.two, "select ganger.retry(%" PRId64 ")", first);
    assert_int_equal(test_db_int(stage.duty, "select ganger.retry_jobs('{}')"), 1);
    test_db_run(stage.two, "commit");
    assert_stands(first, "runnable");
    test_db_run(stage.one, "commit");
    assert_int_equal(test_db_int(stage.duty, "select ganger.cancel_jobs('{}')"), 3);
    assert_int_equal(warnings, 2);
}

static int64_t cancelled_count;

static void *cancel_all(void *conn)
{
    cancelled_count = test_db_int(conn, "select ganger.cancel_jobs('{\"status\": \"pending\"}')");
    return NULL;
}

// One that is freed in time is not left.
static void test_bulk_calls_try_again(void **state)
{
    (void)state;
    int64_t held = enqueue(stage.duty, "");
    (void)enqueue(stage.duty, "");
    test_db_run(stage.one, "begin");
    test_db_run(stage.one, "select ganger.edit(%" PRId64 ", '{\"priority\": 1}')", held);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, 0, cancel_all, stage.two), 0);
    // it holds what it has cancelled until it is through
    assert_true(
        test_db_await(stage.duty, LIMIT_MS,
                      "select not exists (select from (select from ganger.job where id > %" PRId64
                      " for update skip locked) x)",
                      held));
    test_db_run(stage.one, "commit");
    pthread_join(thread, NULL);
    assert_int_equal(cancelled_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_chain_is_cancelled_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bulk_calls_leave_what_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bulk_calls_try_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
