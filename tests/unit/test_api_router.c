// SPDX-License-Identifier: MIT
// Tests of targets and routes: what a path means, and what is refused.
#include "api/router.h"

#include <string.h>

#include "tests/support/unit.h"

static const Route ROUTES[] = {
    {.method = "GET", .pattern = "/api/jobs"},
    {.method = "POST", .pattern = "/api/jobs"},
    {.method = "GET", .pattern = "/api/jobs/{id}"},
    {.method = "GET", .pattern = "/api/jobs/stats"},
    {.method = "GET", .pattern = "/api/jobs/stats/{job_type}"},
    {.method = "POST", .pattern = "/api/jobs/{id}/cancel"},
    {.method = "GET", .pattern = "/api/queues/{queue}"},
    {.method = "GET", .pattern = "/api/queues/all"},
};

static RouterOutcome find(const char *method, const char *path, RouterMatch *match, Target *target)
{
    const char *why = NULL;
    assert_true(target_parse(target, path, &why));
    return router_find(ROUTES, sizeof ROUTES / sizeof ROUTES[0], method, target, match);
}

static void assert_found(const char *method, const char *path, int index)
{
    RouterMatch match;
    Target target;
    assert_int_equal(find(method, path, &match, &target), ROUTER_FOUND);
    assert_ptr_equal(match.route, &ROUTES[index]);
    target_free(&target);
}

static void assert_outcome(const char *method, const char *path, RouterOutcome expected)
{
    RouterMatch match;
    Target target;
    assert_int_equal(find(method, path, &match, &target), expected);
    target_free(&target);
}

static void test_routes(void **state)
{
    (void)state;
    assert_found("GET", "/api/jobs", 0);
    assert_found("HEAD", "/api/jobs", 0);
    assert_found("GET", "/api/jobs/?limit=3", 0);
    assert_found("POST", "/api/jobs/", 1);
    assert_found("GET", "/api/jobs/17", 2);
    assert_found("GET", "/api/jobs/stats", 3);
    assert_found("GET", "/api/jobs/stats/echo", 4);
    assert_found("POST", "/api/jobs/9223372036854775807/cancel", 5);
    assert_found("GET", "/api/queues/all", 7); // the plain one before a {name}
    assert_found("GET", "/api/queues/a%2Fb", 6);
    assert_outcome("GET", "/api", ROUTER_NONE);
    assert_outcome("GET", "/api/jobs/17/cancel/x", ROUTER_NONE);
    assert_outcome("GET", "/", ROUTER_NONE);
    assert_outcome("GET", "/API/jobs", ROUTER_NONE);
}

static void test_ids(void **state)
{
    (void)state;
    static const char *const bad[] = {"/api/jobs/0",    "/api/jobs/-1",
                                      "/api/jobs/01",   "/api/jobs/1.5",
                                      "/api/jobs/x",    "/api/jobs/9223372036854775808",
                                      "/api/jobs/%201", "/api/jobs/1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_outcome("GET", bad[i], ROUTER_BAD_ID);
    }
}

static void test_methods(void **state)
{
    (void)state;
    RouterMatch match;
    Target target;
    assert_int_equal(find("DELETE", "/api/jobs", &match, &target), ROUTER_METHOD);
    assert_string_equal(match.allow, "GET, POST, HEAD");
    target_free(&target);
    assert_int_equal(find("GET", "/api/jobs/1/cancel", &match, &target), ROUTER_METHOD);
    assert_string_equal(match.allow, "POST");
    target_free(&target);
}

static void test_variables(void **state)
{
    (void)state;
    RouterMatch match;
    Target target;
    assert_int_equal(find("GET", "/api/queues/a%2Fb%20%C3%BC+", &match, &target), ROUTER_FOUND);
    assert_int_equal(match.variable_count, 1);
    assert_string_equal(match.variables[0].name, "queue");
    assert_string_equal(match.variables[0].value, "a/b ü+");
    target_free(&target);
}

static void test_targets_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "*",         "http://a/", "api",    "/a b",
        "/a#b",  "/\xc3\xbc", "/a%",       "/a%2",   "/a%zz",
        "/a%00", "/a%ff",     "/a%c3",     "/a//b",  "//a",
        "/./a",  "/a/..",     "/%2e%2e/a", "/a/%2e", "/?a=%00",
        "/?a=%", "/?%ff=1",   "/a\x7f",    "/a\x01", "/1/2/3/4/5/6/7/8/9/10/11/12/13",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        Target target;
        const char *why = NULL;
        assert_false(target_parse(&target, bad[i], &why));
        assert_non_null(why);
        assert_null(target.text);
    }
}

static void test_query(void **state)
{
    (void)state;
    Target target;
    const char *why = NULL;
    assert_true(
        target_parse(&target, "/a?status=failed&status=pending&q=a+b%26c&&empty=&bare&=x", &why));
    assert_int_equal(target.segment_count, 1);
    assert_string_equal(target_query(&target, "status", 0), "failed");
    assert_string_equal(target_query(&target, "status", 1), "pending");
    assert_null(target_query(&target, "status", 2));
    assert_string_equal(target_query(&target, "q", 0), "a b&c");
    assert_string_equal(target_query(&target, "empty", 0), "");
    assert_string_equal(target_query(&target, "bare", 0), "");
    assert_string_equal(target_query(&target, "", 0), "x");
    assert_null(target_query(&target, "nothing", 0));
    target_free(&target);
}

static void test_query_is_bounded(void **state)
{
    (void)state;
    char text[1024] = "/a?";
    for (int i = 0; i < TARGET_PAIR_MAX; i++) {
        strncat(text, "a=1&", sizeof text - strlen(text) - 1);
    }
    Target target;
    const char *why = NULL;
    assert_true(target_parse(&target, text, &why));
    target_free(&target);
    strncat(text, "a=1", sizeof text - strlen(text) - 1);
    assert_false(target_parse(&target, text, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),           cmocka_unit_test(test_ids),
        cmocka_unit_test(test_methods),          cmocka_unit_test(test_variables),
        cmocka_unit_test(test_targets_refused),  cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
