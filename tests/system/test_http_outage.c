// SPDX-License-Identifier: MIT
// F60: the database goes away under the HTTP API, and comes back.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/http_load.h"
#include "tests/support/http_operation.h"
#include "tests/support/private_cluster.h"

static Daemon *configure(SystemTest *test)
{
    use_port();
    const DaemonOptions options = api_options(1, "auth: none");
    return daemon_configure(test, "web", &options);
}

static void reconnect(SystemTest *test)
{
    PQfinish(test->conn);
    test->conn = test_db_connect(&test->db);
}

// No answer is late, none is a 500, and a client is told when to come again.
static void check_while_down(SystemTest *test)
{
    HttpLoad load = {0};
    char value[32];
    CHECK(test, http_await(address, "/ready", 503, DAEMON_PATIENCE_MS));
    for (int i = 0; i < 8; i++) {
        http_load_run(&load, address, "GET", "/health", NULL, 200, 1);
        http_load_run(&load, address, "GET", "/ready", NULL, 503, 1);
        http_load_run(&load, address, "GET", "/api/jobs", NULL, 503, 1);
        http_load_run(&load, address, "POST", "/api/jobs", "{\"job_type\": \"noop\"}", 503, 1);
    }
    int64_t p99_us = http_load_percentile(&load, 99);
    (void)printf("p99 of %zu answers without a database: %" PRId64 " us\n", load.count, p99_us);
    CHECK(test, load.wrong == 0);
    CHECK(test, p99_us < slow_ms(1000) * 1000);
    http_load_free(&load);
    HttpAnswer answer = http_ask(address, "POST", "/api/jobs", NULL, "{\"job_type\": \"noop\"}");
    CHECK(test, http_header(&answer, "retry-after", value, sizeof value));
    CHECK(test, strtol(value, NULL, 10) >= 1);
    CHECK(test, http_header(&answer, "content-type", value, sizeof value));
    assert_string_equal(value, "application/problem+json");
    http_answer_free(&answer);
}

// While the schema is being made a client is told to come again, not that it has asked for what does not exist.
static void check_schema_incomplete(SystemTest *test)
{
    char value[32];
    test_db_run(test->conn, "alter function ganger._api_batches rename to _api_not_yet");
    HttpAnswer answer = http_ask(address, "GET", "/api/batches", NULL, NULL);
    test_db_run(test->conn, "alter function ganger._api_not_yet rename to _api_batches");
    CHECK(test, answer.status == 503 && strstr(answer.body, "\"schema\"") != NULL);
    CHECK(test, http_header(&answer, "retry-after", value, sizeof value));
    http_answer_free(&answer);
    CHECK(test, http_status(address, "GET", "/api/batches", NULL) == 200);
}

static void test_goes_and_comes(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = configure(test);
    daemon_start(daemon);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    CHECK(test, http_status(address, "POST", "/api/jobs", "{\"job_type\": \"noop\"}") == 201);
    private_cluster("halt");
    check_while_down(test);
    private_cluster("resume");
    reconnect(test);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    CHECK(test, http_status(address, "POST", "/api/jobs", "{\"job_type\": \"noop\"}") == 201);
    sql_await(test, "(select count(*) = 2 from ganger.jobs where status = 'completed')");
    check_schema_incomplete(test);
}

// It answers before there ever was a database: that there is none.
static void test_down_at_start(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = configure(test);
    private_cluster("halt");
    daemon_start(daemon);
    bool is_there = http_await(address, "/health", 200, DAEMON_PATIENCE_MS);
    bool is_unready = http_await(address, "/ready", 503, DAEMON_PATIENCE_MS);
    private_cluster("resume");
    reconnect(test);
    CHECK(test, is_there && is_unready);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_goes_and_comes, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_down_at_start, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_outage", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
