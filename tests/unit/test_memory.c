// SPDX-License-Identifier: MIT
// Tests of memory: copies, growing strings, JSON escapes, UTF-8 cleaning, and running out.
#include "common/base/memory.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "common/base/utf8.h"
#include "tests/support/unit.h"

static void test_copies(void **state)
{
    (void)state;
    char *bytes = mem_alloc(16);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(bytes);
    free(mem_alloc(0));
    char *copy = mem_strndup("hello", 3);
    assert_string_equal(copy, "hel");
    free(copy);
    copy = mem_strndup("hi", 100);
    assert_string_equal(copy, "hi");
    free(copy);
    copy = mem_printf("%s-%d", "x", 7);
    assert_string_equal(copy, "x-7");
    free(copy);
}

static void test_str_copy_says_when_cut(void **state)
{
    (void)state;
    char text[4] = "zzz";
    assert_true(str_copy(text, sizeof text, "abc"));
    assert_string_equal(text, "abc");
    assert_false(str_copy(text, sizeof text, "abcd"));
    assert_string_equal(text, "abc");
    assert_false(str_copy(text, 0, ""));
    assert_true(str_copy(text, 1, ""));
    assert_string_equal(text, "");
}

static void test_strbuf_grows(void **state)
{
    (void)state;
    StrBuf buf = {0};
    for (int i = 0; i < 10000; i++) {
        strbuf_append_char(&buf, (char)('a' + i % 26));
    }
    strbuf_append(&buf, "");
    strbuf_append_bytes(&buf, "x\0y", 3);
    strbuf_printf(&buf, "%0*d", 5000, 1);
    assert_int_equal(buf.length, 15003);
    assert_int_equal(buf.text[15002], '1');
    assert_int_equal(buf.text[15003], '\0');
    assert_int_equal(buf.text[25], 'z');
    strbuf_clear(&buf);
    assert_string_equal(buf.text, "");
    strbuf_append(&buf, "again");
    char *taken = strbuf_take(&buf);
    assert_string_equal(taken, "again");
    free(taken);
    assert_null(buf.text);
    taken = strbuf_take(&buf);
    assert_string_equal(taken, "");
    free(taken);
    strbuf_free(&buf);
    strbuf_clear(&buf);
}

static void test_json_escapes(void **state)
{
    (void)state;
    StrBuf buf = {0};
    strbuf_append_json(&buf, "a\"b\\c\n\r\t\b\f\x01\x1f/\x7f\xc3\xa4");
    assert_string_equal(buf.text, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f/\x7f\xc3\xa4\"");
    strbuf_free(&buf);
}

typedef struct Utf8Case {
    const char *bytes;
    size_t length;
    size_t expected;
} Utf8Case;

static void test_utf8_sequences(void **state)
{
    (void)state;
    const Utf8Case cases[] = {
        {"", 0, 0},
        {"a", 1, 1},
        {"\0", 1, 1},
        {"\xc3\xa4", 2, 2},
        {"\xe2\x82\xac", 3, 3},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xc3", 1, 0},             // cut
        {"\xe2\x82", 2, 0},         // cut
        {"\x80", 1, 0},             // continuation alone
        {"\xc0\xaf", 2, 0},         // overlong
        {"\xe0\x80\xaf", 3, 0},     // overlong
        {"\xf0\x80\x80\xaf", 4, 0}, // overlong
        {"\xed\xa0\x80", 3, 0},     // surrogate
        {"\xf4\x90\x80\x80", 4, 0}, // above U+10FFFF
        {"\xff\xff", 2, 0},
        {"\xc3(", 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(utf8_sequence_length(cases[i].bytes, cases[i].length), cases[i].expected);
    }
    assert_true(utf8_is_valid("a\0\xc3\xa4", 4));
    assert_true(utf8_is_valid(NULL, 0));
    assert_false(utf8_is_valid("a\xc3\xa4\xc3", 4));
    assert_false(utf8_is_valid("a\xff", 2));
    char text[] = "a\0\xc3\xa4\xff\xe2\x82z\xc3";
    utf8_clean(text, sizeof text - 1);
    assert_string_equal(text, "a?\xc3\xa4???z?");
}

static void test_exhaustion_ends_the_process(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        StrBuf buf = {0};
        strbuf_append_char(&buf, 'x');
        // Refused by our own bound, before any allocator (or sanitizer) sees it.
        buf.length = SIZE_MAX / 2 - 10;
        strbuf_append_bytes(&buf, "0123456789", 10);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_CODE_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),         cmocka_unit_test(test_str_copy_says_when_cut),
        cmocka_unit_test(test_strbuf_grows),   cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_utf8_sequences), cmocka_unit_test(test_exhaustion_ends_the_process),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
