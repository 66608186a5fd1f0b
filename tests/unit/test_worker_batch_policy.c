// SPDX-License-Identifier: MIT
// Batch policy: one job until handlers are known to be short; then a budget's worth, growing, and never hoarded.
#include "tests/support/unit.h"

#include "common/base/scoreboard.h"
#include "worker/batch_policy.h"

static BatchPolicy policy;

static int setup(void **state)
{
    (void)state;
    batch_policy_init(&policy);
    return 0;
}

// One full claim and its run, every job taking job_us. Returns what was asked.
static int run_full(int64_t job_us)
{
    int asked = batch_policy_next(&policy, SCOREBOARD_BATCH_MAX);
    batch_policy_claimed(&policy, asked, asked, (size_t)asked * 500);
    batch_policy_ran(&policy, asked, asked * job_us, job_us);
    return asked;
}

static void test_begins_with_one(void **state)
{
    (void)state;
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 1);
    batch_policy_claimed(&policy, 1, 1, 500);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 1); // nothing has run yet
}

static void test_grows_with_short_jobs(void **state)
{
    (void)state;
    int last = run_full(10);
    for (int i = 0; i < 5; i++) {
        int asked = run_full(10);
        assert_int_equal(asked, last * BATCH_GROWTH < SCOREBOARD_BATCH_MAX ? last * BATCH_GROWTH
                                                                           : SCOREBOARD_BATCH_MAX);
        last = asked;
    }
    assert_int_equal(run_full(10), SCOREBOARD_BATCH_MAX);
}

static void test_stays_within_the_budget(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        (void)run_full(5000);
    }
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), BATCH_BUDGET_US / 5000);
}

static void test_is_over_when_it_took_longer_than_meant(void **state)
{
    (void)state;
    assert_false(batch_policy_is_over(0));
    assert_false(batch_policy_is_over(BATCH_BUDGET_US));
    assert_true(batch_policy_is_over(BATCH_CUT_US));
}

static void test_long_jobs_go_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run_full(INT64_C(2) * BATCH_BUDGET_US), 1);
    }
}

static void test_one_long_job_is_remembered(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        (void)run_full(10);
    }
    batch_policy_claimed(&policy, SCOREBOARD_BATCH_MAX, SCOREBOARD_BATCH_MAX, 500);
    batch_policy_ran(&policy, SCOREBOARD_BATCH_MAX, 60000, BATCH_BUDGET_US + 1);
    for (int i = 0; i < BATCH_LONG_MEMORY; i++) {
        assert_int_equal(run_full(10), 1);
    }
    assert_int_equal(run_full(10), BATCH_GROWTH);
    assert_int_equal(run_full(10), BATCH_GROWTH * BATCH_GROWTH);
}

static void test_does_not_hoard(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        (void)run_full(10);
    }
    batch_policy_claimed(&policy, SCOREBOARD_BATCH_MAX, 3, 1500);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 6);
    batch_policy_claimed(&policy, 6, 0, 100);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 2);
}

// One that comes alone is known to be alone: it is one of two asked for. A longer one is worth another worker's look.
static void test_two_at_least_of_short_jobs(void **state)
{
    (void)state;
    (void)run_full(BATCH_SHORT_US);
    batch_policy_claimed(&policy, BATCH_GROWTH, 0, 100);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 2);
    assert_int_equal(batch_policy_next(&policy, 1), 1);
    batch_policy_claimed(&policy, 2, 1, 100);
    batch_policy_ran(&policy, 1, BATCH_SHORT_US + 1, BATCH_SHORT_US + 1);
    batch_policy_claimed(&policy, 2, 0, 100);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 1);
}

static void test_obeys_prefetch(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        (void)run_full(1);
    }
    assert_int_equal(batch_policy_next(&policy, 7), 7);
    assert_int_equal(batch_policy_next(&policy, 1), 1);
    assert_int_equal(batch_policy_next(&policy, 0), SCOREBOARD_BATCH_MAX);
    assert_int_equal(batch_policy_next(&policy, 1 << 20), SCOREBOARD_BATCH_MAX);
}

static void test_large_jobs_stay_within_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        (void)run_full(10);
    }
    batch_policy_claimed(&policy, 64, 64, (size_t)64 * 1024 * 1024); // 1 MiB each
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), BATCH_BYTES / 1048576);
    batch_policy_claimed(&policy, 8, 8, (size_t)8 * 2 * BATCH_BYTES);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), 1);
    batch_policy_claimed(&policy, 1, 0, 100); // nothing got says nothing
    batch_policy_claimed(&policy, 1, 1, 500);
    batch_policy_claimed(&policy, 1, 1, 500);
    assert_int_equal(batch_policy_next(&policy, SCOREBOARD_BATCH_MAX), BATCH_GROWTH);
}

static void test_a_batch_that_ran_nothing_teaches_nothing(void **state)
{
    (void)state;
    (void)run_full(10);
    double before = policy.mean_us;
    batch_policy_ran(&policy, 0, 0, 0);
    assert_true(policy.mean_us >= before && policy.mean_us <= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_begins_with_one, setup),
        cmocka_unit_test_setup(test_grows_with_short_jobs, setup),
        cmocka_unit_test_setup(test_stays_within_the_budget, setup),
        cmocka_unit_test_setup(test_is_over_when_it_took_longer_than_meant, setup),
        cmocka_unit_test_setup(test_long_jobs_go_alone, setup),
        cmocka_unit_test_setup(test_one_long_job_is_remembered, setup),
        cmocka_unit_test_setup(test_does_not_hoard, setup),
        cmocka_unit_test_setup(test_two_at_least_of_short_jobs, setup),
        cmocka_unit_test_setup(test_obeys_prefetch, setup),
        cmocka_unit_test_setup(test_large_jobs_stay_within_memory, setup),
        cmocka_unit_test_setup(test_a_batch_that_ran_nothing_teaches_nothing, setup),
    };
    return cmocka_run_group_tests_name("batch_policy", tests, NULL, NULL);
}
