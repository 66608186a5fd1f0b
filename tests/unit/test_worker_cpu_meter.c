// SPDX-License-Identifier: MIT
// CpuMeter: a reading serves the short runs after it, and a long run is measured.
#include <time.h>

#include "common/base/clock.h"
#include "tests/support/unit.h"
#include "worker/cpu_meter.h"

// Long after whatever was read before.
static int64_t later(void)
{
    static int64_t now_us = 1000000;
    now_us += INT64_C(10) * CPU_METER_FRESH_US;
    return now_us;
}

static void burn(int64_t us)
{
    const int64_t until = clock_cpu_us() + us;
    while (clock_cpu_us() < until) {
    }
}

static void test_short_runs_share_a_reading(void **state)
{
    (void)state;
    const int64_t now_us = later();
    const int64_t first = cpu_meter_at(now_us);
    assert_int_equal(cpu_meter_last_us(), first);
    burn(2000); // which the meter is not told of
    assert_int_equal(cpu_meter_since(first, now_us + 10), 10);
    assert_int_equal(cpu_meter_at(now_us + CPU_METER_FRESH_US - 1), first + CPU_METER_FRESH_US - 1);
    assert_int_equal(cpu_meter_last_us(), first);
    assert_true(cpu_meter_at(now_us + CPU_METER_FRESH_US) >= first + 2000);
}

static void test_long_runs_are_measured(void **state)
{
    (void)state;
    const int64_t before = cpu_meter_at(later());
    burn(20000);
    const int64_t used = cpu_meter_since(before, later());
    assert_in_range(used, 20000, 5000000);
    const int64_t begun = cpu_meter_at(later());
    const struct timespec pause = {.tv_nsec = 50000000};
    (void)nanosleep(&pause, NULL);
    assert_in_range(cpu_meter_since(begun, later()), 0, 40000); // waiting is no processor time
}

// Time passed counts as processor time until the next reading, which may say less.
static void test_never_negative(void **state)
{
    (void)state;
    const int64_t now_us = later();
    const int64_t first = cpu_meter_at(now_us);
    const int64_t assumed = cpu_meter_at(now_us + CPU_METER_FRESH_US - 1);
    assert_int_equal(assumed, first + CPU_METER_FRESH_US - 1);
    assert_in_range(cpu_meter_since(assumed + 10000000, later()), 0, 0);
    // A clock that went back is no reason to trust an old reading.
    assert_true(cpu_meter_at(now_us - 1) >= first);
    assert_int_equal(cpu_meter_last_us(), cpu_meter_at(now_us - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_runs_share_a_reading),
        cmocka_unit_test(test_long_runs_are_measured),
        cmocka_unit_test(test_never_negative),
    };
    return cmocka_run_group_tests_name("cpu_meter", tests, NULL, NULL);
}
