// SPDX-License-Identifier: MIT
// Tests of timeline: which server is an old primary, and what a node remembers.
#include "common/base/timeline.h"

#include "tests/support/unit.h"

enum { A = 71, B = 72, UNKNOWN = 0 };

static Timeline line(uint64_t system_id, uint32_t number)
{
    return (Timeline){.system_id = system_id, .number = number};
}

static void assert_line(Timeline got, uint64_t system_id, uint32_t number)
{
    assert_int_equal(got.system_id, system_id);
    assert_int_equal(got.number, number);
}

static void test_only_a_lower_number_of_the_same_cluster_is_old(void **state)
{
    (void)state;
    assert_true(timeline_is_old(line(A, 2), line(A, 1)));
    assert_false(timeline_is_old(line(A, 2), line(A, 2)));
    assert_false(timeline_is_old(line(A, 2), line(A, 3)));
    assert_false(timeline_is_old(line(A, 2), line(B, 1)));
    // Where the cluster's number may not be read, the timeline alone has to do.
    assert_true(timeline_is_old(line(A, 2), line(UNKNOWN, 1)));
    assert_true(timeline_is_old(line(UNKNOWN, 2), line(A, 1)));
    assert_false(timeline_is_old(line(A, 2), line(A, UNKNOWN)));
    assert_false(timeline_is_old(line(UNKNOWN, UNKNOWN), line(A, 1)));
}

static void test_what_others_saw_raises_and_never_lowers(void **state)
{
    (void)state;
    assert_line(timeline_raise(line(A, 2), line(A, 3)), A, 3);
    assert_line(timeline_raise(line(A, 2), line(A, 1)), A, 2);
    assert_line(timeline_raise(line(A, 2), line(B, 9)), A, 2);
    assert_line(timeline_raise(line(A, 2), line(UNKNOWN, 3)), A, 3);
    assert_line(timeline_raise(line(UNKNOWN, UNKNOWN), line(A, 1)), A, 1);
    assert_line(timeline_raise(line(A, 2), line(UNKNOWN, UNKNOWN)), A, 2);
}

static void test_another_cluster_counts_once_connected_to(void **state)
{
    (void)state;
    assert_line(timeline_follow(line(A, 5), line(B, 1)), B, 1);
    assert_line(timeline_follow(line(A, 5), line(A, 6)), A, 6);
    assert_line(timeline_follow(line(A, 5), line(A, UNKNOWN)), A, 5);
    assert_line(timeline_follow(line(UNKNOWN, 5), line(A, 5)), A, 5);
    assert_line(timeline_follow(line(UNKNOWN, 5), line(A, 6)), A, 6);
}

static void test_shared(void **state)
{
    (void)state;
    SharedTimeline shared = {0};
    assert_line(timeline_load(&shared), UNKNOWN, UNKNOWN);
    timeline_store(&shared, line(A, 4));
    assert_line(timeline_load(&shared), A, 4);
    timeline_store(&shared, line(B, 1));
    assert_line(timeline_load(&shared), B, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_lower_number_of_the_same_cluster_is_old),
        cmocka_unit_test(test_what_others_saw_raises_and_never_lowers),
        cmocka_unit_test(test_another_cluster_counts_once_connected_to),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
