// SPDX-License-Identifier: MIT
// How far a clock is off, and for how long somebody holds the horizon: what of it is news.
#include "tests/support/unit.h"

#include "reaper/clock_watch.h"
#include "reaper/horizon_watch.h"

static const int64_t SECOND_US = 1000000;
static const int64_t SERVER_US = 1700000000LL * 1000000;

static void test_offset_counts_from_half_way(void **state)
{
    (void)state;
    ClockWatch watch = {0};
    assert_int_equal(clock_watch_note(&watch, SERVER_US - 5000, 10000, SERVER_US), CLOCK_NEWS_NONE);
    assert_true(watch.is_known);
    assert_int_equal(watch.offset_us, 0);
    assert_int_equal(clock_watch_note(&watch, SERVER_US + SECOND_US, 0, SERVER_US),
                     CLOCK_NEWS_NONE);
    assert_int_equal(watch.offset_us, SECOND_US);
}

static void test_slow_answers_tell_nothing(void **state)
{
    (void)state;
    ClockWatch watch = {0};
    assert_int_equal(clock_watch_note(&watch, SERVER_US - 9 * SECOND_US, 2 * SECOND_US, SERVER_US),
                     CLOCK_NEWS_NONE);
    assert_int_equal(clock_watch_note(&watch, SERVER_US - 9 * SECOND_US, 0, 0), CLOCK_NEWS_NONE);
    assert_false(watch.is_known);
    // What the way took may all have been on one side.
    assert_int_equal(
        clock_watch_note(&watch, SERVER_US - 26 * SECOND_US / 10, 8 * SECOND_US / 10, SERVER_US),
        CLOCK_NEWS_NONE);
    assert_true(watch.is_known);
}

static void test_it_is_told_once_each_way(void **state)
{
    (void)state;
    ClockWatch watch = {0};
    assert_int_equal(clock_watch_note(&watch, SERVER_US + 3 * SECOND_US, 0, SERVER_US),
                     CLOCK_NEWS_OFF);
    assert_int_equal(clock_watch_note(&watch, SERVER_US + 3 * SECOND_US, 0, SERVER_US),
                     CLOCK_NEWS_NONE);
    assert_int_equal(clock_watch_note(&watch, SERVER_US + 3 * SECOND_US / 2, 0, SERVER_US),
                     CLOCK_NEWS_NONE); // near the limit
    assert_int_equal(clock_watch_note(&watch, SERVER_US + 3 * SECOND_US, 0, SERVER_US),
                     CLOCK_NEWS_NONE);
    assert_int_equal(clock_watch_note(&watch, SERVER_US, 0, SERVER_US), CLOCK_NEWS_RIGHT);
    assert_int_equal(clock_watch_note(&watch, SERVER_US - 3600LL * SECOND_US, 0, SERVER_US),
                     CLOCK_NEWS_OFF);
    assert_int_equal(watch.offset_us, -3600LL * SECOND_US);
}

static void test_a_holder_counts_from_when_it_was_seen(void **state)
{
    (void)state;
    HorizonWatch watch = {0};
    assert_int_equal(horizon_held_ms(&watch, "700 slot", -1, 1000), 0);
    assert_int_equal(horizon_held_ms(&watch, "700 slot", -1, 61000), 60000);
    assert_int_equal(horizon_held_ms(&watch, "800 slot", -1, 121000), 0); // it goes on
    assert_int_equal(horizon_held_ms(&watch, "800 slot", -1, 122000), 1000);
    assert_int_equal(horizon_held_ms(&watch, "900 session", 5000, 123000),
                     5000); // the server knows
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offset_counts_from_half_way),
        cmocka_unit_test(test_slow_answers_tell_nothing),
        cmocka_unit_test(test_it_is_told_once_each_way),
        cmocka_unit_test(test_a_holder_counts_from_when_it_was_seen),
    };
    return cmocka_run_group_tests_name("reaper_clock_watch", tests, NULL, NULL);
}
