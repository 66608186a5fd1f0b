// SPDX-License-Identifier: MIT
// The operations of the HTTP API against the real server: who may do what, for every route and every scope; what a bound token reaches; the
// life of jobs as clients see it.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_operation.h"
#include "tests/support/http_routes.h"

// --- who may do what

static const char *const SCOPE_WORDS[] = {
    [SCOPE_NONE] = "none", [SCOPE_READ] = "read",       [SCOPE_ENQUEUE] = "enqueue",
    [SCOPE_WORK] = "work", [SCOPE_OPERATE] = "operate", [SCOPE_ADMIN] = "admin"};
// The last three are worth nothing, or not everything.
static const char *const TOKENS[] = {"gng_read",  "gng_enqueue", "gng_work",    "gng_operate",
                                     "gng_admin", "gng_bound",   "gng_expired", "gng_unknown"};
enum { SCOPED_TOKENS = 5 };

// What the token of TOKENS[which] is to get: 401, 403, or 0 = anything but these and 5xx.
static int wanted_status(const Route *route, int which)
{
    if (route->scope == SCOPE_NONE) {
        return 0;
    }
    if (which < 0 || strcmp(TOKENS[which], "gng_expired") == 0 ||
        strcmp(TOKENS[which], "gng_unknown") == 0) {
        return 401;
    }
    if (strcmp(TOKENS[which], "gng_bound") == 0) {
        return (route->flags & ROUTE_BOUND) != 0 ? 0 : 403;
    }
    return strcmp(TOKENS[which], "gng_admin") == 0 ||
                   strcmp(TOKENS[which] + 4, SCOPE_WORDS[route->scope]) == 0
               ? 0
               : 403;
}

static bool try_route(const Route *route, int which)
{
    char target[256];
    int wanted = wanted_status(route, which);
    if (wanted == 0 && route->kind == ROUTE_EVENTS) {
        return true; // has no end
    }
    route_target(route, "2", "thing", target, sizeof target);
    bool has_body = (route->flags & ROUTE_BODY) != 0;
    HttpAnswer answer =
        ask(which < 0 ? NULL : TOKENS[which], route->method, target, has_body ? "{}" : NULL);
    bool is_well = wanted != 0 ? answer.status == wanted
                               : answer.status >= 200 && answer.status < 500 &&
                                     answer.status != 401 && answer.status != 403;
    if (!is_well) {
        (void)fprintf(stderr, "%s %s with %s: %d, not %d: %.300s\n", route->method, target,
                      which < 0 ? "no token" : TOKENS[which], answer.status, wanted, answer.body);
    }
    http_answer_free(&answer);
    return is_well;
}

static void test_every_route_and_scope(void **state)
{
    SystemTest *test = *state;
    size_t count = 0;
    size_t tried = 0;
    size_t wrong = 0;
    const Route *routes = route_table(&count);
    int tokens = (int)(sizeof TOKENS / sizeof TOKENS[0]);
    add_token(test, "gng_first", "read", "");
    add_token(test, "gng_second", "read", ""); // its id is 2: one of the routes revokes it
    for (int i = 0; i < SCOPED_TOKENS; i++) {
        add_token(test, TOKENS[i], TOKENS[i] + 4, "");
    }
    add_token(test, "gng_bound", "admin", ", owner => 'shop', queues => '{shop}'");
    add_token(test, "gng_expired", "admin", "");
    test_db_run(test->conn,
                "update ganger.api_token set expires_at = now() where name = 'gng_expired'");
    CHECK(test, job_add(test, "'x', queue => 'outside'") == 2);
    test_db_run(test->conn, "select ganger.create_schedule('thing', '@daily', 'x'), "
                            "ganger.create_batch('thing', 'x', '[1]'),"
                            " ganger.set_queue('thing', 3)");
    use_socket(test);
    (void)run_with_api(test, 1, "auth: tokens");
    for (size_t i = 0; i < count; i++) {
        for (int which = -1; which < tokens; which++) {
            wrong += try_route(&routes[i], which) ? 0 : 1;
            tried++;
        }
    }
    (void)printf("%zu routes, %zu requests, %zu answered wrong\n", count, tried, wrong);
    CHECK(test, wrong == 0);
}

// A token made by an administrator over HTTP works, and no longer once it was revoked.
static void test_tokens_come_and_go(void **state)
{
    SystemTest *test = *state;
    char secret[128] = "";
    add_token(test, "gng_root", "admin", "");
    use_socket(test);
    Daemon *daemon = run_with_api(test, 1, "auth: tokens");
    expect(test, "gng_nobody", "GET", "/api/jobs", NULL, 401, "\"status\": 401");
    HttpAnswer made =
        ask("gng_root", "POST", "/api/api-tokens", "{\"name\": \"ci\", \"scopes\": [\"read\"]}");
    assert_int_equal(made.status, 201);
    const char *at = strstr(made.body, "\"gng_");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"%127[^\"]\"", secret), 1);
    http_answer_free(&made);
    CHECK(test, await_status(secret, 200));
    expect(test, secret, "POST", "/api/jobs", "{\"job_type\": \"noop\"}", 403, "enqueue");
    expect(test, "gng_root", "DELETE", "/api/api-tokens/2", NULL, 204, NULL);
    CHECK(test, await_status(secret, 401));
    expect(test, "gng_root", "DELETE", "/api/api-tokens/2", NULL, 404, NULL);
    assert_int_equal(daemon_log_count(daemon, secret), 0);
    assert_int_equal(daemon_log_count(daemon, "gng_root"), 0);
    sql_check(test, "(select count(*) = 0 from ganger.api_token t where t::text like '%%%s%%')",
              secret);
}

// --- what a bound token reaches

static void test_bound_tokens(void **state)
{
    SystemTest *test = *state;
    char target[64];
    add_token(test, "gng_shop", "read,enqueue,operate", ", owner => 'shop'");
    add_token(test, "gng_mail", "read,enqueue,operate,work", ", queues => '{mail}'");
    int64_t of_shop = job_add(test, "'x', queue => 'outside', owner => 'shop'");
    int64_t other = job_add(test, "'x', queue => 'outside', owner => 'other'");
    (void)job_add(test, "'x', queue => 'mail'");
    use_socket(test);
    (void)run_with_api(test, 1, "auth: tokens");
    expect(test, "gng_shop", "GET", "/api/jobs", NULL, 200, "\"total\":1,");
    expect(test, "gng_mail", "GET", "/api/jobs", NULL, 200, "\"total\":1,");
    expect(test, "gng_shop", "GET", "/api/jobs?owner=other", NULL, 200, "\"total\":0,");
    (void)snprintf(target, sizeof target, "/api/jobs/%lld", (long long)of_shop);
    expect(test, "gng_shop", "GET", target, NULL, 200, "\"owner\":\"shop\"");
    expect(test, "gng_shop", "PATCH", target, "{\"priority\": 3}", 200, "\"priority\":3");
    expect(test, "gng_shop", "PATCH", target, "{\"owner\": \"other\"}", 403,
           "\"field\": \"owner\"");
    (void)snprintf(target, sizeof target, "/api/jobs/%lld", (long long)other);
    expect(test, "gng_shop", "GET", target, NULL, 404, NULL);
    expect(test, "gng_shop", "PATCH", target, "{\"priority\": 3}", 404, NULL);
    (void)snprintf(target, sizeof target, "/api/jobs/%lld/cancel", (long long)other);
    expect(test, "gng_shop", "POST", target, NULL, 404, NULL);
    expect(test, "gng_shop", "POST", "/api/jobs", "{\"job_type\": \"x\", \"queue\": \"outside\"}",
           201, "\"owner\":\"shop\"");
    expect(test, "gng_shop", "POST", "/api/jobs", "{\"job_type\": \"x\", \"owner\": \"other\"}",
           403, "\"field\": \"owner\"");
    expect(test, "gng_mail", "POST", "/api/jobs", "{\"job_type\": \"x\"}", 403,
           "\"field\": \"queue\"");
    expect(test, "gng_mail", "POST", "/api/claim", "{\"worker\": \"w\", \"queues\": [\"outside\"]}",
           403, NULL);
    expect(test, "gng_mail", "POST", "/api/claim", "{\"worker\": \"w\", \"queues\": [\"mail\"]}",
           200, "\"lease_id\"");
    sql_check(test, "(select count(*) = 1 from ganger.jobs where status = 'processing')");
    // what a token has said of itself does not stay on the connection
    sql_check(test, "(select status = 'pending' from ganger.jobs where id = %lld)",
              (long long)other);
}

// --- the life of jobs

static void test_life_of_a_job(void **state)
{
    SystemTest *test = *state;
    char etag[80] = "";
    char more[256];
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none");
    HttpAnswer made =
        ask(NULL, "POST", "/api/jobs", "{\"job_type\": \"echo\", \"payload\": {\"a\": 1}}");
    char location[64] = "";
    assert_int_equal(made.status, 201);
    CHECK(test, http_header(&made, "location", location, sizeof location));
    http_answer_free(&made);
    job_await(test, strtoll(strrchr(location, '/') + 1, NULL, 10), "completed");
    HttpAnswer got = ask(NULL, "GET", location, NULL);
    CHECK(test, strstr(got.body, "\"output\":{\"a\": 1}") != NULL);
    CHECK(test, http_header(&got, "etag", etag, sizeof etag));
    http_answer_free(&got);
    (void)snprintf(more, sizeof more, "If-None-Match: %s\r\n", etag);
    got = http_ask(address, "GET", location, more, NULL);
    assert_int_equal(got.status, 304);
    assert_int_equal(got.body_length, 0);
    http_answer_free(&got);
    got = http_ask(address, "DELETE", location, "If-Match: \"another\"\r\n", NULL);
    assert_int_equal(got.status, 412);
    http_answer_free(&got);
    (void)snprintf(more, sizeof more, "If-Match: %s\r\n", etag);
    got = http_ask(address, "DELETE", location, more, NULL);
    assert_int_equal(got.status, 204);
    http_answer_free(&got);
    expect(test, NULL, "GET", location, NULL, 404, "\"code\": \"not_found\"");
}

// The paths and bodies of the two HTTP queues that ganger stands in for.
static void test_other_names(void **state)
{
    SystemTest *test = *state;
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none");
    expect(test, NULL, "POST", "/api/jobs/",
           "{\"job_type\": \"echo\", \"request_data\": {\"a\": 1}, \"priority\": 5}", 201,
           "\"payload\":{\"a\": 1}");
    expect(test, NULL, "GET", "/api/jobs/", NULL, 200, "\"jobs\":[{");
    expect(test, NULL, "GET", "/api/jobs/2", NULL, 200, "\"priority\":5");
    job_await(test, 2, "completed");
    expect(test, NULL, "PUT", "/api/jobs/2", "{\"request_data\": 1}", 409, "only pending jobs");
    expect(test, NULL, "GET", "/api/jobs/stats", NULL, 200, "\"job_types\"");
    expect(test, NULL, "GET", "/api/throughput?since=5", NULL, 400, "\"field\": \"since\"");
    expect(test, NULL, "GET", "/api/throughput?since=1h&since=2h", NULL, 400, "several times");
    expect(test, NULL, "GET", "/api/throughput?step=x", NULL, 400, "\"field\": \"step\"");
    expect(test, NULL, "GET", "/api/throughput?since=40days", NULL, 400, "\"field\": \"since\"");
    expect(test, NULL, "GET", "/api/throughput?by_type=maybe", NULL, 400, "\"field\": \"by_type\"");
    expect(test, NULL, "GET", "/api/failures?limit=x", NULL, 400, "\"field\": \"limit\"");
    expect(test, NULL, "GET", "/api/failures?since=5", NULL, 400, "\"field\": \"since\"");
    expect(test, NULL, "GET", "/api/jobs/stats/echo", NULL, 200, "\"total\": 1");
    expect(test, NULL, "POST", "/api/v1/collections/jobs",
           "{\"type\": \"noop\", \"metadata\": {\"b\": 2}, \"queue\": \"outside\"}", 201,
           "\"metadata\":{\"b\": 2}");
    expect(test, NULL, "GET", "/api/v1/collections/jobs", NULL, 200, "\"job_type\":\"noop\"");
    expect(test, NULL, "GET", "/api/v1/collections/jobs?job_type=noop", NULL, 200, "\"total\":1,");
    HttpAnswer claimed =
        ask(NULL, "POST", "/api/claim", "{\"worker\": \"w\", \"queues\": [\"outside\"]}");
    char lease[64] = "";
    long long id = 0;
    // NOLINTNEXTLINE(cert-err34-c): what the server wrote
    assert_int_equal(sscanf(claimed.body, "[{\"id\":%lld,\"lease_id\":\"%63[^\"]\"", &id, lease),
                     2);
    http_answer_free(&claimed);
    char target[80];
    char body[160];
    (void)snprintf(target, sizeof target, "/api/jobs/%lld/progress", id);
    (void)snprintf(body, sizeof body,
                   "{\"lease_id\": \"%s\", \"progress\": 40, \"message\": \"half\"}", lease);
    expect(test, NULL, "POST", target, body, 200, NULL);
    expect(test, NULL, "GET", target, NULL, 200, "\"progress\" : 40");
    (void)snprintf(target, sizeof target, "/api/jobs/%lld/complete", id);
    (void)snprintf(body, sizeof body, "{\"lease_id\": \"%s\"}", lease);
    expect(test, NULL, "POST", target, body, 200, NULL);
    (void)snprintf(target, sizeof target, "/api/jobs/%lld/heartbeat", id);
    expect(test, NULL, "POST", target, body, 409, "stale_lease");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route_and_scope, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_tokens_come_and_go, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_bound_tokens, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_life_of_a_job, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_other_names, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_api", tests, NULL, NULL);
}
