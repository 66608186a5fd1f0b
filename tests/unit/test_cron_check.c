// SPDX-License-Identifier: MIT
// Tests of what is said of a cron expression without the database: never against one that PostgreSQL takes.
#include "common/base/cron_check.h"
#include "tests/support/unit.h"

static void test_cron_check_good(void **state)
{
    (void)state;
    static const char *const good[] = {
        "* * * * *",
        "0 0 1 1 0",
        "59 23 31 12 7",
        "59 59 23 31 12 7",
        "*/5 0-23/2 1,15,31 JAN-Mar,12 mon-FRI",
        "*/100 * * * *", // a step is not a value
        "? ? L * ?",
        "5/10 * * * *",
        "0 0 * * fri-sun",
        "  0\t3   *  * * ",
        "@daily",
        "@HOURLY",
        "@every 30s",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        StrBuf why = {0};
        bool is_good = cron_check(good[i], &why);
        if (!is_good) {
            print_error("%s: %s\n", good[i], why.text);
        }
        assert_true(is_good);
        assert_null(why.text);
    }
}

static void test_cron_check_bad(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "got 0"},
        {"   ", "got 0"},
        {"* * * *", "got 4"},
        {"* * * * * * *", "got 7"},
        {"60 * * * *", "minute: '60' is outside 0..59"},
        {"* 24 * * *", "hour: '24' is outside 0..23"},
        {"* * 0 * *", "day: '0' is outside 1..31"},
        {"* * * 13 *", "month: '13' is outside 1..12"},
        {"* * * * 8", "weekday: '8' is outside 0..7"},
        {"60 * * * * *", "second: '60' is outside 0..59"},
        {"* 1-24 * * *", "hour: '1-24' is outside 0..23"},
        {"* 1,2,99/3 * * *", "hour: '1,2,99/3' is outside 0..23"},
        {"* * * * mon;tue", "weekday: 'mon;tue' has a character that does not belong there"},
        {"1.5 * * * *", "minute: '1.5' has a character that does not belong there"},
        {"@dayly", "there is no '@dayly'; did you mean '@daily'?"},
        {"@x", "there is no '@x'"},
        {"123456789012 * * * *", "minute: '123456789012' is outside 0..59"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        StrBuf why = {0};
        bool is_good = cron_check(bad[i][0], &why);
        if (is_good || strstr(why.text, bad[i][1]) == NULL) {
            print_error("%s: %s\n", bad[i][0], is_good ? "taken" : why.text);
        }
        assert_false(is_good);
        assert_non_null(strstr(why.text, bad[i][1]));
        strbuf_free(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cron_check_good),
        cmocka_unit_test(test_cron_check_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
