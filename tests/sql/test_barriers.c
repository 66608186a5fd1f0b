// SPDX-License-Identifier: MIT
// Barriers between sessions: jobs that wait for all of a tag, enqueued at the same time, and beside a prerequisite that is retried.
#include "tests/support/dependents.h"

#include "tests/support/test_db.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_retried_dependent_cancels_no_barrier, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_mutual_barriers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_circle_of_three, setup, teardown),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
