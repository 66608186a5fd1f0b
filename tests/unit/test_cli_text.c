// SPDX-License-Identifier: MIT
// Tests of text: durations, ages, counts, widths, harmless text, causes of death.
#include "cli/text.h"

#include <stdlib.h>

#include "tests/support/unit.h"

typedef struct Case {
    int64_t value;
    const char *text;
} Case;

static void check(void (*format)(int64_t, char *, size_t), const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char out[TEXT_SHORT_BYTES];
        format(cases[i].value, out, sizeof out);
        assert_string_equal(out, cases[i].text);
    }
}

#define CHECK(format, ...)                                                                         \
    do {                                                                                           \
        static const Case cases_[] = {__VA_ARGS__};                                                \
        check(format, cases_, sizeof cases_ / sizeof cases_[0]);                                   \
    } while (0)

static void test_durations(void **state)
{
    (void)state;
    CHECK(text_duration, {0, "0ms"}, {999, "999ms"}, {1000, "1.0s"}, {1249, "1.2s"},
          {59999, "59.9s"}, {60000, "1m00s"}, {192000, "3m12s"}, {3599999, "59m59s"},
          {7500000, "2h05m"}, {86400000, "1d00h"}, {367200000, "4d06h"}, {-1500, "-1.5s"});
}

static void test_ages(void **state)
{
    (void)state;
    CHECK(text_age, {0, "0s ago"}, {999, "0s ago"}, {5999, "5s ago"}, {60000, "1m ago"},
          {7199999, "1h ago"}, {172800000, "2d ago"}, {-1, "in 1s"}, {-4001, "in 5s"},
          {-3600000, "in 1h"});
}

static void test_counts(void **state)
{
    (void)state;
    CHECK(text_count, {0, "0"}, {9999, "9999"}, {12345, "12.3k"}, {999999, "999.9k"},
          {4500000, "4.5M"});
}

static void test_widths(void **state)
{
    (void)state;
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("grün"), 4);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1);
    assert_int_equal(text_width("\xff\xfe"), 2);
}

static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *cut;
    } cases[] = {
        {"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"日本語", 5, "日本…"},
        {"日本語", 4, "日…"},    {"abc", 1, "…"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf out = {0};
        text_append_cut(&out, cases[i].text, cases[i].width);
        assert_string_equal(out.text, cases[i].cut);
        strbuf_free(&out);
    }
}

static void test_wrapped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *wrapped;
    } cases[] = {
        {"one two three", 20, "one two three"},
        {"one two three", 13, "one two three"},
        {"one two three", 12, "one two\n  three"},
        {"one two three", 7, "one two\n  three"},
        {"abcdefgh", 3, "abc\n  def\n  gh"},
        {"日本語", 4, "日本\n  語"},
        {"日本", 1, "日\n  本"},
        {"a\n\nb", 9, "a\n\n  b"},
        {"", 5, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf out = {0};
        strbuf_append(&out, "");
        text_append_wrapped(&out, cases[i].text, cases[i].width, 2);
        assert_string_equal(out.text, cases[i].wrapped);
        strbuf_free(&out);
    }
}

static void test_safe(void **state)
{
    (void)state;
    StrBuf out = {0};
    text_append_safe(&out, "a\033[31mb\nc\xff\xc2\x9b", false);
    assert_string_equal(out.text, "a\\x1b[31mb c?\\x9b");
    strbuf_clear(&out);
    text_append_safe(&out, "a\n\tb\r", true);
    assert_string_equal(out.text, "a\n\tb\\x0d");
    strbuf_clear(&out);
    // What turns the text around it, or hides: overrides and isolates, a line separator, a mark, a tag.
    static const char hiding[] = // NOLINTNEXTLINE(misc-misleading-bidirectional): that is tried
        "a\u202ab\u202ec\u2066d\u2069e\u2028f\u200fg\ufeffh\u061ci\u200bj\U000e0041k";
    text_append_safe(&out, hiding, false);
    assert_string_equal(
        out.text,
        "a\\u202ab\\u202ec\\u2066d\\u2069e\\u2028f\\u200fg\\ufeffh\\u061ci\\u200bj\\ue0041k");
    strbuf_clear(&out);
    static const char kept[] = "\u05e9\u05dc\u05d5\u05dd \u0645\u06cc\u200c\u062e "
                               "\U0001f468\u200d\U0001f469 e\u0301 \u2029";
    text_append_safe(&out, kept, false); // words keep their joiners
    assert_memory_equal(out.text, kept, strlen(kept) - 3);
    assert_string_equal(out.text + strlen(kept) - 3, "\\u2029");
    strbuf_free(&out);
}

static void test_causes(void **state)
{
    (void)state;
    static const struct {
        const char *outcome;
        int64_t signal;
        int64_t exit_code;
        const char *error;
        const char *words;
    } cases[] = {
        {"completed", -1, -1, NULL, "completed"},
        {"crashed", 11, -1, "its worker was killed by SIGSEGV", "killed by SIGSEGV (signal 11)"},
        {"crashed", -1, 3, NULL, "its process ended with exit code 3"},
        {"crashed", -1, -1, NULL, "its process died"},
        {"crashed", -1, -1, "", "its process died"},
        {"crashed", -1, -1, "its worker was ended by an operator: gave up\nat 3",
         "its worker was ended by an operator: gave up"},
        {"timeout", 9, -1, NULL, "ran past its time limit, stopped by SIGKILL (signal 9)"},
        {"error", -1, 2, NULL, "the handler reported an error, ended with exit code 2"},
        {"cancelled", -1, -1, NULL, "cancelled"},
        {"something_new", -1, -1, NULL, "something_new"},
        {NULL, -1, -1, NULL, "still running"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *words =
            text_cause(cases[i].outcome, cases[i].signal, cases[i].exit_code, cases[i].error);
        assert_string_equal(words, cases[i].words);
        free(words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_ages),
        cmocka_unit_test(test_counts),    cmocka_unit_test(test_widths),
        cmocka_unit_test(test_cut),       cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_safe),      cmocka_unit_test(test_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
