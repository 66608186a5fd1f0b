// SPDX-License-Identifier: MIT
// Tests of who may ask: pages of other sites, wrong tokens, scopes; and of what an error becomes.
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/origin.h"
#include "api/problem.h"
#include "api/throttle.h"
#include "api/token_cache.h"
#include "tests/support/unit.h"

static char name_one[] = "ganger.example.com";
static char name_two[] = "10.0.0.5:8080";
static char name_three[] = "127.0.0.1:8080";
static char *names[] = {name_one, name_two, name_three};
static const StringList OURS = {names, 3};

static bool may_read(const char *host, bool is_unix)
{
    const OriginRequest request = {
        .is_open = true, .is_read = true, .is_unix = is_unix, .host = host, .hosts = &OURS};
    return origin_problem(&request) == NULL;
}

static void test_hosts_that_are_ours(void **state)
{
    (void)state;
    static const char *const good[] = {
        "localhost",          "LOCALHOST:8080",         "127.0.0.1:1",   "127.8.8.8", "[::1]:8080",
        "ganger.example.com", "Ganger.Example.com:443", "10.0.0.5:8080", "10.0.0.5"};
    static const char *const bad[] = {"evil.example.com",
                                      "localhost.evil.com",
                                      "127.0.0.1.evil.com",
                                      "[::2]",
                                      "10.0.0.6",
                                      "",
                                      "ganger.example.com.",
                                      "0x7f.1",
                                      "2130706433"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(may_read(good[i], false));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(may_read(bad[i], false));
        assert_true(may_read(bad[i], true));
    }
    assert_true(may_read(NULL, false));
    const OriginRequest with_token = {.is_read = true, .host = "evil.example.com", .hosts = &OURS};
    assert_null(origin_problem(&with_token));
}

static bool may_write(const char *origin, const char *fetch_site, bool is_open)
{
    const OriginRequest request = {.is_open = is_open,
                                   .host = "127.0.0.1:8080",
                                   .origin = origin,
                                   .fetch_site = fetch_site,
                                   .hosts = &OURS};
    return origin_problem(&request) == NULL;
}

static void test_writes_of_other_sites(void **state)
{
    (void)state;
    for (int is_open = 0; is_open <= 1; is_open++) {
        assert_true(may_write(NULL, NULL, is_open != 0));
        assert_true(may_write("http://127.0.0.1:8080", "same-origin", is_open != 0));
        assert_true(may_write(NULL, "none", is_open != 0));
        assert_true(may_write("https://ganger.example.com", NULL, is_open != 0));
        assert_true(may_write("https://ganger.example.com:8443", NULL, is_open != 0));
        assert_false(may_write("http://127.0.0.1:8081", NULL, is_open != 0));
        assert_false(may_write("http://127.0.0.1", NULL, is_open != 0));
        assert_false(may_write("http://10.0.0.5:8081", NULL, is_open != 0));
        assert_false(may_write("http://evil.example.com", NULL, is_open != 0));
        assert_false(may_write("null", NULL, is_open != 0));
        assert_false(may_write("", NULL, is_open != 0));
        assert_false(may_write(NULL, "cross-site", is_open != 0));
        assert_false(may_write(NULL, "same-site", is_open != 0));
        assert_false(may_write("http://127.0.0.1:8080", "cross-site", is_open != 0));
    }
}

static void test_tries(void **state)
{
    (void)state;
    Throttle *throttle = throttle_create();
    for (int i = 0; i < THROTTLE_TRIES; i++) {
        assert_int_equal(throttle_wait_ms(throttle, "10.0.0.1", 1000 + i), 0);
        throttle_note(throttle, "10.0.0.1", 1000 + i);
    }
    assert_int_equal(throttle_wait_ms(throttle, "10.0.0.1", 2000), THROTTLE_PERIOD_MS - 1000);
    assert_int_equal(throttle_wait_ms(throttle, "10.0.0.2", 2000), 0);
    assert_int_equal(throttle_wait_ms(throttle, "10.0.0.1", 1000 + THROTTLE_PERIOD_MS), 0);
    throttle_note(throttle, "10.0.0.1", 1000 + THROTTLE_PERIOD_MS);
    assert_int_equal(throttle_wait_ms(throttle, "10.0.0.1", 1001 + THROTTLE_PERIOD_MS), 0);
    for (int i = 0; i < 2 * THROTTLE_TRIES; i++) {
        throttle_note(throttle, "", 1000);
    }
    assert_int_equal(throttle_wait_ms(throttle, "", 1000), 0); // unix sockets are all alike
    throttle_destroy(throttle);
}

// However many addresses try: the table is bounded, and one that is tried again and again stays in it.
static void test_many_addresses(void **state)
{
    (void)state;
    Throttle *throttle = throttle_create();
    int64_t now = 1000;
    for (int i = 0; i < THROTTLE_TRIES; i++) {
        throttle_note(throttle, "10.0.0.1", now++);
    }
    for (int i = 0; i < THROTTLE_ADDRESSES - 1; i++) {
        char *address = mem_printf("2001:db8::%x", (unsigned)i);
        throttle_note(throttle, address, now++);
        free(address);
    }
    assert_true(throttle_wait_ms(throttle, "10.0.0.1", now) > 0);
    throttle_note(throttle, "10.9.9.9", now++);
    assert_int_equal(throttle_wait_ms(throttle, "10.0.0.1", now), 0);
    throttle_destroy(throttle);
}

static void test_scopes(void **state)
{
    (void)state;
    for (int scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++) {
        assert_int_equal(scope_parse(scope_name((Scope)scope)), scope);
        assert_true(scope_is_granted(1U << SCOPE_ADMIN, (Scope)scope));
        assert_false(scope_is_granted(0, (Scope)scope));
        for (int other = SCOPE_READ; other < SCOPE_ADMIN; other++) {
            assert_int_equal(scope_is_granted(1U << other, (Scope)scope), other == scope);
        }
    }
    assert_true(scope_is_granted(0, SCOPE_NONE));
    assert_int_equal(scope_parse("Read"), SCOPE_NONE);
    assert_int_equal(scope_parse(""), SCOPE_NONE);
    assert_string_equal(scope_role(SCOPE_OPERATE), "ganger_operator");
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        int status;
    } expected[] = {{"22023", 400}, {"22P02", 400}, {"23505", 409}, {"23514", 400}, {"42501", 403},
                    {"42704", 404}, {"0A000", 400}, {"57014", 503}, {"55P03", 503}, {"53300", 503},
                    {"57P01", 503}, {"GG002", 409}, {"XX000", 500}, {"42601", 500}, {"", 500}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(problem_status(expected[i].sqlstate), expected[i].status);
    }
    StrBuf text = {0};
    const Problem problem = {
        .status = 400, .code = "22023", .detail = "a \"b\"\n", .field = "priority"};
    problem_write(&text, &problem);
    assert_string_equal(
        text.text,
        "{\"type\": \"about:blank\", \"title\": \"Bad Request\", \"status\": 400, "
        "\"detail\": \"a \\\"b\\\"\\n\", \"field\": \"priority\", \"code\": \"22023\"}\n");
    strbuf_free(&text);
}

static void test_etags(void **state)
{
    (void)state;
    assert_true(answer_is_known("\"a\"", "\"a\""));
    assert_true(answer_is_known("W/\"a\"", "\"a\""));
    assert_true(answer_is_known("\"b\", \"a\"", "W/\"a\""));
    assert_true(answer_is_known("*", "\"a\""));
    assert_false(answer_is_known("\"ab\"", "\"a\""));
    assert_false(answer_is_known("\"b\"", "\"a\""));
    assert_false(answer_is_known("a", "\"a\""));
    assert_false(answer_is_known("", "\"a\""));
    assert_false(answer_is_known(", ,", "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_that_are_ours),
        cmocka_unit_test(test_writes_of_other_sites),
        cmocka_unit_test(test_tries),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_etags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
