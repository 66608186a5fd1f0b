// SPDX-License-Identifier: MIT
// What comes over the wire to the HTTP API and is no request it should serve: everything ambiguous is refused and the connection ends;
// sizes are limited to the byte.
#include "tests/support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "tests/support/http_operation.h"
#include "tests/support/smuggling.h"

enum { ANSWER_MS = 3000, NO_ANSWER_MS = 150, BODY_LIMIT = 64 << 10 };

// An API that asks nobody who he is, so that only what is wrong with a request can stop it.
static void run(SystemTest *test)
{
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none, max_body: 64KiB");
}

// What became of a vector with another request behind it on the same connection.
typedef struct Outcome {
    int status;  // of the first answer; 0 none
    int answers; // of all
    bool is_closed;
} Outcome;

static const char FOLLOWER[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Reads as a proxy does: answer after answer, up to one that says the connection ends.
static void read_answers(HttpClient *client, Outcome *outcome, int64_t limit_ms)
{
    HttpAnswer answer;
    char connection[32] = "";
    while (strcasecmp(connection, "close") != 0 && http_read(client, &answer, limit_ms)) {
        outcome->status = outcome->answers == 0 ? answer.status : outcome->status;
        outcome->answers++;
        if (!http_header(&answer, "connection", connection, sizeof connection)) {
            connection[0] = '\0';
        }
        http_answer_free(&answer);
    }
}

static Outcome try_vector(const SmugglingVector *vector, bool at_once)
{
    HttpClient client;
    Outcome outcome = {0};
    StrBuf bytes = {0};
    if (!http_connect(&client, address)) {
        fail_msg("%s: nobody listens any more", vector->name);
    }
    strbuf_append_bytes(&bytes, vector->bytes.text, vector->bytes.length);
    if (at_once) {
        strbuf_append(&bytes, FOLLOWER);
    }
    (void)http_send(&client, bytes.text, bytes.length); // it may have closed before it had all
    strbuf_free(&bytes);
    if (!at_once) { // as a proxy that keeps connections: the next client's request, once there is an answer
        read_answers(&client, &outcome, NO_ANSWER_MS);
        (void)http_send_text(&client, FOLLOWER);
    }
    read_answers(&client, &outcome, ANSWER_MS);
    outcome.is_closed = http_await_end(&client, ANSWER_MS);
    http_close(&client);
    return outcome;
}

static void check_vectors(SystemTest *test, bool at_once)
{
    SmugglingSet set = smuggling_set();
    size_t failed = 0;
    for (size_t i = 0; i < set.count; i++) {
        Outcome outcome = try_vector(&set.items[i], at_once);
        bool is_refused = outcome.status >= 400 || outcome.status == 0;
        if (!is_refused || outcome.answers > 1 || !outcome.is_closed) {
            (void)fprintf(stderr, "not refused: %s: status %d, %d answers, %s\n", set.items[i].name,
                          outcome.status, outcome.answers, outcome.is_closed ? "closed" : "open");
            failed++;
        }
    }
    (void)printf("%zu ambiguous or malformed requests, %s: %zu not refused\n", set.count,
                 at_once ? "with one behind it" : "with one after the answer", failed);
    CHECK(test, set.count >= 120);
    CHECK(test, failed == 0);
    sql_check(test, "(select count(*) = 0 from ganger.jobs where queue = 'smuggled')");
    smuggling_set_free(&set);
}

static void check_carrier(SystemTest *test, const char *request)
{
    HttpClient client;
    HttpAnswer answer;
    CHECK(test, http_connect(&client, address) && http_send_text(&client, request));
    CHECK(test, http_read(&client, &answer, ANSWER_MS));
    assert_int_equal(answer.status, 201);
    http_answer_free(&answer);
    http_close(&client);
}

static void test_ambiguous_requests(void **state)
{
    SystemTest *test = *state;
    run(test);
    // The carriers themselves are fine, so it is the one thing wrong with each vector that is refused.
    check_carrier(test, SMUGGLING_CARRIER);
    check_carrier(test, SMUGGLING_CARRIER_CHUNKED);
    sql_check(test, "(select count(*) = 2 from ganger.jobs where queue = 'smuggled')");
    test_db_run(test->conn, "delete from ganger.job where queue = 'smuggled'");
    check_vectors(test, true);
    check_vectors(test, false);
    CHECK(test, http_status(address, "GET", "/health", NULL) == 200);
}

// --- sizes

// GET /health?aaa... of so many bytes of target.
static int ask_target(size_t bytes)
{
    StrBuf target = {0};
    strbuf_append(&target, "/health?a=");
    while (target.length < bytes) {
        strbuf_append_char(&target, 'a');
    }
    int status = http_status(address, "GET", target.text, NULL);
    strbuf_free(&target);
    return status;
}

// A request with so many headers in all, and so many bytes of them as the guard counts (name, value and four).
static int ask_headers(size_t count, size_t bytes)
{
    HttpClient client;
    HttpAnswer answer = {0};
    StrBuf request = {0};
    strbuf_append(&request, "GET /health HTTP/1.1\r\n");
    size_t start = request.length;
    strbuf_append(&request, "Host: localhost\r\nConnection: close\r\n");
    for (size_t i = 2; i < count; i++) {
        strbuf_append(&request, i + 1 < count ? "A: b\r\n" : "A: ");
    }
    size_t have = request.length - start;
    for (size_t i = have + 2; i < bytes; i++) {
        strbuf_append_char(&request, 'c');
    }
    strbuf_append(&request, "\r\n\r\n");
    bool is_answered = http_connect(&client, address) &&
                       http_send(&client, request.text, request.length) &&
                       http_read(&client, &answer, ANSWER_MS) && http_await_end(&client, ANSWER_MS);
    int status = is_answered ? answer.status : 0;
    http_answer_free(&answer);
    http_close(&client);
    strbuf_free(&request);
    return status;
}

// A job whose body has so many bytes.
static int ask_body(size_t bytes, bool is_chunked)
{
    static const char head[] = "{\"job_type\": \"noop\", \"queue\": \"sizes\", \"payload\": \"";
    HttpClient client;
    HttpAnswer answer = {0};
    StrBuf request = {0};
    strbuf_append(&request, "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\n");
    strbuf_printf(&request,
                  is_chunked ? "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
                             : "Content-Length: %zu\r\n\r\n",
                  bytes);
    strbuf_append(&request, head);
    for (size_t i = sizeof head - 1 + 2; i < bytes; i++) {
        strbuf_append_char(&request, 'p');
    }
    strbuf_append(&request, is_chunked ? "\"}\r\n0\r\n\r\n" : "\"}");
    bool is_answered = http_connect(&client, address);
    (void)http_send(&client, request.text, request.length); // refused before all was sent, perhaps
    is_answered = is_answered && http_read(&client, &answer, ANSWER_MS);
    bool is_closed = http_await_end(&client, ANSWER_MS);
    int status = is_answered && is_closed ? answer.status : 0;
    http_answer_free(&answer);
    http_close(&client);
    strbuf_free(&request);
    return status;
}

static void test_sizes_to_the_byte(void **state)
{
    SystemTest *test = *state;
    run(test);
    assert_int_equal(ask_target(8191), 200);
    assert_int_equal(ask_target(8192), 200);
    assert_int_equal(ask_target(8193), 414);
    assert_int_equal(ask_target(100000), 414);
    assert_int_equal(ask_headers(99, 2000), 200);
    assert_int_equal(ask_headers(100, 2000), 200);
    assert_int_equal(ask_headers(101, 2000), 431);
    assert_int_equal(ask_headers(10, 16383), 200);
    assert_int_equal(ask_headers(10, 16384), 200);
    assert_int_equal(ask_headers(10, 16385), 431);
    assert_int_equal(ask_headers(10, 200000), 431);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        assert_int_equal(ask_body(BODY_LIMIT - 1, is_chunked), 201);
        assert_int_equal(ask_body(BODY_LIMIT, is_chunked), 201);
        assert_int_equal(ask_body(BODY_LIMIT + 1, is_chunked), 413);
        assert_int_equal(ask_body((size_t)BODY_LIMIT * 20, is_chunked), 413);
    }
    sql_check(test, "(select count(*) = 4 from ganger.jobs where queue = 'sizes')");
}

// A length that is too large is refused before a byte of the body comes: nobody has to send it.
static void test_large_bodies_are_not_read(void **state)
{
    SystemTest *test = *state;
    HttpClient client;
    HttpAnswer answer;
    run(test);
    CHECK(test, http_connect(&client, address));
    CHECK(test,
          http_send_text(&client,
                         "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                         "Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n"));
    CHECK(test, http_read(&client, &answer, ANSWER_MS));
    assert_int_equal(answer.status, 413);
    CHECK(test, http_await_end(&client, ANSWER_MS));
    http_answer_free(&answer);
    http_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ambiguous_requests, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_sizes_to_the_byte, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_large_bodies_are_not_read, system_setup,
                                        system_teardown),
    };
    return cmocka_run_group_tests_name("http_guard", tests, NULL, NULL);
}
