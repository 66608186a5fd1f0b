// SPDX-License-Identifier: MIT
// Tests of the JSON validator and of the flat-object reader.
#include "common/base/json_check.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json_line.h"
#include "common/base/memory.h"
#include "tests/support/unit.h"

#define ACCEPT(text) assert_true(json_check(text, sizeof(text) - 1, NULL, NULL))

static void refuse(const char *text, size_t length, const char *why)
{
    const char *reason = NULL;
    if (json_check(text, length, &reason, NULL)) {
        fail_msg("accepted: %s", text);
    }
    assert_string_equal(reason, why);
}
#define REFUSE(text, why) refuse(text, sizeof(text) - 1, why)

static void test_values(void **state)
{
    (void)state;
    ACCEPT("null");
    ACCEPT(" true ");
    ACCEPT("false\n");
    ACCEPT("0");
    ACCEPT("-0.5e+10");
    ACCEPT("123456789012345678901234567890");
    ACCEPT("\"\"");
    ACCEPT("[]");
    ACCEPT("{}");
    ACCEPT("[ [ ] , { } , [ 1 , \"a\" ] ]");
    ACCEPT("{\"a\": {\"b\": [1, {\"c\": null}]}, \"d\": \"e\"}");
    ACCEPT("\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e4 \\ud83d\\ude00 \xc3\xa4\"");
}

static void test_refusals(void **state)
{
    (void)state;
    REFUSE("", "a value is missing");
    REFUSE("   ", "a value is missing");
    REFUSE("nul", "not a JSON value");
    REFUSE("True", "not a JSON value");
    REFUSE("[1,]", "not a JSON value");
    REFUSE("[1 2]", "a comma or a closing bracket is missing");
    REFUSE("[1}", "a comma or a closing bracket is missing");
    REFUSE("[", "a value is missing");
    REFUSE("{", "a member name in quotes is missing");
    REFUSE("{a: 1}", "a member name in quotes is missing");
    REFUSE("{\"a\" 1}", "a colon is missing");
    REFUSE("{\"a\": 1,}", "a member name in quotes is missing");
    REFUSE("{} {}", "more text after the value");
    REFUSE("\"abc", "a string without end");
    REFUSE("\"a\nb\"", "a control character inside a string");
    REFUSE("\"\\x\"", "an unknown escape");
    REFUSE("\"\\", "an unknown escape");
    REFUSE("\"\\u12\"", "\\u needs four hex digits");
    REFUSE("\"\xff\"", "not UTF-8");
    REFUSE("\"\xc3\"", "not UTF-8");
    REFUSE("01", "a number with a leading zero");
    REFUSE("-", "not a JSON value");
    REFUSE("1.", "a decimal point without digits");
    REFUSE("1e", "an exponent without digits");
    REFUSE("NaN", "not a JSON value");
    REFUSE("1 // x", "more text after the value");
    REFUSE("null\0", "more text after the value");
}

// Valid JSON that jsonb does not take.
static void test_what_jsonb_refuses(void **state)
{
    (void)state;
    REFUSE("\"\\u0000\"", "\\u0000 cannot be stored");
    REFUSE("\"\0\"", "a control character inside a string");
    REFUSE("\"\\ud83d\"", "half a surrogate pair");
    REFUSE("\"\\ud83d\\u0041\"", "half a surrogate pair");
    REFUSE("\"\\ude00\"", "half a surrogate pair");
    REFUSE("1e10000", "a number out of range");
    REFUSE("1e-99999999999999999999", "a number out of range");
    ACCEPT("1e9999");
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', sizeof text);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(json_check(text, sizeof text - 2, NULL, NULL));
    memset(text, '[', sizeof text);
    refuse(text, sizeof text, "nested too deeply");
}

// Every prefix and every one-byte change of a line is either refused or read without harm.
static void test_mutations(void **state)
{
    (void)state;
    static const char line[] =
        "{\"progress\": 30, \"m\\u00e4\": \"a\\n\\ud83d\\ude00\", \"output\": {\"x\": [1, \"}\"]}}";
    const size_t length = sizeof line - 1;
    for (size_t at = 0; at < length; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char *copy = mem_strndup(line, length); // exact size, for the sanitizer's sake
            copy[at] = (char)byte;
            JsonLine object;
            const char *why = NULL;
            if (json_line_parse(&object, copy, length, &why)) {
                for (size_t i = 0; i < object.count; i++) {
                    int64_t number = 0;
                    (void)json_field_int(&object.fields[i], &number);
                    free(json_field_text(&object.fields[i]));
                }
            }
            free(copy);
        }
        JsonLine object;
        const char *why = NULL;
        assert_false(json_line_parse(&object, line, at, &why));
    }
}

static void test_fields(void **state)
{
    (void)state;
    static const char text[] = " { \"n\" : -12 , \"s\" : \"a\\\"b\\u20ac\\ud83d\\ude00\\t\" , "
                               "\"o\":{\"x\":[1,\"},{\"]} , \"z\":null,\"f\":1.5 } ";
    JsonLine line;
    const char *why = NULL;
    assert_true(json_line_parse(&line, text, sizeof text - 1, &why));
    assert_int_equal(line.count, 5);
    int64_t number = 0;
    assert_string_equal(line.fields[0].name, "n");
    assert_true(json_field_int(&line.fields[0], &number));
    assert_int_equal(number, -12);
    assert_null(json_field_text(&line.fields[0]));
    char *decoded = json_field_text(&line.fields[1]);
    assert_string_equal(decoded, "a\"b\xe2\x82\xac\xf0\x9f\x98\x80\t");
    free(decoded);
    assert_int_equal(line.fields[2].length, strlen("{\"x\":[1,\"},{\"]}"));
    assert_memory_equal(line.fields[2].value, "{\"x\":[1,\"},{\"]}", line.fields[2].length);
    assert_int_equal(line.fields[3].length, strlen("null"));
    assert_false(json_field_int(&line.fields[4], &number));
    assert_false(json_line_parse(&line, "[1]", 3, &why));
    assert_string_equal(why, "not an object");
    assert_true(json_line_parse(&line, "{}", 2, &why));
    assert_int_equal(line.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_jsonb_refuses),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
