// SPDX-License-Identifier: MIT
// Tests of webhooks against a real HTTP server: what is sent, what each answer means, how they are stopped.
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "tests/support/webhook_run.h"
#include "worker/http_signature.h"

static void expect_header(const char *request, const char *name, const char *value)
{
    char *found = http_sink_header(request, name);
    if (value == NULL) {
        assert_null(found);
    } else if (found == NULL || !str_equal(found, value)) {
        fail_msg("%s: %s, expected %s", name, found != NULL ? found : "(none)", value);
    }
    free(found);
}

// --- what is sent

static void test_request(void **state)
{
    Fixture *self = *state;
    char *further[] = {mem_strdup("Authorization: Bearer 123"), mem_strdup("X-Source: shop")};
    self->run.handler_config.http.headers = (StringList){.items = further, .count = 2};
    self->run.job.metadata =
        mem_strdup("{\"traceparent\": \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\", "
                   "\"tracestate\": \"a=b\"}");
    free(self->run.job.job_type);
    self->run.job.job_type = mem_strdup("pr\xc3\xb6"
                                        "be: 1\r\nX-Evil: 1");
    worker_run_set_payload(&self->run, "{\"text\": \"a\\u00e4 \xc3\xa4 \\\" b\", \"n\": 1.50}");
    use_config(self);
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_null(self->run.result.text);
    const char *request = http_sink_request(self->sink, 0);
    assert_int_equal(strncmp(request, "POST /hook?a=1 HTTP/1.1\r\n", 25), 0);
    assert_string_equal(http_sink_body(request), self->run.job.payload);
    expect_header(request, "Content-Type", "application/json");
    expect_header(request, "Idempotency-Key", "ganger-4711");
    expect_header(request, "X-Ganger-Job-Id", "4711");
    expect_header(request, "X-Ganger-Attempt", "2");
    expect_header(request, "X-Ganger-Job-Type", "pr%C3%B6be:%201%0D%0AX-Evil:%201");
    expect_header(request, "X-Evil", NULL);
    expect_header(request, "traceparent",
                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    expect_header(request, "tracestate", "a=b");
    expect_header(request, "Authorization", "Bearer 123");
    expect_header(request, "X-Source", "shop");
    expect_header(request, "X-Ganger-Signature", NULL);
    expect_header(request, "X-Ganger-Callback-Token", NULL);
    expect_header(request, "Expect", NULL);
    expect_header(request, "Accept-Encoding", NULL);
    free(further[0]);
    free(further[1]);
    self->run.handler_config.http.headers = (StringList){0};
}

static void test_bad_trace_is_not_sent(void **state)
{
    Fixture *self = *state;
    self->run.job.metadata =
        mem_strdup("{\"traceparent\": \"00-x\\r\\nX-Evil: 1\", \"tracestate\": \"a\"}");
    expect(run(self), OUTCOME_COMPLETED, NULL);
    const char *request = http_sink_request(self->sink, 0);
    expect_header(request, "traceparent", NULL);
    expect_header(request, "tracestate", NULL);
    expect_header(request, "X-Evil", NULL);
}

static void test_methods(void **state)
{
    Fixture *self = *state;
    self->run.handler_config.http.method = WEBHOOK_PUT;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    self->run.handler_config.http.method = WEBHOOK_PATCH;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_int_equal(strncmp(http_sink_request(self->sink, 0), "PUT /", 5), 0);
    assert_int_equal(strncmp(http_sink_request(self->sink, 1), "PATCH /", 7), 0);
    assert_string_equal(http_sink_body(http_sink_request(self->sink, 1)), self->run.job.payload);
}

// Made again from what the receiver sees.
static void expect_signature(const char *request, const char *secret)
{
    char *header = http_sink_header(request, "X-Ganger-Signature");
    assert_non_null(header);
    const int64_t unix_s = strtoll(header + 2, NULL, 10);
    const int64_t now_s = clock_wall_us() / 1000000;
    assert_true(unix_s <= now_s && unix_s > now_s - 60);
    const char *body = http_sink_body(request);
    char expected[HTTP_SIGNATURE_BYTES];
    http_signature_make(secret, unix_s, body, strlen(body), expected);
    assert_string_equal(header, expected);
    free(header);
}

static void test_signature(void **state)
{
    Fixture *self = *state;
    char secret[] = "a secret of 24 bytes....";
    self->run.handler_config.http.secret = secret;
    use_config(self);
    expect(run(self), OUTCOME_COMPLETED, NULL);
    expect_signature(http_sink_request(self->sink, 0), secret);
    char path[] = "/tmp/ganger-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, "the secret of a file\r\n", 22), 22);
    close(fd);
    self->run.handler_config.http.secret = NULL;
    self->run.handler_config.http.secret_file = path;
    use_config(self);
    expect(run(self), OUTCOME_COMPLETED, NULL);
    expect_signature(http_sink_request(self->sink, 1), "the secret of a file");
    (void)unlink(path);
}

static void test_files_that_cannot_be_used(void **state)
{
    Fixture *self = *state;
    char path[] = "/tmp/ganger-test-XXXXXX";
    const int fd = mkstemp(path);
    WebhookConfig config = self->run.handler_config.http;
    HttpHandler *handler = NULL;
    StrBuf why = {0};
    assert_int_equal(write(fd, "too short\n", 10), 10);
    close(fd);
    config.secret_file = path;
    assert_false(http_handler_create(&handler, &config, &why));
    assert_non_null(strstr(why.text, "expected one line of 16 to 4096 bytes"));
    assert_null(strstr(why.text, "too short"));
    (void)unlink(path);
    strbuf_clear(&why);
    assert_false(http_handler_create(&handler, &config, &why));
    assert_non_null(strstr(why.text, "No such file"));
    strbuf_clear(&why);
    config.secret_file = NULL;
    config.ca_file = path;
    assert_false(http_handler_create(&handler, &config, &why));
    assert_non_null(strstr(why.text, "ca_file /tmp/ganger-test-"));
    strbuf_free(&why);
}

// --- what comes back

static void test_outputs(void **state)
{
    Fixture *self = *state;
    static const struct {
        const char *answer;
        const char *output;
    } cases[] = {
        {ANSWER("200 OK", "", "{\"a\": [1, 2]}"), "{\"a\": [1, 2]}"},
        {ANSWER("201 Created", "", "7\n"), "7\n"},
        {ANSWER("200 OK", "", "not JSON\n"), "\"not JSON\""},
        {ANSWER("200 OK", "", "{\"half\": "), "\"{\\\"half\\\": \""},
        {ANSWER("200 OK", "", "a\xff\x01"), "\"a?\\u0001\""},
        {ANSWER("204 No Content", "", ""), NULL},
        {ANSWER("202 Accepted", "", "\"later\""), "\"later\""}, // no callback was offered
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\"ab\r\n2\r\nc\"\r\n0\r\n\r\n",
         "\"abc\""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", "1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const RunResult *result = run_with(self, cases[i].answer);
        expect(result, OUTCOME_COMPLETED, cases[i].output);
        if (cases[i].output == NULL) {
            assert_null(result->text);
        } else {
            assert_string_equal(result->text, cases[i].output);
        }
    }
}

static void test_failures(void **state)
{
    Fixture *self = *state;
    static const struct {
        const char *answer;
        JobOutcome outcome;
        int64_t delay_ms;
        const char *text;
    } cases[] = {
        {ANSWER("500 X", "", "\r\n  it broke\nmore"), OUTCOME_ERROR, -1,
         "HTTP 500 from 127.0.0.1: it broke"},
        {ANSWER("503 X", "Retry-After: 7\r\n", ""), OUTCOME_ERROR, 7000, "HTTP 503 from 127.0.0.1"},
        {ANSWER("429 X", "retry-after:   120  \r\n", ""), OUTCOME_ERROR, 120000, "HTTP 429"},
        {ANSWER("429 X", "Retry-After: 99999\r\n", ""), OUTCOME_ERROR, 3600000, "HTTP 429"},
        {ANSWER("503 X", "Retry-After: 99999999999999999999\r\n", ""), OUTCOME_ERROR, 3600000,
         "HTTP 503"},
        {ANSWER("503 X", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", ""), OUTCOME_ERROR, -1,
         "HTTP 503"},
        {ANSWER("503 X", "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n", ""), OUTCOME_ERROR,
         3600000, "HTTP 503"},
        {ANSWER("503 X", "Retry-After: 0\r\n", ""), OUTCOME_ERROR, -1, "HTTP 503"},
        {ANSWER("503 X", "Retry-After: soon\r\n", ""), OUTCOME_ERROR, -1, "HTTP 503"},
        {ANSWER("503 X", "Retry-After: -1\r\n", ""), OUTCOME_ERROR, -1, "HTTP 503"},
        {ANSWER("400 X", "", "no such field"), OUTCOME_ERROR, -1,
         "HTTP 400 from 127.0.0.1: no such"},
        {ANSWER("404 X", "", ""), OUTCOME_ERROR, -1, "HTTP 404"},
        {ANSWER("410 Gone", "Retry-After: 5\r\n", "moved out"), OUTCOME_DISCARD, -1,
         "HTTP 410 from 127.0.0.1: moved out"},
        {ANSWER("302 X", "Location: http://127.0.0.1:1/\r\n", "secret page"), OUTCOME_ERROR, -1,
         "HTTP 302 from 127.0.0.1: a redirect, which is not followed"},
        {ANSWER("308 X", "Location: /again\r\n", ""), OUTCOME_ERROR, -1, "a redirect"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n12", OUTCOME_ERROR, -1,
         "while the answer of 127.0.0.1 was read"},
        {"", OUTCOME_ERROR, -1, "127.0.0.1 closed the connection without an answer"},
        {"SSH-2.0-OpenSSH_9.2\r\n", OUTCOME_ERROR, -1, "while the answer of 127.0.0.1 was read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int before = http_sink_requests(self->sink);
        const RunResult *result = run_with(self, cases[i].answer);
        expect(result, cases[i].outcome, cases[i].text);
        assert_int_equal(result->delay_ms, cases[i].delay_ms);
        const int sent = http_sink_requests(self->sink) - before;
        assert_in_range(sent, 1, str_equal(cases[i].answer, "") ? 2 : 1);
    }
}

static void test_large_answers(void **state)
{
    Fixture *self = *state;
    self->run.handler_config.http.max_response_bytes = 1000;
    http_sink_flood(self->sink, true);
    const RunResult *result = run_with(self, "HTTP/1.1 200 OK\r\n\r\n");
    expect(result, OUTCOME_COMPLETED, "xxxx");
    assert_int_equal(strlen(result->text), 1002); // with its quotes
    char *log = slot_log_copy(self->run.slot);
    assert_non_null(log);
    assert_non_null(strstr(log, "the answer was cut after 1000 bytes (max_response)"));
    free(log);
    result = run_with(self, "HTTP/1.1 503 X\r\nRetry-After: 3\r\n\r\n");
    expect(result, OUTCOME_ERROR, "HTTP 503 from 127.0.0.1: xxx");
    assert_int_equal(result->delay_ms, 3000);
}

// --- being stopped

typedef struct Stopper {
    Fixture *fixture;
    bool is_death; // of the supervisor
} Stopper;

static void *stop_when_asked(void *data)
{
    const Stopper *self = data;
    assert_non_null(http_sink_request(self->fixture->sink, 0));
    if (self->is_death) {
        close(self->fixture->run.lifeline);
        self->fixture->run.lifeline = -1;
    } else {
        worker_run_stop(&self->fixture->run, STOP_CANCEL);
    }
    return NULL;
}

static void run_and_stop(Fixture *self, bool is_death)
{
    pthread_t thread;
    Stopper stopper = {.fixture = self, .is_death = is_death};
    assert_int_equal(pthread_create(&thread, NULL, stop_when_asked, &stopper), 0);
    (void)run_with(self, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_stop(void **state)
{
    Fixture *self = *state;
    run_and_stop(self, false);
    expect(&self->run.result, OUTCOME_ERROR,
           "127.0.0.1 had not answered, the request was broken off");
}

static void test_supervisor_dies(void **state)
{
    Fixture *self = *state;
    run_and_stop(self, true);
    expect(&self->run.result, OUTCOME_SNOOZE, NULL);
    assert_int_equal(self->run.result.delay_ms, 0);
}

// Without a word of the supervisor.
static void test_deadline(void **state)
{
    Fixture *self = *state;
    const int64_t begun = clock_boot_ms();
    atomic_store(&self->run.slot->run_soft_at, begun + 200);
    (void)run_with(self, NULL);
    expect(&self->run.result, OUTCOME_ERROR, "had not answered");
    const int64_t took = clock_boot_ms() - begun;
    print_message("  a deadline of 200 ms ended the request after %" PRId64 " ms\n", took);
    assert_in_range(took, 200, 20000);
    assert_int_equal(http_sink_requests(self->sink), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request),
        TEST(test_bad_trace_is_not_sent),
        TEST(test_methods),
        TEST(test_signature),
        TEST(test_files_that_cannot_be_used),
        TEST(test_outputs),
        TEST(test_failures),
        TEST(test_large_answers),
        TEST(test_stop),
        TEST(test_supervisor_dies),
        TEST(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
