// SPDX-License-Identifier: MIT
// Notify pace: what comes now and then is read at once, a flood by many.
#include "tests/support/unit.h"

#include "reaper/notify_pace.h"

static const int64_t START = 70000;

// Lets `count` notifications come every `every_ms` for `for_ms`; they are read as the pace has it. How many readings that were. The
// longest time one was not read: `late_ms`.
static int read_all(NotifyPace *pace, int64_t start, int count, int every_ms, int64_t for_ms,
                    int64_t *late_ms)
{
    int readings = 0;
    int waiting = 0;
    int64_t oldest = start;
    int64_t deaf_until = 0;
    *late_ms = 0;
    for (int64_t now = start; now < start + for_ms; now++) {
        const int come = (now - start) % every_ms == 0 ? count : 0;
        for (int i = 0; i < come; i++) {
            oldest = waiting == 0 ? now : oldest;
            waiting++;
            if (deaf_until == 0) { // as they come
                deaf_until = notify_pace_read(pace, waiting, now);
                waiting = 0;
                readings++;
            }
        }
        if (deaf_until != 0 && now >= deaf_until) {
            *late_ms = waiting > 0 && now - oldest > *late_ms ? now - oldest : *late_ms;
            deaf_until = notify_pace_read(pace, waiting, now);
            waiting = 0;
            readings++;
        }
    }
    return readings;
}

static void test_what_comes_now_and_then_is_read_at_once(void **state)
{
    (void)state;
    NotifyPace pace = {0};
    int64_t late_ms = 0;
    assert_int_equal(read_all(&pace, START, 1, 2, 10000, &late_ms), 5000);
    assert_int_equal(late_ms, 0);
}

static void test_a_flood_is_read_by_many(void **state)
{
    (void)state;
    for (int count = 2; count <= 200; count *= 10) {
        NotifyPace pace = {0};
        int64_t late_ms = 0;
        const int readings = read_all(&pace, START, count, 1, 10000, &late_ms);
        assert_in_range(readings, 10000 / NOTIFY_PAUSE_MS, 10000 / NOTIFY_PAUSE_MS + NOTIFY_FLOOD);
        assert_in_range(late_ms, 1, NOTIFY_PAUSE_MS);
    }
}

static void test_after_a_flood_they_are_read_at_once(void **state)
{
    (void)state;
    NotifyPace pace = {0};
    int64_t late_ms = 0;
    (void)read_all(&pace, START, 100, 1, 10000, &late_ms);
    int64_t now = START + 10000;
    (void)read_all(&pace, now, 1, 1000, 300, &late_ms); // one, then silence
    now += 300;
    assert_int_equal(read_all(&pace, now, 1, 50, 1000, &late_ms), 20);
    assert_int_equal(late_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_now_and_then_is_read_at_once),
        cmocka_unit_test(test_a_flood_is_read_by_many),
        cmocka_unit_test(test_after_a_flood_they_are_read_at_once),
    };
    return cmocka_run_group_tests_name("notify_pace", tests, NULL, NULL);
}
