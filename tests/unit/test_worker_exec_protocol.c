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
    assert_null(message.failure);
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
    assert_int_equal(message.wait, EXEC_WAIT_NONE);
    assert_null(message.step);
    assert_null(message.create_token);
    assert_null(message.failure);
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

static void test_steps(void **state)
{
    (void)state;
    ExecMessage message = parse("{\"step\": \"s1\", \"result\": {\"a\": [1, null]}}");
    assert_string_equal(message.step, "s1");
    assert_string_equal(message.result, "{\"a\": [1, null]}");
    assert_null(message.failure);
    exec_message_deinit(&message);
    message = parse("{\"step\": \"done\"}");
    assert_string_equal(message.step, "done");
    assert_null(message.result);
    assert_null(message.failure);
    exec_message_deinit(&message);
}

static void test_waits(void **state)
{
    (void)state;
    ExecMessage message = parse("{\"wait\": \"1h30m\"}");
    assert_int_equal(message.wait, EXEC_WAIT_FOR);
    assert_int_equal(message.wait_ms, 5400000);
    exec_message_deinit(&message);
    message = parse("{\"wait_until\": \"2026-01-31T13:00:00+01:00\"}");
    assert_int_equal(message.wait, EXEC_WAIT_UNTIL);
    assert_int_equal(message.wait_ms, 1769860800000);
    exec_message_deinit(&message);
    message = parse("{\"wait_token\": \"tok_1\"}");
    assert_int_equal(message.wait, EXEC_WAIT_TOKEN);
    assert_string_equal(message.wait_token, "tok_1");
    exec_message_deinit(&message);
    message = parse("{\"wait\": true, \"create_token\": {\"step\": \"ok\", \"timeout\": \"2d\", "
                    "\"tags\": [\"a, b\", \"}\"]}}");
    assert_null(message.failure);
    assert_int_equal(message.wait, EXEC_WAIT_CREATED);
    assert_string_equal(message.create_token->step, "ok");
    assert_int_equal(message.create_token->timeout_ms, 172800000);
    assert_string_equal(message.create_token->tags, "[\"a, b\", \"}\"]");
    exec_message_deinit(&message);
    message = parse("{\"create_token\": {\"step\": \"ok\"}}");
    assert_int_equal(message.wait, EXEC_WAIT_NONE);
    assert_int_equal(message.create_token->timeout_ms, -1);
    assert_null(message.create_token->tags);
    exec_message_deinit(&message);
}

// A program that says such a thing means something that must not be passed over.
static void test_failures(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"wait\": 30}", "'wait' must be a duration like \"5m\": it must be a string"},
        {"{\"wait\": \"30\"}",
         "'wait' must be a duration like \"5m\": needs a unit: ms, s, m, h, d or w"},
        {"{\"wait\": true}", "'wait': true without a 'create_token'"},
        {"{\"wait\": false}", "'wait' must be a duration like \"5m\": it must be a string"},
        {"{\"wait_until\": \"tomorrow\"}",
         "'wait_until' must be an instant like \"2026-01-31T12:00:00Z\": no date and time"},
        {"{\"wait_until\": 1769860800}",
         "'wait_until' must be an instant like \"2026-01-31T12:00:00Z\": it must be a string"},
        {"{\"wait_token\": \"\"}", "'wait_token' must be a string that is not empty"},
        {"{\"step\": 1, \"result\": 1}", "'step' must be a string that is not empty"},
        {"{\"result\": 1}", "'result' without a 'step'"},
        {"{\"create_token\": \"ok\"}",
         "'create_token' must be an object with a 'step': not an object"},
        {"{\"create_token\": {}}", "'create_token' has no 'step' to keep the token in"},
        {"{\"create_token\": {\"step\": \"s\", \"timeout\": 5}}",
         "'create_token.timeout' must be a duration like \"5m\": it must be a string"},
        {"{\"create_token\": {\"step\": \"s\", \"tags\": \"t\"}}",
         "'create_token.tags' must be an array of strings"},
        {"{\"create_token\": {\"step\": \"s\", \"colour\": 1}}",
         "unknown key 'create_token.colour'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ExecMessage message = parse(cases[i][0]);
        assert_non_null(message.failure);
        assert_string_equal(message.failure, cases[i][1]);
        exec_message_deinit(&message);
    }
}

static void expect_unreadable(const char *line, size_t length, bool is_failure)
{
    ExecMessage message;
    exec_message_parse(&message, line, length);
    const char *said = is_failure ? message.failure : message.problem;
    assert_non_null(said);
    assert_non_null(strstr(said, "a line that is not a JSON object ("));
    assert_null(is_failure ? message.problem : message.failure);
    assert_int_equal(message.wait, EXEC_WAIT_NONE);
    assert_null(message.step);
    exec_message_deinit(&message);
}

#define LINE(text) (text), sizeof(text) - 1

// Whatever bytes it is made of: when it was to be a step, a wait or the output, it is not passed over.
static void test_unreadable_lines(void **state)
{
    (void)state;
    expect_unreadable(LINE("{\"wait\": \"1h\""), true);
    expect_unreadable(LINE("{\"wait_until\": 2026-01-31T12:00:00Z}"), true);
    expect_unreadable(LINE("{\"wait_token\": \"t\"}}"), true);
    expect_unreadable(LINE("{\"step\": \"a\", \"result\": \"\xff\"}"), true);
    expect_unreadable(LINE("{\"step\": \"a\0b\"}"), true);
    expect_unreadable(LINE("\0{\"create_token\": {\"step\": \"a\"}}"), true);
    expect_unreadable(LINE("{\"output\": \"\\ud800\"}"), true);
    expect_unreadable(
        LINE("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
             "\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"wait\":\"1h\"}"),
        true);
    expect_unreadable(LINE("\0"), false);
    expect_unreadable(LINE("waiting for step 3"), false);
    expect_unreadable(LINE("{\"progress\": 30, \"message\": \"caf\xe9\"}"), false);
    expect_unreadable(LINE("[\"log\"]"), false);
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
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_unreadable_lines),
        cmocka_unit_test(test_lines_in_any_pieces),
        cmocka_unit_test(test_long_lines_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
