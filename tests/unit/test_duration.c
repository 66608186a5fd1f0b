// SPDX-License-Identifier: MIT
// Tests of durations and sizes: what is read, what is refused and with which words, and the way back.
#include "common/base/duration.h"
#include "tests/support/unit.h"

typedef struct Good {
    const char *text;
    int64_t amount;
} Good;

typedef struct Bad {
    const char *text;
    const char *why;
} Bad;

static const int64_t DAY_MS = INT64_C(86400000);

static void test_duration_reads(void **state)
{
    (void)state;
    const Good cases[] = {
        {"0", 0},
        {"0s", 0},
        {"0ms", 0},
        {"1ms", 1},
        {"500ms", 500},
        {"30s", 30000},
        {"007s", 7000},
        {"5m", 300000},
        {"1h30m", 5400000},
        {"1h90m", 9000000},
        {"2d", 2 * DAY_MS},
        {"1w", 7 * DAY_MS},
        {"1w2d3h4m5s6ms", 9 * DAY_MS + 11045006},
        {"36525d", 36525 * DAY_MS},
        {"3155760000000ms", 36525 * DAY_MS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        const char *why = "";
        assert_int_equal(duration_parse(cases[i].text, &ms, &why), STATUS_OK);
        assert_int_equal(ms, cases[i].amount);
    }
}

static void test_duration_refuses(void **state)
{
    (void)state;
    const Bad cases[] = {
        {"", "must start with a number"},
        {" ", "must start with a number"},
        {"s", "must start with a number"},
        {"+1s", "must start with a number"},
        {".5s", "must start with a number"},
        {"ten s", "must start with a number"},
        {" 5m", "must start with a number"},
        {"5m ", "must start with a number"},
        {"5m,3s", "must start with a number"},
        {"1h m", "must start with a number"},
        {"-1s", "must not be negative"},
        {"1h-5m", "must not be negative"},
        {"30", "needs a unit: ms, s, m, h, d or w"},
        {"00", "needs a unit: ms, s, m, h, d or w"},
        {"1h30", "needs a unit: ms, s, m, h, d or w"},
        {"1.5h", "must be a whole number; use a smaller unit"},
        {"1,5h", "must be a whole number; use a smaller unit"},
        {"5 m", "must not contain spaces"},
        {"5\tm", "must not contain spaces"},
        {"5S", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"5min", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"5y", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"5us", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"5\xc2\xb5s", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"0x10s", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"1e3s", "has an unknown unit; known are ms, s, m, h, d and w"},
        {"1m1h", "must name each unit once, largest first"},
        {"1s1s", "must name each unit once, largest first"},
        {"1ms1s", "must name each unit once, largest first"},
        {"99999999999h", "must not exceed 100 years"},
        {"36525d1ms", "must not exceed 100 years"},
        {"9223372036854775807w", "must not exceed 100 years"},
        {"9223372036854775807ms", "must not exceed 100 years"},
        {"9223372036854775808ms", "is too large"},
        {"99999999999999999999999999999999s", "is too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = 42;
        const char *why = "";
        assert_int_equal(duration_parse(cases[i].text, &ms, &why), STATUS_REFUSED);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(ms, 42);
    }
}

static void test_duration_formats_shortest(void **state)
{
    (void)state;
    const Good cases[] = {
        {"0s", 0},          {"0s", -5},           {"1ms", 1},
        {"999ms", 999},     {"1s", 1000},         {"1500ms", 1500},
        {"90s", 90000},     {"1m", 60000},        {"90m", 5400000},
        {"1h", 3600000},    {"1d", DAY_MS},       {"30d", 30 * DAY_MS},
        {"1w", 7 * DAY_MS}, {"90d", 90 * DAY_MS}, {"1w1ms", 7 * DAY_MS + 1},
        {"5s", 5000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        duration_format(cases[i].amount, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    char small[3];
    duration_format(5400000, small, sizeof small);
    assert_string_equal(small, "90");
}

static void test_duration_returns_what_it_wrote(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int64_t ms = (int64_t)(random % (uint64_t)(36525 * DAY_MS));
        if (i % 2 == 0) {
            ms -= ms % 1000;
        }
        char text[64];
        duration_format(ms, text, sizeof text);
        int64_t back = -1;
        const char *why = "";
        assert_int_equal(duration_parse(text, &back, &why), STATUS_OK);
        assert_int_equal(back, ms);
    }
}

static void test_size_reads(void **state)
{
    (void)state;
    const Good cases[] = {
        {"0", 0},
        {"0B", 0},
        {"1B", 1},
        {"4KiB", 4096},
        {"4kB", 4000},
        {"512MiB", INT64_C(512) << 20},
        {"1MB", 1000000},
        {"2GiB", INT64_C(2) << 30},
        {"3GB", INT64_C(3000000000)},
        {"9223372036854775807B", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = -1;
        const char *why = "";
        assert_int_equal(size_parse(cases[i].text, &bytes, &why), STATUS_OK);
        assert_int_equal(bytes, cases[i].amount);
    }
}

static void test_size_refuses(void **state)
{
    (void)state;
    const Bad cases[] = {
        {"", "must start with a number"},
        {"MiB", "must start with a number"},
        {"-1B", "must not be negative"},
        {"512", "needs a unit: B, KiB, MiB, GiB, kB, MB or GB"},
        {"1.5GiB", "must be a whole number; use a smaller unit"},
        {"5 MB", "must not contain spaces"},
        {"5M", "has an unknown unit; known are B, KiB, MiB, GiB, kB, MB and GB"},
        {"5KB", "has an unknown unit; known are B, KiB, MiB, GiB, kB, MB and GB"},
        {"5mib", "has an unknown unit; known are B, KiB, MiB, GiB, kB, MB and GB"},
        {"5TiB", "has an unknown unit; known are B, KiB, MiB, GiB, kB, MB and GB"},
        {"1GiB1MiB", "must be one number and one unit"},
        {"1B ", "must be one number and one unit"},
        {"9223372036854775807GiB", "is too large"},
        {"9223372036854775808B", "is too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = 0;
        const char *why = "";
        assert_int_equal(size_parse(cases[i].text, &bytes, &why), STATUS_REFUSED);
        assert_string_equal(why, cases[i].why);
    }
}

static void test_size_formats(void **state)
{
    (void)state;
    const Good cases[] = {
        {"0B", 0},
        {"1B", 1},
        {"1kB", 1000},
        {"1023B", 1023},
        {"1KiB", 1024},
        {"1MB", 1000000},
        {"512MiB", INT64_C(512) << 20},
        {"1GiB", INT64_C(1) << 30},
        {"9223372036854775807B", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        size_format(cases[i].amount, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration_reads),
        cmocka_unit_test(test_duration_refuses),
        cmocka_unit_test(test_duration_formats_shortest),
        cmocka_unit_test(test_duration_returns_what_it_wrote),
        cmocka_unit_test(test_size_reads),
        cmocka_unit_test(test_size_refuses),
        cmocka_unit_test(test_size_formats),
    };
    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
