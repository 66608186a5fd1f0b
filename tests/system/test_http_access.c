// SPDX-License-Identifier: MIT
// Who may use the HTTP API: every route without, with a wrong, an old and a small token; guessing; other sites' pages in a browser of
// somebody who may.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/http_operation.h"
#include "tests/support/http_routes.h"

enum { NEW_TOKENS = 20, GUESSES = 200, GUESSES_CHECKED = 10 };
enum { GONE_MS = 700 }; // by then it is seen that a client has gone; less than the wait for a lock

static int ask_route(const Route *route, const char *token)
{
    char target[256];
    char header[320] = "";
    route_target(route, "1", "1", target, sizeof target);
    if (token != NULL) {
        (void)snprintf(header, sizeof header, "Authorization: %s\r\n", token);
    }
    HttpAnswer answer = http_ask(address, route->method, target, header,
                                 (route->flags & ROUTE_BODY) != 0 ? "{}" : NULL);
    int status = answer.status;
    http_answer_free(&answer);
    return status;
}

// S1: no route but those of SCOPE_NONE does anything without a token that is good.
static void test_every_route(void **state)
{
    SystemTest *test = *state;
    static const char *const tokens[] = {
        NULL,
        "Bearer wrong",
        "Bearer ",
        "Bearer expired",
        "Bearer revoked",
        "Basic Z29vZA==",
        "good",
        "Bearer good good",
        "Bearer GOOD",
    };
    size_t count = 0;
    size_t asked = 0;
    const Route *routes = route_table(&count);
    use_socket(test);
    (void)run_with_api(test, 1, "auth: tokens");
    add_token(test, "good", "admin", "");
    add_token(test, "expired", "admin", ", expires_at => now() + interval '1 h'");
    test_db_run(test->conn, "update ganger.api_token set expires_at = now() - interval '1 ms' "
                            "where name = 'expired'");
    add_token(test, "reader", "read", "");
    add_token(test, "revoked", "admin", "");
    test_db_run(test->conn,
                "select ganger.revoke_api_token(id) from ganger.api_tokens where name = 'revoked'");
    CHECK(test, await_status("good", 200));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; routes[i].scope != SCOPE_NONE && j < sizeof tokens / sizeof tokens[0];
             j++) {
            int status = ask_route(&routes[i], tokens[j]);
            asked++;
            if (status != 401) {
                (void)fprintf(stderr, "%s %s with %s: %d\n", routes[i].method, routes[i].pattern,
                              tokens[j] != NULL ? tokens[j] : "nothing", status);
                system_fail(test, "401");
            }
        }
    }
    // A token that may only read changes nothing, by any route.
    for (size_t i = 0; i < count; i++) {
        if (routes[i].scope == SCOPE_NONE || routes[i].scope == SCOPE_READ) {
            continue;
        }
        int status = ask_route(&routes[i], "Bearer reader");
        asked++;
        if (status != 403) {
            (void)fprintf(stderr, "%s %s: %d\n", routes[i].method, routes[i].pattern, status);
            system_fail(test, "403");
        }
    }
    (void)printf("%zu routes, %zu requests without a token that is good for it: none served\n",
                 count, asked);
    CHECK(test, count > 40);
    sql_check(test, "(select count(*) = 0 from ganger.jobs)");
}

// S2: taken back, it is refused within five seconds; it stands in no log.
static void test_a_revoked_token(void **state)
{
    SystemTest *test = *state;
    use_socket(test);
    Daemon *daemon = run_with_api(test, 1, "auth: tokens");
    add_token(test, "verysecretindeed", "read", "");
    test_db_run(test->conn, "update ganger.api_token set name = 'mine'");
    CHECK(test, await_status("verysecretindeed", 200));
    HttpClient stream;
    CHECK(test, http_connect(&stream, address));
    CHECK(test, http_send_text(&stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n"));
    CHECK(test, http_send_text(&stream, header_of("verysecretindeed")) &&
                    http_send_text(&stream, "\r\n"));
    CHECK(test, !http_await_end(&stream, 1000)); // it stays open
    test_db_run(test->conn, "select ganger.revoke_api_token(id) from ganger.api_tokens");
    int64_t at = clock_boot_ms();
    CHECK(test, await_status("verysecretindeed", 401));
    (void)printf("a revoked token is refused after %" PRId64 " ms\n", clock_boot_ms() - at);
    CHECK(test, clock_boot_ms() - at < slow_ms(5000));
    CHECK(test, http_await_end(&stream, DAEMON_PATIENCE_MS)); // what it had opened ends with it
    http_close(&stream);
    CHECK(test, daemon_log_count(daemon, "verysecret") == 0);
}

// One that has just been made is good at once. While the tokens cannot be read, nobody is told that his does not exist.
static void test_a_new_token(void **state)
{
    SystemTest *test = *state;
    HttpClient clients[2];
    use_port();
    const Daemon *daemon = run_with_api(test, 1, "auth: tokens");
    for (int i = 0; i < NEW_TOKENS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "new%d", i);
        add_token(test, name, "read,enqueue", "");
        if (i % 2 == 0) {
            expect(test, name, "GET", "/api/jobs", NULL, 200, NULL);
        } else {
            expect(test, name, "POST", "/api/jobs", "{\"job_type\": \"noop\"}", 201, NULL);
        }
    }
    pid_t api = api_of(daemon);
    test_db_run(test->conn, "begin; lock table ganger.api_token");
    expect(test, "unknown", "GET", "/api/jobs", NULL, 503, "cannot be asked for the tokens");
    for (int i = 0; i < 2; i++) {
        CHECK(test, http_connect(&clients[i], address));
        CHECK(test, http_send_text(&clients[i], "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n") &&
                        http_send_text(&clients[i], header_of("unknown")) &&
                        http_send_text(&clients[i], "\r\n"));
    }
    http_close(&clients[0]); // has gone before it is known
    pause_ms(GONE_MS);
    test_db_run(test->conn, "rollback");
    HttpAnswer answer;
    CHECK(test, http_read(&clients[1], &answer, DAEMON_PATIENCE_MS));
    CHECK(test, answer.status == 401 || answer.status == 503);
    http_answer_free(&answer);
    http_close(&clients[1]);
    CHECK(test, await_status("unknown", 401) && await_status("new0", 200));
    CHECK(test, api_of(daemon) == api);
}

// A stop answers who waits for the tokens.
static void test_a_stop_beside_unknown_tokens(void **state)
{
    SystemTest *test = *state;
    HttpClient clients[2];
    use_socket(test);
    Daemon *daemon = run_with_api(test, 1, "auth: tokens");
    test_db_run(test->conn, "begin; lock table ganger.api_token");
    for (int i = 0; i < 2; i++) {
        CHECK(test, http_connect(&clients[i], address));
        CHECK(test, http_send_text(&clients[i], "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n") &&
                        http_send_text(&clients[i], header_of("unknown")) &&
                        http_send_text(&clients[i], "\r\n"));
    }
    sql_await(test, "exists (select from pg_locks where not granted and relation = "
                    "'ganger.api_token'::regclass)");
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    for (int i = 0; i < 2; i++) {
        HttpAnswer answer;
        CHECK(test, http_read(&clients[i], &answer, DAEMON_PATIENCE_MS));
        CHECK(test, answer.status == 503);
        http_answer_free(&answer);
        http_close(&clients[i]);
    }
    test_db_run(test->conn, "rollback");
}

// S3: who guesses is soon not listened to, and others are.
static void test_guessing(void **state)
{
    SystemTest *test = *state;
    int counts[3] = {0, 0, 0}; // checked, not listened to, otherwise
    use_port();
    (void)run_with_api(test, 1, "auth: tokens");
    for (int i = 0; i < GUESSES; i++) {
        char header[80];
        (void)snprintf(header, sizeof header, "Authorization: Bearer guess%d\r\n", i);
        HttpAnswer answer = http_ask(address, "GET", "/api/jobs", header, NULL);
        counts[answer.status == 401 ? 0 : answer.status == 429 ? 1 : 2]++;
        http_answer_free(&answer);
    }
    (void)printf("%d guesses: %d looked at, %d answered 429\n", GUESSES, counts[0], counts[1]);
    CHECK(test, counts[2] == 0);
    CHECK(test, counts[0] >= 1 && counts[0] <= GUESSES_CHECKED);
    // Who has a good one is not locked out by who guesses from the same address, even when it has just been made.
    add_token(test, "good", "read", "");
    expect(test, "good", "GET", "/api/jobs", NULL, 200, NULL);
    // Without a token nothing is guessed.
    CHECK(test, http_status(address, "GET", "/health", NULL) == 200);
    CHECK(test, http_status(address, "GET", "/api/jobs", NULL) == 401);
}

// --- S4: pages of other sites, in a browser of somebody who may

static const char JOB[] = "{\"job_type\": \"noop\"}";

static int ask_as_browser(const char *method, const char *target, const char *headers,
                          const char *body)
{
    HttpClient client;
    HttpAnswer answer = {0};
    StrBuf request = {0};
    strbuf_printf(&request,
                  "%s %s HTTP/1.1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                  target, headers, strlen(body), body);
    bool is_answered = http_connect(&client, address) &&
                       http_send(&client, request.text, request.length) &&
                       http_read(&client, &answer, 10000);
    int status = is_answered ? answer.status : 0;
    http_answer_free(&answer);
    http_close(&client);
    strbuf_free(&request);
    return status;
}

// DNS rebinding: the name is theirs, the address is ours.
static int ask_by_other_names(SystemTest *test)
{
    static const char *const hosts[] = {"evil.example.com", "127.0.0.1.evil.example.com:80",
                                        "localhost.evil.example.com", "[::2]"};
    enum { HOSTS = sizeof hosts / sizeof hosts[0] };
    char headers[256];
    for (int i = 0; i < HOSTS; i++) {
        (void)snprintf(headers, sizeof headers, "Host: %s\r\nContent-Type: application/json\r\n",
                       hosts[i]);
        CHECK(test, ask_as_browser("POST", "/api/jobs", headers, JOB) == 403);
        CHECK(test, ask_as_browser("GET", "/api/jobs", headers, "") == 403);
    }
    return 2 * HOSTS;
}

static void test_pages_of_other_sites(void **state)
{
    SystemTest *test = *state;
    static const char *const origins[] = {
        "Origin: https://evil.example.com\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: http://localhost.evil.example.com\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example.com\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: "
        "no-cors\r\n",
    };
    static const char *const types[] = {
        "Content-Type: application/json\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "",
    };
    char headers[512];
    int asked = 0;
    use_port();
    (void)run_with_api(test, 1, "auth: none");
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        for (size_t j = 0; j < sizeof types / sizeof types[0]; j++) {
            (void)snprintf(headers, sizeof headers, "Host: %s\r\n%s%s", address, origins[i],
                           types[j]);
            int status = ask_as_browser("POST", "/api/jobs", headers, JOB);
            asked++;
            if (status != 403 && status != 415) {
                (void)fprintf(stderr, "%s: %d\n", headers, status);
                system_fail(test, "403 or 415");
            }
        }
    }
    for (size_t j = 1; j < sizeof types / sizeof types[0];
         j++) { // a form of an old browser says nothing of where it comes from
        (void)snprintf(headers, sizeof headers, "Host: %s\r\n%s", address, types[j]);
        CHECK(test, ask_as_browser("POST", "/api/jobs", headers, JOB) == 415);
        asked++;
    }
    asked += ask_by_other_names(test);
    (void)printf("%d requests of other sites: none served\n", asked);
    CHECK(test, asked >= 30);
    sql_check(test, "(select count(*) = 0 from ganger.jobs)");
    // Our own page's request, and that of a program.
    (void)snprintf(headers, sizeof headers,
                   "Host: %s\r\nOrigin: http://%s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: "
                   "application/json\r\n",
                   address, address);
    CHECK(test, ask_as_browser("POST", "/api/jobs", headers, JOB) == 201);
    CHECK(test, http_status(address, "POST", "/api/jobs", JOB) == 201);
}

// A link or an image can only GET: that changes nothing.
static void test_get_changes_nothing(void **state)
{
    SystemTest *test = *state;
    size_t count = 0;
    const Route *routes = route_table(&count);
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none");
    test_db_run(test->conn, "select ganger.enqueue('noop', run_at => now() + interval '1 hour'), "
                            "ganger.create_token('1'), ganger.set_queue('1', concurrency => 3)");
    test_db_run(test->conn, "create table before as select id, status, attempts, xmin::text as "
                            "version from ganger.job");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].method, "GET") == 0 && routes[i].kind != ROUTE_EVENTS) {
            int status = ask_route(&routes[i], NULL);
            if (status < 200 || status >= 500) {
                (void)fprintf(stderr, "GET %s: %d\n", routes[i].pattern, status);
                system_fail(test, "an answer");
            }
        }
    }
    sql_check(test, "(select count(*) = 0 from (select id, status, attempts, xmin::text from "
                    "ganger.job except select * from before) d)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_revoked_token, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_new_token, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_beside_unknown_tokens, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_guessing, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_other_sites, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_get_changes_nothing, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_access", tests, NULL, NULL);
}
