// SPDX-License-Identifier: MIT
// Tests of the backoff: doubling, cap, jitter, and numbers that would overflow.
#include "common/base/backoff.h"
#include "tests/support/unit.h"

static void test_doubles_up_to_the_cap(void **state)
{
    (void)state;
    const int64_t expected[] = {100, 200, 400, 800, 1000, 1000};
    for (int failures = 0; failures < 6; failures++) {
        assert_int_equal(backoff_delay_ms(100, 1000, failures, UINT32_MAX), expected[failures]);
        assert_int_equal(backoff_delay_ms(100, 1000, failures, 0), expected[failures] / 2);
    }
}

static void test_jitter_stays_within_half_and_whole(void **state)
{
    (void)state;
    int64_t lowest = INT64_MAX;
    int64_t highest = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t delay = backoff_delay_ms(1000, 60000, 3, backoff_random());
        assert_in_range(delay, 4000, 8000);
        lowest = delay < lowest ? delay : lowest;
        highest = delay > highest ? delay : highest;
    }
    assert_true(lowest < 5000);
    assert_true(highest > 7000);
}

static void test_extremes(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(0, 1000, 3, 7), 0);
    assert_int_equal(backoff_delay_ms(-1, 1000, 3, 7), 0);
    assert_int_equal(backoff_delay_ms(100, 0, 3, 7), 0);
    assert_int_equal(backoff_delay_ms(5000, 1000, 0, UINT32_MAX), 1000);
    assert_int_equal(backoff_delay_ms(1, 1000, -5, UINT32_MAX), 1);
    assert_int_equal(backoff_delay_ms(1, INT64_MAX, INT32_MAX, UINT32_MAX), INT64_MAX);
    assert_true(backoff_delay_ms(INT64_MAX, INT64_MAX, 1, 12345) >= INT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_cap),
        cmocka_unit_test(test_jitter_stays_within_half_and_whole),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
