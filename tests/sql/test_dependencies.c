// SPDX-License-Identifier: MIT
// Dependencies between sessions: whoever commits first, a dependent goes on or is cancelled once its prerequisites have ended, and
// nobody waits for an open transaction. Bulk calls over rows that somebody holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000, ROUNDS = 150, CHAIN = 10000, CHAIN_LIMIT_MS = 20000 };

typedef struct Stage {
    TestDb *db;
    PGconn *one;
    PGconn *two;
    PGconn *duty; // and everybody else: any wait of it is an error
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.one = test_db_connect(stage.db);
    stage.two = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    test_db_run(stage.duty, "set lock_timeout = '300ms'");
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.one);
    PQfinish(stage.two);
    PQfinish(stage.duty);
    return test_db_teardown(state);
}

static int64_t enqueue(PGconn *conn, const char *options)
{
    return test_db_int(conn, "select ganger.enqueue('t'%s)", options);
}

static int64_t enqueue_after(PGconn *conn, int64_t prerequisite)
{
    return test_db_int(conn, "select ganger.enqueue('d', depends_on => array[%" PRId64 "])",
                       prerequisite);
}

// pending_reason of a live pending job (runnable: null), else the status.
static void assert_stands(int64_t id, const char *wanted)
{
    char *text = test_db_text(
        stage.duty,
        "select case when status = 'pending' then coalesce(pending_reason, 'runnable') "
        "else status end from ganger.jobs where id = %" PRId64,
        id);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

// Works off what signals ask for, as often as it takes: some are not due at once.
static bool await_stands(int64_t id, const char *wanted)
{
    return test_db_await(
        stage.duty, LIMIT_MS,
        "select (select case when status = 'pending' then coalesce(pending_reason, 'runnable') "
        "else status end from ganger.jobs where id = %" PRId64 ") = '%s' from "
        "(select ganger._work_signals() offset 0) x",
        id, wanted);
}

static void cancel(PGconn *conn, int64_t id)
{
    assert_int_equal(test_db_int(conn, "select ganger.cancel(%" PRId64 ")::integer", id), 1);
}

// Claims these and completes, or fails, them; in the transaction of `conn` if it has one open.
static void finish(PGconn *conn, int64_t id, bool completed)
{
    assert_int_equal(
        test_db_int(conn,
                    "select cardinality(ganger._finish(array[%" PRId64 "], array[(select lease_id "
                    "from ganger.job where id = %" PRId64 ")], array['%s'::ganger.job_status]))",
                    id, id, completed ? "completed" : "failed"),
        1);
}

static void claim_all(void)
{
    test_db_run(stage.duty, "select * from ganger.claim('w', max_jobs => 1000, lease => '1 h')");
}

// --- two prerequisites that do not see each other's end

static void end_two(bool first_commits_first, bool second_completes)
{
    int64_t p1 = enqueue(stage.duty, "");
    int64_t p2 = enqueue(stage.duty, "");
    int64_t d = test_db_int(
        stage.duty, "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])", p1,
        p2);
    claim_all();
    test_db_run(stage.one, "begin");
    test_db_run(stage.two, "begin");
    finish(stage.one, p1, true);
    finish(stage.two, p2, second_completes);
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    assert_stands(d, "blocked");
    test_db_run(first_commits_first ? stage.one : stage.two, "commit");
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    test_db_run(first_commits_first ? stage.two : stage.one, "commit");
    assert_true(await_stands(d, second_completes ? "runnable" : "cancelled"));
    cancel(stage.duty, d);
}

// A dependent is retried while somebody has retried one of its prerequisites, and not committed yet: it waits for the other one.
static void test_retries_that_do_not_see_each_other(void **state)
{
    (void)state;
    int64_t p1 = enqueue(stage.duty, "");
    int64_t p2 = test_db_int(stage.duty, "select ganger.enqueue('p2')");
    int64_t d = test_db_int(
        stage.duty, "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])", p1,
        p2);
    cancel(stage.duty, p1);
    assert_stands(d, "cancelled");
    test_db_run(stage.one, "begin; select ganger.retry(%" PRId64 ")", p1);
    test_db_run(stage.duty, "select ganger.retry(%" PRId64 ")", d);
    test_db_run(stage.one, "commit");
    assert_true(await_stands(d, "blocked"));
    test_db_run(stage.duty, "select * from ganger.claim('w', job_types => '{p2}')");
    finish(stage.duty, p2, true);
    assert_true(await_stands(d, "runnable"));
    cancel(stage.duty, d);
    cancel(stage.duty, p1);
}

static void test_two_ends_in_open_transactions(void **state)
{
    (void)state;
    end_two(true, true);
    end_two(false, true);
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
}

static void test_one_of_two_fails(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        int64_t p1 = enqueue(stage.duty, "");
        int64_t p2 = enqueue(stage.duty, "");
        int64_t d = test_db_int(
            stage.duty, "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])",
            p1, p2);
        claim_all();
        test_db_run(stage.one, "begin");
        test_db_run(stage.two, "begin");
        finish(stage.one, p1, true);  // holds the dependent, as it looks whether that may go on
        finish(stage.two, p2, false); // so cannot cancel it
        test_db_run(n == 0 ? stage.one : stage.two, "commit");
        test_db_run(n == 0 ? stage.two : stage.one, "commit");
        assert_true(await_stands(d, "cancelled"));
    }
}

typedef struct Finisher {
    PGconn *conn;
    int64_t id;
    atomic_bool *go;
} Finisher;

static void *finish_when_told(void *arg)
{
    Finisher *f = arg;
    while (!atomic_load(f->go)) {
    }
    finish(f->conn, f->id, true);
    return 0;
}

static void test_none_is_stuck(void **state)
{
    (void)state;
    for (int n = 0; n < ROUNDS; n++) {
        atomic_bool go = false;
        Finisher f[2] = {{stage.one, enqueue(stage.duty, ""), &go},
                         {stage.two, enqueue(stage.duty, ""), &go}};
        int64_t d = test_db_int(
            stage.duty, "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])",
            f[0].id, f[1].id);
        claim_all();
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], 0, finish_when_told, &f[i]), 0);
        }
        atomic_store(&go, true);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], 0);
        }
        assert_true(await_stands(d, "runnable"));
        cancel(stage.duty, d);
    }
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
}

// --- a prerequisite ends while its dependent is being enqueued

static void end_while_enqueued(bool completed, bool enqueue_commits_first)
{
    int64_t p = enqueue(stage.duty, "");
    claim_all();
    test_db_run(stage.one, "begin");
    test_db_run(stage.two, "begin");
    int64_t d = enqueue_after(stage.one, p);
    finish(stage.two, p, completed); // does not see the dependent
    test_db_run(enqueue_commits_first ? stage.one : stage.two, "commit");
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    test_db_run(enqueue_commits_first ? stage.two : stage.one, "commit");
    assert_true(await_stands(d, completed ? "runnable" : "cancelled"));
    if (completed) {
        cancel(stage.duty, d);
    }
}

static void test_an_end_while_a_dependent_is_enqueued(void **state)
{
    (void)state;
    end_while_enqueued(true, true);
    end_while_enqueued(true, false);
    end_while_enqueued(false, true);
    end_while_enqueued(false, false);
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
}

static void test_a_rolled_back_end(void **state)
{
    (void)state;
    int64_t p = enqueue(stage.duty, "");
    int64_t d = enqueue_after(stage.duty, p);
    claim_all();
    test_db_run(stage.one, "begin");
    finish(stage.one, p, false);
    test_db_run(stage.one, "rollback");
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    assert_stands(d, "blocked");
    finish(stage.duty, p, true);
    assert_true(await_stands(d, "runnable"));
}

// --- nobody waits for an open transaction (duty's lock_timeout says so)

static void test_open_transactions_hold_up_nobody(void **state)
{
    (void)state;
    int64_t p = enqueue(stage.duty, "");
    int64_t other = enqueue(stage.duty, "");
    int64_t held = enqueue_after(stage.duty, p);
    claim_all();
    // one holds a dependent and has enqueued another, for as long as it likes
    test_db_run(stage.one, "begin");
    test_db_run(stage.one, "select ganger.edit(%" PRId64 ", '{\"priority\": 1}')", held);
    int64_t late = enqueue_after(stage.one, p);
    int64_t free_one = test_db_int(
        stage.duty, "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])", p,
        other);
    finish(stage.duty, p, false);
    finish(stage.duty, other, true);
    assert_stands(free_one, "cancelled");
    assert_stands(held, "blocked");
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    test_db_run(stage.duty, "select ganger.maintain()");
    test_db_run(stage.one, "commit");
    assert_true(await_stands(held, "cancelled"));
    assert_true(await_stands(late, "cancelled"));
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
    char *roots =
        test_db_text(stage.duty, "select string_agg(distinct data ->> 'root_job_id', ' ') from "
                                 "ganger.event where event = 'cancelled'");
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "%" PRId64, p);
    assert_string_equal(roots, wanted);
    free(roots);
}

// --- a prerequisite that fails where nobody gets at its dependent

static int64_t enqueue_after_two(int64_t first, int64_t second)
{
    return test_db_int(stage.duty,
                       "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])",
                       first, second);
}

// The dependent is held while one fails, and free again when the other completes.
static void test_a_failure_that_met_a_held_dependent(void **state)
{
    (void)state;
    int64_t bad = enqueue(stage.duty, "");
    int64_t good = enqueue(stage.duty, "");
    int64_t d = enqueue_after_two(bad, good);
    claim_all();
    test_db_run(stage.one, "begin");
    test_db_run(stage.one, "select ganger.edit(%" PRId64 ", '{\"priority\": 1}')", d);
    finish(stage.duty, bad, false);
    test_db_run(stage.one, "commit");
    finish(stage.duty, good, true);
    assert_stands(d, "blocked");
    assert_true(await_stands(d, "cancelled"));
}

// One with a time of its own does not go on at that time.
static void test_a_failure_before_the_dependent_is_due(void **state)
{
    (void)state;
    int64_t p = enqueue(stage.duty, "");
    claim_all();
    test_db_run(stage.one, "begin");
    int64_t unseen = test_db_int(stage.one,
                                 "select ganger.enqueue('d', depends_on => array[%" PRId64
                                 "], run_at => clock_timestamp() + interval '1 h')",
                                 p);
    finish(stage.duty, p, false);
    test_db_run(stage.one, "commit");
    assert_stands(unseen, "scheduled");
    test_db_run(stage.duty, "select ganger.edit(%" PRId64 ", '{\"run_at\": null}')", unseen);
    assert_true(await_stands(unseen, "cancelled"));
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.dependency"), 0);
}

// A transaction whose snapshot is older than the dependent ends its prerequisite.
static void test_an_end_in_an_old_snapshot(void **state)
{
    (void)state;
    int64_t p = enqueue(stage.duty, "");
    claim_all();
    test_db_run(stage.one, "begin isolation level repeatable read");
    test_db_run(stage.one, "select count(*) from ganger.dependency");
    int64_t d = enqueue_after(stage.duty, p);
    (void)test_db_int(stage.duty, "select ganger._work_signals()");
    finish(stage.one, p, true);
    test_db_run(stage.one, "commit");
    assert_true(await_stands(d, "runnable"));
}

// What a retried job once waited for, and has left behind, is nobody's reason to be cancelled.
static void test_a_retried_dependent_cancels_no_barrier(void **state)
{
    (void)state;
    int64_t bad = enqueue(stage.duty, ", tags => '{a}'");
    int64_t good = enqueue(stage.duty, "");
    int64_t d = enqueue_after_two(bad, good);
    claim_all();
    finish(stage.duty, bad, false);
    finish(stage.duty, good, false);
    assert_stands(d, "cancelled");
    assert_int_equal(test_db_int(stage.duty, "select ganger.retry(%" PRId64 ")::integer", good), 1);
    assert_int_equal(test_db_int(stage.duty, "select ganger.retry(%" PRId64 ")::integer", d), 1);
    int64_t live = enqueue(stage.duty, ", tags => '{a}'");
    int64_t barrier = enqueue(stage.duty, ", depends_on_tags => '{a}'");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_stands(d, "blocked");
    assert_stands(barrier, "blocked");
    claim_all();
    finish(stage.duty, live, true);
    finish(stage.duty, good, true);
    assert_true(await_stands(barrier, "runnable"));
    assert_true(await_stands(d, "runnable"));
}

// --- barriers that are committed at the same time

static void test_mutual_barriers(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        int64_t holders[2] = {enqueue(stage.duty, ", tags => '{a}'"),
                              enqueue(stage.duty, ", tags => '{b}'")};
        claim_all();
        test_db_run(stage.one, "begin");
        test_db_run(stage.two, "begin");
        int64_t older = enqueue(stage.one, ", tags => '{a}', depends_on_tags => '{b}'");
        int64_t younger = enqueue(stage.two, ", tags => '{b}', depends_on_tags => '{a}'");
        test_db_run(n == 0 ? stage.one : stage.two, "commit");
        (void)test_db_int(stage.duty, "select ganger._work_signals()");
        test_db_run(n == 0 ? stage.two : stage.one, "commit");
        assert_stands(older, "blocked");
        assert_stands(younger, "blocked");
        finish(stage.duty, holders[n], true);
        finish(stage.duty, holders[1 - n], true);
        assert_true(await_stands(older, "runnable"));
        assert_stands(younger, "blocked");
        claim_all();
        finish(stage.duty, older, true);
        assert_true(await_stands(younger, "runnable"));
        cancel(stage.duty, younger);
    }
}

static void test_a_circle_of_three(void **state)
{
    (void)state;
    PGconn *three = test_db_connect(stage.db);
    PGconn *conns[] = {stage.one, stage.two, three};
    const char *options[] = {", tags => '{a}', depends_on_tags => '{b}'",
                             ", tags => '{b}', depends_on_tags => '{c}'",
                             ", tags => '{c}', depends_on_tags => '{a}'"};
    int64_t hold[3] = {enqueue(stage.duty, ", tags => '{a}'"),
                       enqueue(stage.duty, ", tags => '{b}'"),
                       enqueue(stage.duty, ", tags => '{c}'")};
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        test_db_run(conns[i], "begin");
        ids[i] = enqueue(conns[i], options[i]);
    }
    for (int i = 0; i < 3; i++) {
        test_db_run(conns[i], "commit");
    }
    claim_all();
    for (int i = 0; i < 3; i++) {
        assert_stands(ids[i], "blocked");
        finish(stage.duty, hold[i], true);
    }
    assert_true(await_stands(ids[0], "runnable"));
    assert_stands(ids[1], "blocked");
    assert_stands(ids[2], "blocked");
    claim_all();
    finish(stage.duty, ids[0], true);
    assert_true(await_stands(ids[2], "runnable"));
    claim_all();
    finish(stage.duty, ids[2], true);
    assert_true(await_stands(ids[1], "runnable"));
    PQfinish(three);
}

// --- many

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

// --- bulk calls and rows that are held

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
        cmocka_unit_test_setup_teardown(test_retries_that_do_not_see_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_ends_in_open_transactions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_of_two_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_is_stuck, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_end_while_a_dependent_is_enqueued, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_rolled_back_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_transactions_hold_up_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failure_that_met_a_held_dependent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failure_before_the_dependent_is_due, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_end_in_an_old_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_retried_dependent_cancels_no_barrier, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_mutual_barriers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_circle_of_three, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_chain_is_cancelled_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bulk_calls_leave_what_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bulk_calls_try_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
