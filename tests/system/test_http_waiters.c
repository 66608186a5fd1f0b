// SPDX-License-Identifier: MIT
// ?wait: an answer that comes when the job has ended, or its time is over.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "tests/support/http_operation.h"

enum { MANY = 200, WAITERS_MAX = 1000 };

static int run(void **state)
{
    int status = system_setup(state);
    use_port();
    (void)run_with_api(*state, 2, "auth: none, connections: 3");
    return status;
}

static HttpAnswer ask_for(int64_t id, const char *wait)
{
    char target[96];
    (void)snprintf(target, sizeof target, "/api/jobs/%" PRId64 "?wait=%s", id, wait);
    return http_ask(address, "GET", target, NULL, NULL);
}

static void expect_answer(SystemTest *test, HttpAnswer *answer, int status, const char *part)
{
    if (answer->status != status || strstr(answer->body, part) == NULL) {
        (void)printf("%d %s\n", answer->status, answer->body);
    }
    CHECK(test, answer->status == status && strstr(answer->body, part) != NULL);
    http_answer_free(answer);
}

static void test_get_waits_for_the_end(void **state)
{
    SystemTest *test = *state;
    int64_t at = clock_boot_ms();
    int64_t id = journal_add(test, 1500, NULL, NULL);
    HttpAnswer answer = ask_for(id, "30s");
    int64_t took = clock_boot_ms() - at;
    char etag[64];
    CHECK(test, http_header(&answer, "ETag", etag, sizeof etag));
    expect_answer(test, &answer, 200, "\"status\":\"completed\"");
    CHECK(test, took >= 1000 && took < slow_ms(15000));
    at = clock_boot_ms();
    answer = ask_for(id, "30s"); // has ended long since
    expect_answer(test, &answer, 200, "\"status\":\"completed\"");
    CHECK(test, clock_boot_ms() - at < slow_ms(5000));
}

static void test_time_is_over(void **state)
{
    SystemTest *test = *state;
    int64_t id = job_add(test, "'noop', run_at => now() + '1 day'");
    int64_t at = clock_boot_ms();
    HttpAnswer answer = ask_for(id, "1s");
    int64_t took = clock_boot_ms() - at;
    expect_answer(test, &answer, 200, "\"status\":\"pending\"");
    CHECK(test, took >= 1000 && took < slow_ms(10000));
}

static void test_what_is_not_waited_for(void **state)
{
    SystemTest *test = *state;
    int64_t at = clock_boot_ms();
    HttpAnswer answer = ask_for(987654321, "60s");
    expect_answer(test, &answer, 404, "not_found");
    static const char *const wrong[] = {"0s", "999ms", "61s", "soon", "30", "-1s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        answer = ask_for(1, wrong[i]);
        CHECK(test, strstr(answer.body, "\"code\": \"22023\"") != NULL);
        CHECK(test, strstr(answer.body, "\"field\": \"wait\"") != NULL);
        expect_answer(test, &answer, 400, "wait must be a duration between 1s and 60s");
    }
    answer = http_ask(address, "POST", "/api/jobs?wait=60s", NULL, "{\"job_type\": 7}");
    expect_answer(test, &answer, 400, "job_type");
    CHECK(test, clock_boot_ms() - at < slow_ms(10000));
}

static void test_post_waits_for_the_end(void **state)
{
    SystemTest *test = *state;
    char location[64];
    HttpAnswer answer =
        http_ask(address, "POST", "/api/jobs?wait=30s", NULL, "{\"job_type\": \"noop\"}");
    CHECK(test, http_header(&answer, "Location", location, sizeof location));
    expect_answer(test, &answer, 201, "\"status\":\"completed\"");
    CHECK(test, http_status(address, "GET", location, NULL) == 200);
    answer = http_ask(address, "POST", "/api/jobs?wait=1s", NULL,
                      "{\"job_type\": \"noop\", \"run_at\": \"2100-01-01T00:00Z\"}");
    CHECK(test, http_header(&answer, "Location", location, sizeof location));
    expect_answer(test, &answer, 202, "\"status\":\"pending\"");
    CHECK(test, http_status(address, "GET", location, NULL) == 200);
}

static void send_wait(HttpClient *client, int64_t id, const char *wait)
{
    char request[192];
    (void)snprintf(request, sizeof request,
                   "GET /api/jobs/%" PRId64 "?wait=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id,
                   wait);
    assert_true(http_connect(client, address));
    assert_true(http_send_text(client, request));
}

// With three connections to the database. Who has gone is forgotten; more than there is room for are refused, and nothing else is.
static void test_many_wait_together(void **state)
{
    SystemTest *test = *state;
    HttpClient *clients = mem_alloc((WAITERS_MAX + 1) * sizeof *clients);
    int64_t id = job_add(test, "'noop', run_at => now() + '1 day'");
    for (int i = 0; i < WAITERS_MAX; i++) {
        send_wait(&clients[i], id, "60s");
    }
    int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    HttpAnswer answer = ask_for(id, "1s");
    while (answer.status != 503 && clock_boot_ms() < until) { // until all have come in
        http_answer_free(&answer);
        answer = ask_for(id, "1s");
    }
    expect_answer(test, &answer, 503, "too_many_waiters");
    CHECK(test, http_status(address, "GET", "/api/jobs", NULL) == 200);
    for (int i = MANY; i < WAITERS_MAX; i++) {
        http_close(&clients[i]);
    }
    until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    int status = 503;
    while (status == 503 && clock_boot_ms() < until) { // until they are noticed to have gone
        answer = ask_for(id, "1s");
        status = answer.status;
        http_answer_free(&answer);
    }
    CHECK(test, status == 200);
    test_db_run(test->conn, "select ganger.cancel(%" PRId64 ")", id);
    int64_t at = clock_boot_ms();
    for (int i = 0; i < MANY; i++) {
        CHECK(test, http_read(&clients[i], &answer, DAEMON_PATIENCE_MS));
        expect_answer(test, &answer, 200, "\"status\":\"cancelled\"");
        http_close(&clients[i]);
    }
    (void)printf("%d answers %" PRId64 " ms after the end of their job\n", MANY,
                 clock_boot_ms() - at);
    free(clients);
}

// A new configuration, or the end of gangerd: who waits is told how it stands.
static void test_leaving_answers(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = &test->daemons[0];
    HttpClient client;
    int64_t id = job_add(test, "'noop', run_at => now() + '1 day'");
    send_wait(&client, id, "60s");
    sql_await(test,
              "(select count(*) > 0 from pg_stat_activity where application_name = 'ganger-api' "
              "and datname = current_database() and query like '%%_which_ended%%' and query_start "
              "> clock_timestamp() - interval '1 s')");
    daemon_signal(daemon, SIGTERM);
    HttpAnswer answer;
    CHECK(test, http_read(&client, &answer, DAEMON_PATIENCE_MS));
    expect_answer(test, &answer, 200, "\"status\":\"pending\"");
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    http_close(&client);
}

static int64_t statements_answered(SystemTest *test)
{
    static const char name[] = "\nganger_http_pool_statements_total{result=\"answered\"} ";
    HttpAnswer answer = http_ask(address, "GET", "/metrics", NULL, NULL);
    const char *at = strstr(answer.body, name);
    CHECK(test, at != NULL);
    int64_t count = at == NULL ? 0 : strtoll(at + sizeof name - 1, NULL, 10);
    http_answer_free(&answer);
    return count;
}

// It needs no token: the database is asked now and then, however many ask.
static void test_ready_is_kept(void **state)
{
    SystemTest *test = *state;
    int64_t before = statements_answered(test);
    int64_t at = clock_boot_ms();
    for (int i = 0; i < 2 * MANY; i++) {
        CHECK(test, http_status(address, "GET", "/ready", NULL) == 200);
    }
    int64_t took = clock_boot_ms() - at;
    int64_t asked = statements_answered(test) - before;
    (void)printf("%" PRId64 " statements for %d times /ready in %" PRId64 " ms\n", asked, 2 * MANY,
                 took);
    CHECK(test, asked <= took / 250 + MANY / 4);
}

// The job as it is, once the table `shown` has a row.
static void hold_job_get(SystemTest *test)
{
    test_db_run(
        test->conn,
        "create table shown (); grant select on shown to public;"
        "alter function ganger._api_get_job(jsonb, text) rename to _api_get_job_now;"
        "create function ganger._api_get_job(request jsonb, sent text) returns "
        "ganger._api_answer language plpgsql volatile as $$ begin "
        "while not exists (select from public.shown) loop perform pg_sleep(0.01); end loop; "
        "return ganger._api_get_job_now(request, sent); end $$");
}

// What is looked up while the process is leaving begins to wait no more.
static void test_leaving_before_the_first_answer(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = &test->daemons[0];
    HttpClient client;
    int64_t id = job_add(test, "'noop', run_at => now() + '1 day'");
    daemon_start(daemon);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    hold_job_get(test);
    send_wait(&client, id, "60s");
    sql_await(test, "(select count(*) > 0 from pg_stat_activity where application_name = "
                    "'ganger-api' and datname = current_database() and state = 'active' "
                    "and query like '%%_api_get_job%%')");
    int leavings = daemon_log_count(daemon, "http.leaving");
    daemon_signal(daemon, SIGTERM);
    int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    while (daemon_log_count(daemon, "http.leaving") == leavings && clock_boot_ms() < until) {
        pause_ms(5);
    }
    test_db_run(test->conn, "insert into shown default values");
    HttpAnswer answer;
    CHECK(test, http_read(&client, &answer, DAEMON_PATIENCE_MS));
    expect_answer(test, &answer, 200, "\"status\":\"pending\"");
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    http_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_waits_for_the_end),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_what_is_not_waited_for),
        cmocka_unit_test(test_post_waits_for_the_end),
        cmocka_unit_test(test_many_wait_together),
        cmocka_unit_test(test_ready_is_kept),
        cmocka_unit_test(test_leaving_answers),
        cmocka_unit_test(test_leaving_before_the_first_answer),
    };
    return cmocka_run_group_tests_name("http waiters", tests, run, system_teardown);
}
