// SPDX-License-Identifier: MIT
// Hostile and extreme input of the HTTP API: answered by a 4xx that says why, or taken as the text it is; nothing else happens.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/http_operation.h"

static void post_sized(SystemTest *test, size_t bytes, int status)
{
    static const char HEAD[] = "{\"job_type\": \"x\", \"queue\": \"outside\", \"payload\": \"";
    StrBuf body = {0};
    char *filler = mem_alloc(bytes + 1);
    memset(filler, 'a', bytes);
    filler[bytes] = '\0';
    strbuf_append(&body, HEAD);
    strbuf_append_bytes(&body, filler, bytes);
    strbuf_append(&body, "\"}");
    HttpAnswer answer = ask(NULL, "POST", "/api/jobs", body.text);
    if (answer.status != status) {
        (void)fprintf(stderr, "a payload of %zu bytes: %d %.300s\n", bytes, answer.status,
                      answer.body);
        system_fail(test, "the size of a payload");
    }
    http_answer_free(&answer);
    strbuf_free(&body);
    free(filler);
}

static void test_extremes(void **state)
{
    SystemTest *test = *state;
    static const char *const BODIES[] = {
        "{\"job_type\": \"x",
        "nonsense",
        "{\"job_type\": \"\\u0000\"}",
        "{\"job_type\": \"\\ud800\"}",
        "{\"job_type\": null}",
        "{\"job_type\": {}}",
        "{\"job_type\": \"x\", \"priority\": 1e400}",
        "{\"job_type\": \"x\", \"max_attempts\": -1}",
        "{\"job_type\": \"x\", \"run_at\": \"infinity\"}",
        "{\"job_type\": \"x\", \"depends_on\": [9223372036854775808]}",
        "{\"job_type\": \"x\", \"tags\": [[\"a\"]]}",
        "{\"job_type\": \"x\", \"timeout\": \"-1 s\"}",
        "{\"job_type\": \"x\", \"constructor\": {}}",
        "[]",
        "\"x\""};
    static const char *const TARGETS[] = {
        "/api/jobs?limit=0",      "/api/jobs?limit=99999999999999999999",
        "/api/jobs?after=1;drop", "/api/jobs?status='%20or%201=1",
        "/api/jobs?search=%5B",   "/api/jobs?created_after=%00x",
        "/api/jobs?sort=id"};
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none");
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++) {
        expect(test, NULL, "POST", "/api/jobs", BODIES[i], 400, "\"detail\"");
    }
    for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
        expect(test, NULL, "GET", TARGETS[i], NULL, 400, NULL);
    }
    expect(test, NULL, "GET", "/api/jobs/9223372036854775808", NULL, 404, NULL);
    expect(test, NULL, "GET", "/api/queues/..%2f..%2fetc%2fpasswd", NULL, 404, NULL);
    expect(test, NULL, "POST", "/api/queues/nowhere/resume", NULL, 404, "not_found");
    expect(test, NULL, "POST", "/api/job-types/nothing/resume", NULL, 404, "not_found");
    expect(test, NULL, "POST", "/api/job-types/something/pause", NULL, 200, "\"paused\"");
    expect(test, NULL, "POST", "/api/job-types/something/resume", NULL, 200, "\"paused\"");
    expect(test, NULL, "POST", "/api/queues/somewhere/pause", NULL, 200, "\"paused\"");
    expect(test, NULL, "POST", "/api/queues/somewhere/resume", NULL, 200, "\"paused\"");
    expect(test, NULL, "POST", "/api/queues/%27%3B%20drop%20schema%20ganger%3B--/pause", NULL, 200,
           "drop schema");
    CHECK(test, http_status(address, "POST", "/api/jobs", "{\"job_type\": \"\xff\xfe\"}") == 400);
    post_sized(test, (1U << 20) - 2, 201); // with its quotes just what a payload may have
    post_sized(test, (1U << 20) - 1, 400);
    StrBuf deep = {0};
    for (int i = 0; i < 200000; i++) {
        strbuf_append(&deep, "[");
    }
    expect(test, NULL, "POST", "/api/jobs", deep.text, 400, NULL);
    expect(test, NULL, "POST", "/api/jobs/bulk", deep.text, 400, NULL);
    strbuf_free(&deep);
    sql_check(test, "(select count(*) = 1 from ganger.jobs)");
    CHECK(test, http_status(address, "GET", "/ready", NULL) == 200);
}

// As a parameter, in a body, as a name in a path: each stays a text. (Percent-encoded whole.)
static void send_vector(SystemTest *test, const char *vector)
{
    static const char *const TARGETS[] = {"/api/jobs?job_type=%s",
                                          "/api/jobs?status=%s",
                                          "/api/jobs?search=%s",
                                          "/api/jobs?after=%s",
                                          "/api/jobs?tag=%s",
                                          "/api/jobs?owner=%s",
                                          "/api/jobs?created_after=%s",
                                          "/api/jobs/count?queue=%s",
                                          "/api/jobs/stats/%s",
                                          "/api/queues/%s",
                                          "/api/schedules/%s",
                                          "/api/batches/%s",
                                          "/api/tokens/%s",
                                          "/api/cron?cron=%s",
                                          "/api/jobs?limit=%s",
                                          "/api/jobs?error_group=%s"};
    char coded[512] = "";
    for (size_t i = 0; vector[i] != '\0'; i++) {
        (void)snprintf(coded + 3 * i, sizeof coded - 3 * i, "%%%02X", (unsigned char)vector[i]);
    }
    for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
        StrBuf target = {0};
        strbuf_append_bytes(&target, TARGETS[i], strcspn(TARGETS[i], "%"));
        strbuf_append(&target, coded);
        int status = http_status(address, "GET", target.text, NULL);
        if (status != 200 && status != 400 && status != 404) {
            (void)fprintf(stderr, "%s with %s: %d\n", TARGETS[i], vector, status);
            system_fail(test, "an answer to a hostile text");
        }
        strbuf_free(&target);
    }
}

static void test_texts_stay_texts(void **state)
{
    SystemTest *test = *state;
    static const char *const VECTORS[] = {"'",
                                          "\"",
                                          "\\",
                                          "' or 1=1 --",
                                          "'; drop table ganger.job; --",
                                          "$$; select pg_sleep(9); $$",
                                          "'||pg_sleep(9)||'",
                                          "1; select 1",
                                          "%' or true or '%",
                                          "{\"a\": \"'\"}",
                                          "../../etc/passwd",
                                          "\r\nX-Evil: 1",
                                          "NaN",
                                          "-1",
                                          "1e9",
                                          "9223372036854775808",
                                          "null",
                                          "{}",
                                          "$1",
                                          "%s%n"};
    use_socket(test);
    (void)run_with_api(test, 1, "auth: none");
    (void)job_add(test, "'x', queue => 'outside'");
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        int64_t at = clock_boot_ms();
        send_vector(test, VECTORS[i]);
        CHECK(test, clock_boot_ms() - at < slow_ms(8000)); // none sleeps
    }
    sql_check(test, "(select count(*) = 1 from ganger.jobs)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_extremes, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_texts_stay_texts, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_input", tests, NULL, NULL);
}
