// SPDX-License-Identifier: MIT
// Counters: rows by job type, buckets, words.
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scoreboard.h"

static void test_bounds_belong_to_their_bucket(void **state)
{
    (void)state;
    Histogram histogram = {0};
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 1);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 2);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 5);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 8);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 1024);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 1025);
    histogram_add(&histogram, COUNTER_BATCH_BOUNDS, 0);
    assert_int_equal(counter_read(&histogram.buckets[0]), 2); // 0 and 1
    assert_int_equal(counter_read(&histogram.buckets[1]), 1);
    assert_int_equal(counter_read(&histogram.buckets[4]), 2); // 5 and 8
    assert_int_equal(counter_read(&histogram.buckets[COUNTER_BOUNDS - 1]), 1);
    assert_int_equal(counter_read(&histogram.buckets[COUNTER_BOUNDS]), 1);
    assert_int_equal(counter_read(&histogram.sum), 1 + 2 + 5 + 8 + 1024 + 1025);
}

static void test_bounds_ascend(void **state)
{
    (void)state;
    const uint64_t *const tables[] = {COUNTER_JOB_BOUNDS_US, COUNTER_CLAIM_BOUNDS_US,
                                      COUNTER_BATCH_BOUNDS};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (int j = 1; j < COUNTER_BOUNDS; j++) {
            assert_true(tables[i][j] > tables[i][j - 1]);
        }
    }
    assert_int_equal(COUNTER_BATCH_BOUNDS[COUNTER_BOUNDS - 1], SCOREBOARD_BATCH_MAX);
}

static void test_a_name_has_one_row(void **state)
{
    (void)state;
    static CounterNames names;
    memset(&names, 0, sizeof names);
    assert_int_equal(counter_names_find(&names, "a", COUNTER_NAME_BYTES), COUNTER_HANDLERS);
    counter_names_add(&names, "a");
    counter_names_add(&names, "b");
    counter_names_add(&names, "a");
    counter_names_add(&names, COUNTER_OTHER);
    assert_int_equal(counter_names_count(&names), 2);
    assert_int_equal(counter_names_find(&names, "a", COUNTER_NAME_BYTES), 0);
    assert_int_equal(counter_names_find(&names, "b", COUNTER_NAME_BYTES), 1);
    assert_int_equal(counter_names_find(&names, "bc", COUNTER_NAME_BYTES), COUNTER_HANDLERS);
}

static void test_more_names_than_rows_share_the_last(void **state)
{
    (void)state;
    static CounterNames names;
    memset(&names, 0, sizeof names);
    char name[32];
    for (int i = 0; i < COUNTER_HANDLERS + 10; i++) {
        (void)snprintf(name, sizeof name, "type_%d", i);
        counter_names_add(&names, name);
    }
    assert_int_equal(counter_names_count(&names), COUNTER_HANDLERS);
    assert_int_equal(counter_names_find(&names, "type_63", COUNTER_NAME_BYTES), 63);
    assert_int_equal(counter_names_find(&names, "type_64", COUNTER_NAME_BYTES), COUNTER_HANDLERS);
}

// The slot keeps 63 bytes of a job type.
static void test_a_cut_name_is_found(void **state)
{
    (void)state;
    static CounterNames names;
    memset(&names, 0, sizeof names);
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    counter_names_add(&names, "other");
    counter_names_add(&names, name);
    char cut[SCOREBOARD_NAME_BYTES];
    assert_false(str_copy(cut, sizeof cut, name));
    assert_int_equal(counter_names_find(&names, cut, sizeof cut - 1), 1);
    assert_int_equal(counter_names_find(&names, cut, COUNTER_NAME_BYTES), COUNTER_HANDLERS);
}

// Whoever reads the scoreboard does not trust it.
static void test_a_wild_count_is_bounded(void **state)
{
    (void)state;
    static CounterNames names;
    atomic_store(&names.count, 1 << 20);
    assert_int_equal(counter_names_count(&names), COUNTER_HANDLERS);
    atomic_store(&names.count, -1);
    assert_int_equal(counter_names_count(&names), 0);
}

static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < RUN_OUTCOMES; i++) {
        assert_int_equal(run_outcome_of(run_outcome_name((RunOutcome)i)), i);
    }
    assert_int_equal(run_outcome_of("program_crashed"), RUN_CRASHED);
    assert_int_equal(run_outcome_of("nonsense"), RUN_ERROR);
    assert_string_equal(stop_cause_name(STOP_TIMEOUT), "timeout");
    assert_null(stop_cause_name(COUNTER_CAUSES));
    assert_null(stop_cause_name(-1));
    assert_string_equal(process_role_name(ROLE_POSTGRES), "postgres");
    for (int i = 0; i < ROLE_COUNT; i++) {
        assert_non_null(process_role_name((Role)i));
    }
    assert_string_equal(reaper_duty_name(DUTY_HORIZON), "horizon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_belong_to_their_bucket),
        cmocka_unit_test(test_bounds_ascend),
        cmocka_unit_test(test_a_name_has_one_row),
        cmocka_unit_test(test_more_names_than_rows_share_the_last),
        cmocka_unit_test(test_a_cut_name_is_found),
        cmocka_unit_test(test_a_wild_count_is_bounded),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
