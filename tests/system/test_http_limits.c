// SPDX-License-Identifier: MIT
// What some clients can do to others of the HTTP API: hold its end, its memory, their own address.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "tests/support/http_operation.h"

enum {
    CLIENTS = 60,
    ANSWER_MS = 20000,
    JOBS = 8,
    PAYLOAD_BYTES = 1000000,
    READERS_MAX = 64,
    PIECE_BYTES = 1 << 20,
    BODY_PIECES = 36,
    GUESSES = 20
};

static int ask_with(const char *target, const char *headers)
{
    HttpAnswer answer = http_ask(address, "GET", target, headers, NULL);
    int status = answer.status;
    http_answer_free(&answer);
    return status;
}

// gangerd is killed while clients with a good token are busy: none is told that its token is wrong, and none is served without a look
// at it. The API finds the requests and the end of gangerd in the same moment.
static void check_good_tokens_until_the_end(SystemTest *test, Daemon *daemon)
{
    static const char good[] = "GET /api/jobs/stats HTTP/1.1\r\nHost: localhost\r\n"
                               "Authorization: Bearer good\r\n\r\n";
    static const char wrong[] = "GET /api/jobs/stats HTTP/1.1\r\nHost: localhost\r\n"
                                "Authorization: Bearer wrong\r\n\r\n";
    HttpClient clients[CLIENTS];
    int answers = 0;
    add_token(test, "good", "read", "");
    CHECK(test, await_status("good", 200));
    for (int i = 0; i < CLIENTS; i++) {
        HttpAnswer answer = {0};
        CHECK(test, http_connect(&clients[i], address) && http_send_text(&clients[i], good));
        CHECK(test, http_read(&clients[i], &answer, ANSWER_MS) && answer.status == 200);
        http_answer_free(&answer);
    }
    pid_t api = api_of(daemon);
    CHECK(test, kill(api, SIGSTOP) == 0);
    for (int i = 0; i < CLIENTS; i++) {
        const char *text = i % 10 == 9 ? wrong : good;
        CHECK(test, http_send_text(&clients[i], text) && http_send_text(&clients[i], text));
    }
    daemon_destroy(daemon);
    (void)kill(api, SIGCONT);
    for (int i = 0; i < CLIENTS; i++) {
        HttpAnswer answer = {0};
        while (http_read(&clients[i], &answer, ANSWER_MS)) {
            bool is_wrong = i % 10 == 9;
            answers++;
            CHECK(test,
                  is_wrong ? answer.status != 200 : answer.status == 200 || answer.status == 503);
            http_answer_free(&answer);
        }
        CHECK(test, clients[i].is_ended);
        http_close(&clients[i]);
    }
    CHECK(test, process_await_end(api, DAEMON_PATIENCE_MS));
    int status = 0; // it has come to us
    CHECK(test, waitpid(api, &status, 0) == api);
    CHECK(test, !WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL); // no panic
    (void)printf("%d answers to %d clients while it ended\n", answers, CLIENTS);
}

// Whoever sends half a request does not keep all others out for as long as a reload waits for answers.
static void check_reload_with_half_a_request(SystemTest *test, Daemon *daemon)
{
    static const char headers[] = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    static const char body[] =
        "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 5000\r\n\r\n{\"job_type\": ";
    HttpClient half[2];
    pid_t before = api_of(daemon);
    CHECK(test, http_connect(&half[0], address) && http_send_text(&half[0], headers));
    CHECK(test, http_connect(&half[1], address) && http_send_text(&half[1], body));
    CHECK(test, http_status(address, "GET", "/health", NULL) == 200); // both have been read
    const DaemonOptions changed = api_options(1, "auth: none, max_body: 1MiB");
    (void)daemon_configure(test, "web", &changed);
    int64_t at = clock_boot_ms();
    daemon_signal(daemon, SIGHUP);
    CHECK(test, await_other_api(daemon, before));
    CHECK(test, http_await(address, "/health", 200, DAEMON_PATIENCE_MS));
    int64_t took_ms = clock_boot_ms() - at;
    (void)printf("half a request, reload: answers again after %" PRId64 " ms\n", took_ms);
    CHECK(test, took_ms < slow_ms(5000));
    for (int i = 0; i < 2; i++) {
        CHECK(test, http_await_end(&half[i], ANSWER_MS));
        http_close(&half[i]);
    }
}

// Asks, and does not read what comes. True: an answer has begun to come that is a good one.
static bool hold_answer(SystemTest *test, HttpClient *reader, int limit)
{
    char request[128];
    (void)snprintf(request, sizeof request,
                   "GET /api/jobs?limit=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", limit);
    CHECK(test, http_connect(reader, address) && http_send_text(reader, request));
    char begin[13] = "";
    for (int64_t until = clock_boot_ms() + slow_ms(ANSWER_MS); clock_boot_ms() < until;
         pause_ms(5)) {
        if (recv(reader->fd, begin, sizeof begin - 1, MSG_PEEK | MSG_DONTWAIT) ==
            (ssize_t)sizeof begin - 1) {
            break;
        }
    }
    bool is_good = strcmp(begin, "HTTP/1.1 200") == 0;
    CHECK(test, is_good || strcmp(begin, "HTTP/1.1 503") == 0);
    return is_good;
}

// Answers that nobody reads are held up to a limit; then large ones are refused, until those readers have gone.
static void check_answers_nobody_reads(SystemTest *test)
{
    HttpClient readers[READERS_MAX];
    int count = 0;
    test_db_run(test->conn,
                "select ganger.enqueue('x', to_jsonb(repeat('x', %d)), queue => 'outside') from "
                "generate_series(1, %d)",
                PAYLOAD_BYTES, JOBS);
    for (int limit = JOBS; limit >= 1; limit -= JOBS - 1) {
        while (count < READERS_MAX && hold_answer(test, &readers[count++], limit)) {
        }
        CHECK(test, count < READERS_MAX);
    }
    (void)printf("%d readers that do not read\n", count);
    CHECK(test, count >= 128 / JOBS);
    HttpAnswer answer = {0};
    CHECK(test, http_read(&readers[count - 1], &answer, ANSWER_MS) && answer.status == 503);
    char value[16];
    CHECK(test, http_header(&answer, "retry-after", value, sizeof value));
    http_answer_free(&answer);
    // Others have what is small; what would be changed and answered at length is not begun.
    char *payload = mem_alloc(PAYLOAD_BYTES + 1);
    memset(payload, 'x', PAYLOAD_BYTES);
    char *body =
        mem_printf("{\"job_type\": \"x\", \"queue\": \"outside\", \"payload\": \"%s\"}", payload);
    CHECK(test, http_status(address, "GET", "/api/jobs/stats", NULL) == 200);
    CHECK(test, http_status(address, "POST", "/api/jobs", body) == 503);
    sql_check(test, "(select count(*) = %d from ganger.jobs)", JOBS);
    CHECK(test, http_status(address, "POST", "/api/jobs", "{\"job_type\": \"noop\"}") == 201);
    for (int i = 0; i < count; i++) {
        http_close(&readers[i]);
    }
    CHECK(test, http_await(address, "/api/jobs?limit=8", 200, DAEMON_PATIENCE_MS));
    CHECK(test, http_status(address, "POST", "/api/jobs", body) == 201);
    free(body);
    free(payload);
}

// A body that is not too large, but for which there is no room among others': the client may come again.
static void check_no_room_for_a_body(SystemTest *test)
{
    char head[256];
    HttpClient first;
    HttpClient second;
    HttpAnswer answer = {0};
    char *piece = mem_alloc(PIECE_BYTES);
    memset(piece, ' ', PIECE_BYTES);
    static const char format[] = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                 "application/json\r\n%s\r\n\r\n";
    (void)snprintf(head, sizeof head, format, "Content-Length: 37748736");
    CHECK(test, http_connect(&first, address) && http_send_text(&first, head));
    for (int i = 1; i < BODY_PIECES; i++) {
        CHECK(test, http_send(&first, piece, PIECE_BYTES));
    }
    (void)snprintf(head, sizeof head, format, "Transfer-Encoding: chunked");
    CHECK(test, http_connect(&second, address) && http_send_text(&second, head));
    int sent = 1;
    while (sent < BODY_PIECES && http_send_text(&second, "100000\r\n") &&
           http_send(&second, piece, PIECE_BYTES) && http_send_text(&second, "\r\n")) {
        sent++;
    }
    CHECK(test, sent < BODY_PIECES);
    CHECK(test, http_read(&second, &answer, ANSWER_MS));
    CHECK(test, answer.status == 503);
    char value[16];
    CHECK(test, http_header(&answer, "retry-after", value, sizeof value));
    http_answer_free(&answer);
    http_close(&first);
    http_close(&second);
    free(piece);
}

// The proxy's own line is the last one: what a client writes before it gives nobody another address.
static void check_guessing_behind_a_proxy(SystemTest *test)
{
    char headers[256];
    int refused = 0;
    for (int i = 0; i < GUESSES; i++) {
        (void)snprintf(headers, sizeof headers,
                       "Authorization: Bearer guess%d\r\nX-Forwarded-For: 10.0.0.%d\r\n"
                       "X-Forwarded-For: 10.1.1.%d, 192.0.2.1\r\n",
                       i, i, i);
        refused += ask_with("/api/jobs", headers) == 429;
    }
    CHECK(test, refused >= GUESSES / 2);
    CHECK(test, ask_with("/api/jobs", "Authorization: Bearer guess\r\n"
                                      "X-Forwarded-For: 192.0.2.1\r\n"
                                      "X-Forwarded-For: 192.0.2.2\r\n") == 401);
}

static void test_tokens(void **state)
{
    SystemTest *test = *state;
    use_socket(test);
    Daemon *daemon = run_with_api(test, 1, "auth: tokens, behind_proxy: true");
    check_guessing_behind_a_proxy(test);
    check_good_tokens_until_the_end(test, daemon);
}

static void test_memory_and_time(void **state)
{
    SystemTest *test = *state;
    use_socket(test);
    Daemon *daemon = run_with_api(test, 1, "auth: none, max_body: 40MiB");
    check_no_room_for_a_body(test);
    check_answers_nobody_reads(test);
    check_reload_with_half_a_request(test, daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_memory_and_time, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_limits", tests, NULL, NULL);
}
