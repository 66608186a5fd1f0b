// SPDX-License-Identifier: MIT
// Tests of what a program may say on fd 3, and of how a stream is cut into lines.
#include "worker/exec_protocol.h"

#include <stdlib.h>

#include "tests/support/unit.h"

static ExecMessage parse(const char *line)
{
    ExecMessage message;
    exec_message_parse(&message, line, strlen(line));
    return message;
}

static void expect_problem(const char *line, const char *problem)
{
    ExecMessage message = parse(line);
    assert_non_null(message.problem);
    assert_string_equal(message.problem, problem);
    exec_message_deinit(&message);
}

static void test_all_members(void **state)
{
    (void)state;
    ExecMessage message = parse("{\"progress\": 100, \"message\": \"m\", \"stage\": \"s\", "
                                "\"output\": [1, 2], \"log\": \"l\", \"prolong\": \"30s\", "
                                "\"snooze\": \"1h30m\"}");
    assert_null(message.problem);
    assert_null(message.unsupported);
    assert_int_equal(message.percent, 100);
    assert_string_equal(message.message, "m");
    assert_string_equal(message.stage, "s");
    assert_string_equal(message.output, "[1, 2]");
    assert_string_equal(message.log, "l");
    assert_int_equal(message.prolong_ms, 30000);
    assert_int_equal(message.snooze_ms, 5400000);
    exec_message_deinit(&message);
}

static void test_nothing_asked(void **state)
{
    (void)state;
    ExecMessage message = parse("{}");
    assert_int_equal(message.percent, -1);
    assert_int_equal(message.prolong_ms, -1);
    assert_int_equal(message.snooze_ms, -1);
    assert_null(message.problem);
    exec_message_deinit(&message);
}

static void test_problems(void **state)
{
    (void)state;
    expect_problem("30", "a line that is not a JSON object (not an object)");
    expect_problem("{\"progress\": 30", "a line that is not a JSON object (a comma or a closing "
                                        "bracket is missing)");
    expect_problem("{\"progress\": 101}", "'progress' must be a whole number from 0 to 100");
    expect_problem("{\"progress\": \"30\"}", "'progress' must be a whole number from 0 to 100");
    expect_problem("{\"message\": 1}", "'message' must be a string");
    expect_problem("{\"colour\": 1}", "unknown key 'colour'");
    expect_problem("{\"prolong\": 30}",
                   "'prolong' must be a duration like \"30s\": it must be a string");
}

// A bad member does not cost the good ones.
static void test_rest_of_a_bad_line_counts(void **state)
{
    (void)state;
    ExecMessage message = parse("{\"progress\": 500, \"log\": \"kept\", \"x\": 1}");
    assert_string_equal(message.log, "kept");
    assert_string_equal(message.problem, "'progress' must be a whole number from 0 to 100");
    exec_message_deinit(&message);
}

static void test_unsupported(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"wait\": \"5m\"}", "{\"wait_until\": \"x\"}",
                                        "{\"wait_token\": \"t\"}", "{\"step\": \"s\"}"};
    static const char *const names[] = {"wait", "wait_until", "wait_token", "step"};
    for (size_t i = 0; i < 4; i++) {
        ExecMessage message = parse(lines[i]);
        assert_string_equal(message.unsupported, names[i]);
        exec_message_deinit(&message);
    }
}

static void collect(void *data, const char *line, size_t length)
{
    StrBuf *seen = data;
    if (line == NULL) {
        strbuf_append(seen, "<too long>");
    } else {
        strbuf_append_bytes(seen, line, length);
    }
    strbuf_append_char(seen, '|');
}

static void test_lines_in_any_pieces(void **state)
{
    (void)state;
    static const char stream[] = "one\n\ntwo\nthree";
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        ExecLines lines = {0};
        StrBuf seen = {0};
        for (size_t at = 0; at < sizeof stream - 1; at += piece) {
            const size_t left = sizeof stream - 1 - at;
            exec_lines_feed(&lines, stream + at, piece < left ? piece : left, collect, &seen);
        }
        exec_lines_end(&lines, collect, &seen);
        assert_string_equal(seen.text, "one|two|three|");
        strbuf_free(&seen);
        exec_lines_free(&lines);
    }
}

static void test_long_lines_are_dropped(void **state)
{
    (void)state;
    char *big = mem_alloc(EXEC_LINE_MAX_BYTES + 1);
    memset(big, 'x', EXEC_LINE_MAX_BYTES + 1);
    ExecLines lines = {0};
    StrBuf seen = {0};
    exec_lines_feed(&lines, big, EXEC_LINE_MAX_BYTES, collect, &seen);
    exec_lines_feed(&lines, "y", 1, collect, &seen);
    exec_lines_feed(&lines, big, EXEC_LINE_MAX_BYTES, collect, &seen);
    exec_lines_feed(&lines, "\nshort\n", 7, collect, &seen);
    assert_string_equal(seen.text, "<too long>|short|");
    strbuf_free(&seen);
    exec_lines_free(&lines);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_members),
        cmocka_unit_test(test_nothing_asked),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_rest_of_a_bad_line_counts),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_lines_in_any_pieces),
        cmocka_unit_test(test_long_lines_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
