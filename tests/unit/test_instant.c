// SPDX-License-Identifier: MIT
// Tests of instants: what is read, what is refused, and that what is written is read back.
#include "common/base/instant.h"

#include "tests/support/unit.h"

static void expect_ms(const char *text, int64_t expected)
{
    int64_t ms = -1;
    const char *why = NULL;
    assert_int_equal(instant_parse(text, &ms, &why), STATUS_OK);
    assert_int_equal(ms, expected);
}

static void expect_refused(const char *text, const char *expected)
{
    int64_t ms = 0;
    const char *why = NULL;
    assert_int_equal(instant_parse(text, &ms, &why), STATUS_REFUSED);
    assert_string_equal(why, expected);
}

static void test_forms(void **state)
{
    (void)state;
    expect_ms("1970-01-01T00:00:00Z", 0);
    expect_ms("2026-01-31T12:00:00Z", 1769860800000);
    expect_ms("2026-01-31 12:00Z", 1769860800000);
    expect_ms("2026-01-31T13:30:00+01:30", 1769860800000);
    expect_ms("2026-01-31T13:30:00+0130", 1769860800000);
    expect_ms("2026-01-31T04:00:00-08", 1769860800000);
    expect_ms("2026-01-31T12:00:00.5Z", 1769860800500);
    expect_ms("2026-01-31T12:00:00.0129999Z", 1769860800012);
    expect_ms("2024-02-29T00:00:00Z", 1709164800000);
    expect_ms("1969-12-31T23:59:59.999Z", -1);
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const no_time[] = {"",
                                          "tomorrow",
                                          "5m",
                                          "2026-01-31",
                                          "2026-1-31T12:00:00Z",
                                          "2026-02-29T12:00:00Z",
                                          "2026-13-01T12:00:00Z",
                                          "2026-01-31T24:00:00Z",
                                          "2026-01-31T12:60:00Z",
                                          "2026-01-31T12:00:Z",
                                          "2026-01-31T12:00:00.Z",
                                          "0000-01-31T12:00:00Z"};
    for (size_t i = 0; i < sizeof no_time / sizeof no_time[0]; i++) {
        expect_refused(no_time[i], "no date and time");
    }
    static const char *const no_zone[] = {
        "2026-01-31T12:00:00",     "2026-01-31T12:00:00 UTC", "2026-01-31T12:00:00+1",
        "2026-01-31T12:00:00+01:", "2026-01-31T12:00:00Zz",   "2026-01-31T12:00:00+01:300"};
    for (size_t i = 0; i < sizeof no_zone / sizeof no_zone[0]; i++) {
        expect_refused(no_zone[i], "it must end in a zone, Z or +01:00");
    }
}

static void expect_text(int64_t ms, const char *expected)
{
    char text[INSTANT_TEXT_BYTES];
    instant_format(ms, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    expect_text(1769860800123, "2026-01-31T12:00:00.123Z");
    expect_text(-1, "1969-12-31T23:59:59.999Z");
    expect_text(INT64_MAX, "9999-12-31T23:59:59.999Z");
    expect_text(INT64_MIN, "0001-01-01T00:00:00.000Z");
    expect_ms("9999-12-31T23:59:59.999Z", 253402300799999);
    expect_ms("0001-01-01T00:00:00.000Z", -62135596800000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
