// SPDX-License-Identifier: MIT
// Dependencies between sessions: whoever commits first, a dependent goes on or is cancelled once its prerequisites have ended, and
// nobody waits for an open transaction.
#include "tests/support/dependents.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test_db.h"

enum { ROUNDS = 150 };

static int64_t enqueue_after(PGconn *conn, int64_t prerequisite)
{
    return test_db_int(conn, "select ganger.enqueue('d', depends_on => array[%" PRId64 "])",
                       prerequisite);
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
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
