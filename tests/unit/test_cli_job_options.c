// SPDX-License-Identifier: MIT
// Tests of what options become: JSON of a job, of limits, of a batch's items.
#include <stdlib.h>

#include "cli/batch_items.h"
#include "cli/job_options.h"
#include "common/base/exit_code.h"
#include "tests/support/unit.h"

static const OptionSet every_option = ~(OptionSet)0;

static void expect_job(const Cli *cli, OptionSet options, const char *json, int64_t expires_in_ms)
{
    int exit_code = EXIT_CODE_OK;
    int64_t ms = 0;
    char *text = job_options_json(cli, options, &ms, &exit_code);
    assert_non_null(text);
    assert_string_equal(text, json);
    assert_int_equal(ms, expires_in_ms);
    free(text);
}

static void test_job(void **state)
{
    (void)state;
    Cli none = {0};
    expect_job(&none, every_option, "{}", -1);
    Cli cli = {.line = {.values = {[OPT_QUEUE] = "a\"b",
                                   [OPT_PRIORITY] = "-5",
                                   [OPT_TIMEOUT] = "90s",
                                   [OPT_RETRY_DELAY] = "2d",
                                   [OPT_TAGS] = "x,y z",
                                   [OPT_DEPENDS_ON] = "7,9",
                                   [OPT_METADATA] = "{\"k\": [1]}",
                                   [OPT_NO_RETRY_BACKOFF] = ""}}};
    expect_job(&cli, every_option,
               "{\"queue\": \"a\\\"b\", \"priority\": -5, \"timeout\": \"90 s\", "
               "\"retry_delay\": \"2 days\", \"tags\": [\"x\", \"y z\"], \"depends_on\": [7, 9], "
               "\"metadata\": {\"k\": [1]}, \"retry_backoff\": false}",
               -1);
    expect_job(&cli, OPT_BIT(OPT_PRIORITY) | OPT_BIT(OPT_OWNER), "{\"priority\": -5}", -1);
}

// An instant is the database's to read, a duration begins there, too.
static void test_expiry(void **state)
{
    (void)state;
    Cli instant = {.line = {.values = {[OPT_EXPIRES_AT] = "2030-01-31"}}};
    expect_job(&instant, every_option, "{\"expires_at\": \"2030-01-31\"}", -1);
    Cli duration = {.line = {.values = {[OPT_EXPIRES_AT] = "10m"}}};
    expect_job(&duration, every_option, "{}", 600000);
    Cli at_once = {.line = {.values = {[OPT_EXPIRES_AT] = "0s"}}};
    expect_job(&at_once, every_option, "{}", 0);
}

static void expect_refused(OptionId id, const char *value)
{
    Cli cli = {0};
    int exit_code = EXIT_CODE_OK;
    int64_t ms = 0;
    cli.line.values[id] = value;
    assert_null(job_options_json(&cli, every_option, &ms, &exit_code));
    assert_int_equal(exit_code, EXIT_CODE_USAGE);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused(OPT_PRIORITY, "high");
    expect_refused(OPT_TIMEOUT, "30");
    expect_refused(OPT_DEPENDS_ON, "1,,2");
    expect_refused(OPT_METADATA, "{");
    expect_refused(OPT_CONCURRENCY, "none");
}

static void test_limits(void **state)
{
    (void)state;
    int exit_code = EXIT_CODE_OK;
    Cli cli = {.line = {.values = {[OPT_CONCURRENCY] = "none",
                                   [OPT_RATE] = "100",
                                   [OPT_RATE_PERIOD] = "1m",
                                   [OPT_RETENTION] = "1500ms"}}};
    char *text = limit_options_json(&cli, every_option, &exit_code);
    assert_string_equal(text, "{\"concurrency\": null, \"rate\": 100, \"rate_period\": \"1 min\", "
                              "\"retention\": \"1500 ms\"}");
    free(text);
}

static void expect_items(const char *text, const char *items)
{
    StrBuf why = {0};
    char *got = batch_items_parse(text, &why);
    assert_non_null(got);
    assert_string_equal(got, items);
    free(got);
    strbuf_free(&why);
}

static void expect_no_items(const char *text, const char *problem)
{
    StrBuf why = {0};
    assert_null(batch_items_parse(text, &why));
    assert_string_equal(why.text, problem);
    strbuf_free(&why);
}

static void test_items(void **state)
{
    (void)state;
    expect_items(" [1,\n 2]\n", " [1,\n 2]\n");
    expect_items("1\n\n{\"a\": 2}\r\n", "[1,\n{\"a\": 2}\r]");
    expect_items("[1]\n[2]\n", "[[1],\n[2]]");
    expect_items("", "[]");
    expect_no_items("1\nx\n", "line 2 is no JSON: not a JSON value, at byte 1");
    expect_no_items("[1,\n2\n", "no JSON: a comma or a closing bracket is missing, at byte 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),     cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
