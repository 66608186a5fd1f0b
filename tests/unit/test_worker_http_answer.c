// SPDX-License-Identifier: MIT
// Tests of what a webhook's answer means, of its signature, and of one member of an object.
#include "worker/http_answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json_line.h"
#include "common/base/memory.h"
#include "tests/support/unit.h"
#include "worker/http_signature.h"

static JobOutcome outcome(int status, bool has_token)
{
    const HttpAnswer answer = {.status = status, .retry_after = ""};
    return http_answer_outcome(&answer, has_token);
}

static void test_outcome(void **state)
{
    (void)state;
    for (int status = 100; status < 1000; status++) {
        const JobOutcome expected = status >= 200 && status < 300 ? OUTCOME_COMPLETED
                                    : status == 410               ? OUTCOME_DISCARD
                                                                  : OUTCOME_ERROR;
        assert_int_equal(outcome(status, false), expected);
        assert_int_equal(outcome(status, true), status == 202 ? OUTCOME_WAIT : expected);
    }
}

static int64_t delay(const char *retry_after, int64_t now_ms)
{
    const HttpAnswer answer = {.status = 503, .retry_after = retry_after};
    return http_answer_delay_ms(&answer, now_ms, 3600000);
}

static void test_delay(void **state)
{
    (void)state;
    const int64_t at = INT64_C(784111777) * 1000; // Sun, 06 Nov 1994 08:49:37 GMT
    assert_int_equal(delay("", at), -1);
    assert_int_equal(delay("0", at), -1);
    assert_int_equal(delay("00", at), -1);
    assert_int_equal(delay("1", at), 1000);
    assert_int_equal(delay("120", at), 120000);
    assert_int_equal(delay("3601", at), 3600000);
    assert_int_equal(delay("999999999999999999999999", at), 3600000);
    assert_int_equal(delay("-1", at), -1);
    assert_int_equal(delay("1.5", at), -1);
    assert_int_equal(delay("0x10", at), -1);
    assert_int_equal(delay("1 s", at), -1);
    assert_int_equal(delay("Sun, 06 Nov 1994 08:49:37 GMT", at - 5000), 5000);
    assert_int_equal(delay("Sun, 06 Nov 1994 08:49:37 GMT", at + 5000), -1);
    assert_int_equal(delay("Sun, 06 Nov 1994 08:49:37 GMT", at), -1);
    assert_int_equal(delay("Sun, 06 Nov 2094 08:49:37 GMT", at), 3600000);
    assert_int_equal(delay("Sun, 06 Nvo 1994 08:49:37 GMT", at), -1);
    assert_int_equal(delay("Sun, 06 anF 1994 08:49:37 GMT", at), -1);
    assert_int_equal(delay("Sun, 06 Nov 1994 08:49:37", at), -1);
    assert_int_equal(delay("Sun, 06 Nov 1994 08:49:37 GMT+1", at), -1);
    assert_int_equal(delay("Sunday, 06-Nov-94 08:49:37 GMT", at), -1);
    const HttpAnswer answer = {.status = 503, .retry_after = "5"};
    assert_int_equal(http_answer_delay_ms(&answer, at, 0), -1); // max_retry_after: 0
}

static void expect_message(int status, const char *body, const char *expected)
{
    const HttpAnswer answer = {
        .status = status, .retry_after = "", .body = body, .body_length = strlen(body)};
    char *message = http_answer_message(&answer, "h");
    assert_string_equal(message, expected);
    free(message);
}

static void test_message(void **state)
{
    (void)state;
    expect_message(500, "", "HTTP 500 from h");
    expect_message(500, " \r\n\t", "HTTP 500 from h");
    expect_message(500, "\n  first\r\nsecond", "HTTP 500 from h: first");
    expect_message(500,
                   "a\xff"
                   "b",
                   "HTTP 500 from h: a?b");
    expect_message(302, "body", "HTTP 302 from h: a redirect, which is not followed");
    expect_message(304, "body", "HTTP 304 from h: body");
    char *longer = mem_alloc(2000);
    memset(longer, 'x', 1999);
    const HttpAnswer answer = {
        .status = 500, .retry_after = "", .body = longer, .body_length = 1999};
    char *message = http_answer_message(&answer, "h");
    assert_int_equal(strlen(message), strlen("HTTP 500 from h: ") + 300);
    free(message);
    free(longer);
}

// Made with openssl: printf '1700000000.{"a": 1}' | openssl dgst -sha256 -hmac 'a secret of many bytes'
static void test_signature(void **state)
{
    (void)state;
    char out[HTTP_SIGNATURE_BYTES];
    http_signature_make("a secret of many bytes", 1700000000, "{\"a\": 1}", 8, out);
    assert_string_equal(
        out, "t=1700000000,v1=6d328dbb985168c1946187102b19d86d14e58a2cdb9d4972aaaf05f4b21259c1");
    http_signature_make("k", INT64_MAX, "", 0, out);
    assert_int_equal(strlen(out), strlen("t=9223372036854775807,v1=") + 64);
}

static void expect_member(const char *json, const char *expected)
{
    char *text = json_member_text(json, "url");
    if (expected == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, expected);
    }
    free(text);
}

static void test_member(void **state)
{
    (void)state;
    expect_member("{\"url\": \"x\"}", "x");
    expect_member(" { \"a\" : [1, {\"url\": \"no\"}], \"url\" : \"\\u0078\\ty\" , \"b\": 1 } ",
                  "x\ty");
    expect_member("{\"url\": \"x\", \"url\": \"y\"}", "y");
    expect_member("{\"\\u0075rl\": \"x\"}", "x");
    expect_member("{\"url\": 7}", NULL);
    expect_member("{\"url\": null}", NULL);
    expect_member("{\"URL\": \"x\"}", NULL);
    expect_member("{\"a\": {\"url\": \"x\"}}", NULL);
    expect_member("{}", NULL);
    expect_member("[\"url\", \"x\"]", NULL);
    expect_member("\"url\"", NULL);
    expect_member("{\"url\": \"x\"", NULL);
    expect_member("", NULL);
    StrBuf many = {0};
    strbuf_append_char(&many, '{');
    for (int i = 0; i < 100; i++) {
        strbuf_printf(&many, "\"a%d\": %d, ", i, i);
    }
    strbuf_append(&many, "\"url\": \"last\"}");
    expect_member(many.text, "last");
    strbuf_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome), cmocka_unit_test(test_delay),
        cmocka_unit_test(test_message), cmocka_unit_test(test_signature),
        cmocka_unit_test(test_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
