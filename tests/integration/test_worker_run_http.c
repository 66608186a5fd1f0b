// SPDX-License-Identifier: MIT
// Tests of webhooks against a real HTTP server: what is sent, what each answer means, where nothing is sent to.
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/signals.h"
#include "tests/support/http_sink.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"
#include "worker/http_handler.h"
#include "worker/http_signature.h"
#include "worker/job_context.h"

typedef struct Fixture {
    WorkerRun run;
    HttpSink *sink;
    char url[64];
    char *loopback[1];
    char *hosts[1];
    TestDb *db; // NULL unless a test wants one
    PGconn *admin;
} Fixture;

static void use_sink(Fixture *self, bool is_tls, const char *ca_path)
{
    if (self->sink != NULL) {
        http_sink_stop(self->sink);
    }
    self->sink = http_sink_start(is_tls, ca_path);
    (void)snprintf(self->url, sizeof self->url, "http%s://127.0.0.1:%d/hook?a=1", is_tls ? "s" : "",
                   http_sink_port(self->sink));
    self->run.handler_config.http.url = self->url;
}

// Again after each change of the configuration.
static void use_config(Fixture *self)
{
    StrBuf why = {0};
    http_handler_destroy(self->run.handler.http);
    if (!http_handler_create(&self->run.handler.http, &self->run.handler_config.http, &why)) {
        fail_msg("%s", why.text);
    }
}

static int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    worker_run_setup(&self->run);
    signals_ignore_pipe(); // as the worker does
    self->loopback[0] = mem_strdup("127.0.0.0/8");
    self->run.handler_config.kind = HANDLER_HTTP;
    self->run.handler_config.http = (WebhookConfig){
        .allow_private = {.items = self->loopback, .count = 1},
        .allow_http = true,
        .connect_timeout_ms = 10000,
        .max_response_bytes = 65536,
        .max_retry_after_ms = 3600000,
    };
    use_sink(self, false, NULL);
    use_config(self);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    Fixture *self = *state;
    http_handler_destroy(self->run.handler.http);
    http_sink_stop(self->sink);
    free(self->loopback[0]);
    free(self->hosts[0]);
    worker_run_teardown(&self->run);
    free(self);
    return 0;
}

static const RunResult *run(Fixture *self)
{
    worker_run_forget_result(&self->run);
    slot_log_clear(self->run.slot);
    run_http(&self->run.handler, &self->run.context, &self->run.result);
    return &self->run.result;
}

static const RunResult *run_with(Fixture *self, const char *answer)
{
    http_sink_answer(self->sink, answer);
    return run(self);
}

static void expect(const RunResult *result, JobOutcome outcome, const char *text)
{
    const char *said = result->text != NULL ? result->text : "(nothing)";
    if (result->outcome != outcome || (text != NULL && strstr(said, text) == NULL)) {
        fail_msg("outcome %d: %s; expected %d: %s", (int)result->outcome, said, (int)outcome,
                 text != NULL ? text : "");
    }
}

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

#define ANSWER(status, headers, body)                                                              \
    "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n" body

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

// --- where nothing is sent to

static void set_host(Fixture *self, const char *host)
{
    free(self->hosts[0]);
    self->hosts[0] = mem_strdup(host);
    self->run.handler_config.http.allow = (StringList){.items = self->hosts, .count = 1};
}

static void set_job_url(Fixture *self, const char *before, int port, const char *after)
{
    self->run.handler_config.http.url = NULL;
    free(self->run.job.metadata);
    self->run.job.metadata =
        mem_printf("{\"a\": {\"url\": \"no\"}, \"url\": \"%s%d%s\"}", before, port, after);
}

static void test_url_of_the_job(void **state)
{
    Fixture *self = *state;
    const int port = http_sink_port(self->sink);
    char host[64];
    (void)snprintf(host, sizeof host, "127.0.0.1:%d", port);
    set_host(self, host);
    set_job_url(self, "http://127.0.0.1:", port, "/theirs");
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_non_null(strstr(http_sink_request(self->sink, 0), "POST /theirs HTTP/1.1"));
    set_job_url(self, "http://127.0.0.2:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "is not among the hosts of allow");
    set_job_url(self, "http://localhost:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "is not among the hosts of allow");
    set_job_url(self, "http://127.0.0.1/", port, "");
    expect(run(self), OUTCOME_DISCARD, "127.0.0.1:80 is not among the hosts of allow");
    set_job_url(self, "http://127.0.0.1:", port, "@evil.example/");
    expect(run(self), OUTCOME_DISCARD, "a user name or password");
    set_job_url(self, "http://2130706433:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "neither a name nor an address in plain decimal form");
    set_job_url(self, "ftp://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "does not begin with https:// or http://");
    free(self->run.job.metadata);
    self->run.job.metadata = mem_strdup("{\"url\": 7}");
    expect(run(self), OUTCOME_DISCARD, "the job names no URL: its metadata needs");
    free(self->run.job.metadata);
    self->run.job.metadata = NULL;
    expect(run(self), OUTCOME_DISCARD, "the job names no URL");
    self->run.handler_config.http.allow_http = false;
    set_job_url(self, "http://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "http:// is not encrypted");
    assert_int_equal(http_sink_requests(self->sink), 1);
}

// A name that leads inside, as one does after its owner has changed what it stands for.
static void test_private_addresses(void **state)
{
    Fixture *self = *state;
    const int port = http_sink_port(self->sink);
    char host[64];
    self->run.handler_config.http.allow_private = (StringList){0};
    use_config(self);
    (void)snprintf(host, sizeof host, "localhost:%d", port);
    set_host(self, host);
    set_job_url(self, "http://localhost:", port, "/");
    expect(run(self), OUTCOME_ERROR, "localhost leads to ");
    expect(&self->run.result, OUTCOME_ERROR,
           ", a loopback address, which allow_private does not cover");
    (void)snprintf(host, sizeof host, "127.0.0.1:%d", port);
    set_host(self, host);
    set_job_url(self, "http://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_ERROR, "127.0.0.1 leads to 127.0.0.1, a loopback address");
    (void)snprintf(host, sizeof host, "[::ffff:127.0.0.1]:%d", port);
    set_host(self, host);
    set_job_url(self, "http://[::ffff:7f00:1]:", port, "/");
    expect(run(self), OUTCOME_ERROR, "a loopback address");
    (void)snprintf(host, sizeof host, "0.0.0.0:%d", port);
    set_host(self, host);
    set_job_url(self, "http://0.0.0.0:", port, "/");
    expect(run(self), OUTCOME_ERROR, "an address of this host");
    assert_int_equal(http_sink_connections(self->sink), 0);
}

// One handler's open connection is no way round the addresses of another.
static void test_kept_connections(void **state)
{
    Fixture *self = *state;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_int_equal(http_sink_requests(self->sink), 2);
    assert_int_equal(http_sink_connections(self->sink), 1);
    self->run.handler_config.http.allow_private = (StringList){0};
    use_config(self);
    expect(run(self), OUTCOME_ERROR, "127.0.0.1 leads to 127.0.0.1, a loopback address");
    assert_int_equal(http_sink_requests(self->sink), 2);
    assert_int_equal(http_sink_connections(self->sink), 1);
}

static void test_proxies_of_the_environment(void **state)
{
    Fixture *self = *state;
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < 4; i++) {
        (void)setenv(names[i], "http://127.0.0.1:1/", 1);
    }
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_int_equal(http_sink_requests(self->sink), 1);
    for (size_t i = 0; i < 4; i++) {
        (void)unsetenv(names[i]);
    }
}

static void test_no_server(void **state)
{
    Fixture *self = *state;
    char url[64];
    HttpSink *gone = http_sink_start(false, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", http_sink_port(gone));
    http_sink_stop(gone);
    self->run.handler_config.http.url = url;
    expect(run(self), OUTCOME_ERROR, "could not connect to 127.0.0.1 port ");
    char nowhere[] = "http://nowhere.invalid/";
    self->run.handler_config.http.url = nowhere;
    expect(run(self), OUTCOME_ERROR, "no address was found for nowhere.invalid");
}

static void test_tls(void **state)
{
    Fixture *self = *state;
    char path[] = "/tmp/ganger-test-XXXXXX";
    close(mkstemp(path));
    use_sink(self, true, path);
    use_config(self);
    expect(run(self), OUTCOME_ERROR, "the certificate of 127.0.0.1 is not trusted");
    assert_int_equal(http_sink_requests(self->sink), 0);
    self->run.handler_config.http.ca_file = path;
    use_config(self);
    expect(run_with(self, ANSWER("200 OK", "", "\"over TLS\"")), OUTCOME_COMPLETED, "over TLS");
    // Its certificate names 127.0.0.1 only.
    char other[64];
    (void)snprintf(other, sizeof other, "https://localhost:%d/", http_sink_port(self->sink));
    self->run.handler_config.http.url = other;
    expect(run(self), OUTCOME_ERROR, "the certificate of localhost is not trusted");
    assert_int_equal(http_sink_requests(self->sink), 1);
    // Who does not speak TLS, and waits.
    HttpSink *plain = http_sink_start(false, NULL);
    (void)snprintf(other, sizeof other, "https://127.0.0.1:%d/", http_sink_port(plain));
    self->run.handler_config.http.connect_timeout_ms = 200;
    expect(run(self), OUTCOME_ERROR, "no connection to 127.0.0.1 port ");
    expect(&self->run.result, OUTCOME_ERROR, "within 200ms (connect_timeout)");
    http_sink_stop(plain);
    (void)unlink(path);
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

// --- callbacks

static int setup_db(void **state)
{
    void *db = NULL;
    if (setup(state) != 0 || test_db_setup(&db) != 0) {
        return 1;
    }
    Fixture *self = *state;
    self->db = db;
    self->admin = test_db_connect(self->db);
    self->run.context.db = test_db_open(self->db);
    self->run.context.url = self->db->url;
    self->run.handler_config.http.callback_timeout_ms = 3600000;
    use_config(self);
    return 0;
}

static int teardown_db(void **state)
{
    Fixture *self = *state;
    void *db = self->db;
    db_close(self->run.context.db);
    db_close(self->run.context.aux);
    PQfinish(self->admin);
    const int failed = test_db_teardown(&db);
    return teardown(state) != 0 || failed;
}

static char *token_of(Fixture *self, int request)
{
    char *token =
        http_sink_header(http_sink_request(self->sink, request), "X-Ganger-Callback-Token");
    assert_non_null(token);
    return token;
}

static void test_callback(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "{\"token\": \"tok_");
    char *token = token_of(self, 0);
    assert_non_null(strstr(self->run.result.text, token));
    // The same token when it is asked again.
    self->run.job.is_first_start = false;
    expect(run_with(self, ANSWER("503 X", "", "")), OUTCOME_ERROR, "HTTP 503");
    char *again = token_of(self, 1);
    assert_string_equal(token, again);
    // It has had the request, and gives its result though its answer was lost.
    test_db_run(self->admin, "SELECT ganger.complete_token('%s', '{\"n\": 7}')", token);
    expect(run(self), OUTCOME_COMPLETED, "{\"n\": 7}");
    assert_int_equal(http_sink_requests(self->sink), 2);
    free(again);
    free(token);
}

static void test_callback_answered_at_once(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("200 OK", "", "1")), OUTCOME_COMPLETED, "1");
    char *token = token_of(self, 0);
    free(token);
}

static void test_callback_without_data(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *token = token_of(self, 0);
    test_db_run(self->admin, "SELECT ganger.complete_token('%s')", token);
    self->run.job.is_first_start = false;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_null(self->run.result.text);
    free(token);
}

static void time_out(Fixture *self, const char *token)
{
    test_db_run(self->admin, "UPDATE ganger.token SET timeout_at = now() WHERE token = '%s'",
                token);
    assert_true(test_db_await(self->admin, 20000,
                              "SELECT status = 'timed_out' FROM ganger.maintain() AS m, "
                              "ganger.tokens WHERE token = '%s'",
                              token));
}

// The wait was in vain: one attempt's error; the next one asks again, with a new token.
static void test_callback_times_out(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *token = token_of(self, 0);
    char *lease = test_db_text(self->admin, "SELECT lease_id::text FROM ganger.job WHERE id = %lld",
                               (long long)self->run.job.id);
    test_db_run(self->admin, "SELECT ganger.wait_for_token(%lld, '%s', '%s')",
                (long long)self->run.job.id, lease, token);
    free(lease);
    time_out(self, token);
    assert_true(test_db_await(self->admin, 20000,
                              "SELECT status = 'pending' AND pending_reason IS NULL "
                              "FROM ganger.maintain() AS m, ganger.jobs WHERE id = %lld",
                              (long long)self->run.job.id));
    worker_run_claim(&self->run, self->admin);
    self->run.job.is_first_start = false;
    expect(run(self), OUTCOME_ERROR, "no callback within 1h (callback_timeout)");
    assert_int_equal(http_sink_requests(self->sink), 1);
    expect(run(self), OUTCOME_WAIT, "tok_");
    char *other = token_of(self, 1);
    assert_string_not_equal(token, other);
    free(other);
    free(token);
}

// One that times out before anybody has waited for it is nobody's failure.
static void test_callback_token_grows_old(void **state)
{
    Fixture *self = *state;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    worker_run_claim(&self->run, self->admin);
    expect(run_with(self, ANSWER("503 X", "", "")), OUTCOME_ERROR, "HTTP 503");
    char *token = token_of(self, 0);
    time_out(self, token);
    self->run.job.is_first_start = false;
    expect(run_with(self, ANSWER("202 Accepted", "", "")), OUTCOME_WAIT, "tok_");
    char *other = token_of(self, 1);
    assert_string_not_equal(token, other);
    free(other);
    free(token);
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_DB(name) cmocka_unit_test_setup_teardown(name, setup_db, teardown_db)

// A peer that vanishes without a word: no timeout is needed to learn of it. The connection that was kept still has its options.
static void test_lost_peers_are_noticed(void **state)
{
    Fixture *self = *state;
    expect(run_with(self, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), OUTCOME_COMPLETED, NULL);
    int found = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t length = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 || peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != http_sink_port(self->sink)) {
            continue;
        }
        int values[3] = {0};
        length = sizeof(int);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &values[0], &length), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &values[1], &length), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &values[2], &length), 0);
        assert_int_equal(values[0], 1);
        assert_int_equal(values[1], 60);
        assert_int_equal(values[2], 15);
        found++;
    }
    assert_int_equal(found, 1);
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
        TEST(test_url_of_the_job),
        TEST(test_private_addresses),
        TEST(test_kept_connections),
        TEST(test_lost_peers_are_noticed),
        TEST(test_proxies_of_the_environment),
        TEST(test_no_server),
        TEST(test_tls),
        TEST(test_stop),
        TEST(test_supervisor_dies),
        TEST(test_deadline),
        TEST_DB(test_callback),
        TEST_DB(test_callback_answered_at_once),
        TEST_DB(test_callback_without_data),
        TEST_DB(test_callback_times_out),
        TEST_DB(test_callback_token_grows_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
