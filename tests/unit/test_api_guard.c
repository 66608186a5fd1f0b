// SPDX-License-Identifier: MIT
// Tests of the guard: requests two readers could read differently.
#include "api/guard.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/unit.h"

static char name_bytes[GUARD_HEADER_COUNT_MAX + 1][16];

static GuardHeader header(const char *name, const char *value)
{
    return (GuardHeader){name, strlen(name), value, strlen(value)};
}

// A request of one header beside Host.
static GuardVerdict check_one(const char *name, const char *value, GuardBody *body)
{
    const GuardHeader headers[] = {header("Host", "localhost"), header(name, value)};
    const GuardRequest request = {"POST", "/api/jobs", "HTTP/1.1", headers, 2, 0};
    const char *why = NULL;
    return guard_check(&request, body, &why);
}

static GuardVerdict check_two(GuardHeader first, GuardHeader second, const char *version)
{
    const GuardHeader headers[] = {header("Host", "localhost"), first, second};
    const GuardRequest request = {"POST", "/", version, headers, 3, 0};
    GuardBody body;
    const char *why = NULL;
    return guard_check(&request, &body, &why);
}

static void test_lengths_are_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "+5",  "-1",  "0x5", "5,5",
                                      "5 5", "1e3", "5;q", "٣",   "9999999999999999999"};
    GuardBody body;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(check_one("Content-Length", bad[i], &body), GUARD_BAD);
    }
    assert_int_equal(check_one("content-LENGTH", "42", &body), GUARD_OK);
    assert_true(body.has_length);
    assert_int_equal(body.length, 42);
    assert_false(body.is_chunked);
}

static void test_encodings_are_chunked_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "gzip",
                                      "chunked, chunked",
                                      "gzip, chunked",
                                      "xchunked",
                                      "chunked, identity",
                                      "identity",
                                      "chunked;q=1"};
    GuardBody body;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(check_one("Transfer-Encoding", bad[i], &body), GUARD_BAD);
    }
    assert_int_equal(check_one("Transfer-Encoding", "Chunked", &body), GUARD_OK);
    assert_true(body.is_chunked);
}

static void test_framing_is_said_once(void **state)
{
    (void)state;
    GuardHeader five = header("Content-Length", "5");
    GuardHeader chunked = header("Transfer-Encoding", "chunked");
    assert_int_equal(check_two(five, five, "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_two(five, header("Content-Length", "6"), "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_two(five, chunked, "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_two(chunked, chunked, "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_two(chunked, header("X", "y"), "HTTP/1.0"), GUARD_BAD);
    assert_int_equal(check_two(header("Host", "localhost"), five, "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_two(five, header("X", "y"), "HTTP/1.1"), GUARD_OK);
}

static void test_names_and_values(void **state)
{
    (void)state;
    static const char *const names[] = {"X ",    " X", "X\t",   "X:", "X(y)",
                                        "X\x01", "",   "X\x7f", "Ü",  "X\r"};
    GuardBody body;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(check_one(names[i], "y", &body), GUARD_BAD);
    }
    static const char *const values[] = {"a\rb", "a\nb", "a\x01", "a\x7f", "\x1b[0m"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(check_one("X", values[i], &body), GUARD_BAD);
    }
    assert_int_equal(check_one("X-Trace.id_1", "a\tb \xc3\xbc", &body), GUARD_OK);
    assert_int_equal(check_one("Upgrade", "h2c", &body), GUARD_BAD);
}

static GuardVerdict check_line(const char *method, const char *target, const char *version)
{
    const GuardHeader headers[] = {header("Host", "localhost")};
    const GuardRequest request = {method, target, version, headers, 1, 0};
    GuardBody body;
    const char *why = NULL;
    return guard_check(&request, &body, &why);
}

static void test_request_line(void **state)
{
    (void)state;
    assert_int_equal(check_line("GET", "/", "HTTP/1.1"), GUARD_OK);
    assert_int_equal(check_line("GET", "/", "HTTP/1.0"), GUARD_OK);
    assert_int_equal(check_line("GET", "/", "HTTP/1.2"), GUARD_BAD);
    assert_int_equal(check_line("GET", "/", "HTTP/2.0"), GUARD_BAD);
    assert_int_equal(check_line("GET", "/", "http/1.1"), GUARD_BAD);
    assert_int_equal(check_line("GE T", "/", "HTTP/1.1"), GUARD_BAD);
    assert_int_equal(check_line("", "/", "HTTP/1.1"), GUARD_BAD);
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const bad[] = {"a b", "a/b", "user@a", "a,b", "a?b", "a#b", "a\\b"};
    const char *why = NULL;
    GuardBody body;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const GuardHeader headers[] = {header("Host", bad[i])};
        const GuardRequest request = {"GET", "/", "HTTP/1.1", headers, 1, 0};
        assert_int_equal(guard_check(&request, &body, &why), GUARD_BAD);
    }
    const GuardRequest none = {"GET", "/", "HTTP/1.1", NULL, 0, 0};
    assert_int_equal(guard_check(&none, &body, &why), GUARD_BAD);
    const GuardRequest old = {"GET", "/", "HTTP/1.0", NULL, 0, 0};
    assert_int_equal(guard_check(&old, &body, &why), GUARD_OK);
}

static void test_limits(void **state)
{
    (void)state;
    static char target[GUARD_TARGET_BYTES_MAX + 2];
    memset(target, 'a', sizeof target - 1);
    target[0] = '/';
    assert_int_equal(check_line("GET", target, "HTTP/1.1"), GUARD_TARGET_LONG);
    target[GUARD_TARGET_BYTES_MAX] = '\0';
    assert_int_equal(check_line("GET", target, "HTTP/1.1"), GUARD_OK);

    GuardHeader headers[GUARD_HEADER_COUNT_MAX + 1];
    headers[0] = header("Host", "localhost");
    for (int i = 1; i <= GUARD_HEADER_COUNT_MAX; i++) {
        snprintf(name_bytes[i], sizeof name_bytes[i], "X-%d", i);
        headers[i] = header(name_bytes[i], "y");
    }
    GuardRequest request = {"GET", "/", "HTTP/1.1", headers, GUARD_HEADER_COUNT_MAX, 0};
    GuardBody body;
    const char *why = NULL;
    assert_int_equal(guard_check(&request, &body, &why), GUARD_OK);
    request.header_count++;
    assert_int_equal(guard_check(&request, &body, &why), GUARD_HEADERS_LARGE);
}

static void test_header_bytes(void **state)
{
    (void)state;
    static char value[GUARD_HEADER_BYTES_MAX];
    size_t host = strlen("Host") + strlen("localhost") + 4;
    size_t fits = GUARD_HEADER_BYTES_MAX - host - strlen("X") - 4;
    memset(value, 'v', fits);
    GuardBody body;
    assert_int_equal(check_one("X", value, &body), GUARD_OK);
    value[fits] = 'v';
    assert_int_equal(check_one("X", value, &body), GUARD_HEADERS_LARGE);
}

static void test_hidden_bytes(void **state)
{
    (void)state;
    const GuardHeader headers[] = {header("Host", "a"), header("X", "y")};
    size_t plain = strlen("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
    GuardRequest request = {"GET", "/", "HTTP/1.1", headers, 2, plain};
    GuardBody body;
    const char *why = NULL;
    assert_int_equal(guard_check(&request, &body, &why), GUARD_OK);
    request.received_bytes = plain - 1; // no blank after a colon
    assert_int_equal(guard_check(&request, &body, &why), GUARD_OK);
    request.received_bytes = plain - 2; // after none
    assert_int_equal(guard_check(&request, &body, &why), GUARD_OK);
    request.received_bytes = plain - 4; // all four lines end with LF alone
    assert_int_equal(guard_check(&request, &body, &why), GUARD_BAD);
    request.received_bytes = plain + 1; // folded, or cut at a NUL
    assert_int_equal(guard_check(&request, &body, &why), GUARD_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_are_digits),
        cmocka_unit_test(test_encodings_are_chunked_alone),
        cmocka_unit_test(test_framing_is_said_once),
        cmocka_unit_test(test_names_and_values),
        cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_hidden_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
