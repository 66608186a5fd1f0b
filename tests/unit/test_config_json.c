// SPDX-License-Identifier: MIT
// Tests of schedules and queues of the configuration: what is read, and what the database is told.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/config.h"
#include "common/base/config_json.h"
#include "common/base/json_check.h"
#include "tests/support/unit.h"

static int set_up(void **state)
{
    (void)state;
    unsetenv("DATABASE_URL");
    return 0;
}

static Config *parse(const char *text, StrBuf *errors)
{
    Config *config = NULL;
    if (config_parse(&config, "f.yaml", text, strlen(text), errors) != STATUS_OK) {
        print_error("%s\n%s", text, errors->text);
    }
    assert_non_null(config);
    return config;
}

static void expect_schedule(const char *yaml, const char *json)
{
    StrBuf errors = {0};
    StrBuf out = {0};
    Config *config = parse(yaml, &errors);
    assert_null(errors.text);
    assert_int_equal(config->schedule_count, 1);
    config_json_print(OWNER_SCHEDULE, &config->schedules[0], config->schedules[0].places, &out);
    assert_string_equal(out.text, json);
    assert_true(json_check(out.text, out.length, NULL, NULL));
    strbuf_free(&out);
    config_destroy(config);
}

static void test_json_schedule_defaults(void **state)
{
    (void)state;
    expect_schedule("schedules: {s: {cron: '@daily', job_type: x}}",
                    "{\"cron\":\"@daily\",\"job_type\":\"x\",\"payload\":{},\"timezone\":\"UTC\","
                    "\"overlap\":\"skip\",\"catch_up\":\"none\"}");
}

static void test_json_schedule_everything(void **state)
{
    (void)state;
    expect_schedule(
        "schedules:\n"
        "  s:\n"
        "    cron: '30 0 5 * * mon-fri'\n"
        "    job_type: \"a \\\"b\\\"\"\n"
        "    timezone: Europe/Berlin\n"
        "    overlap: cancel_running\n"
        "    catch_up: all\n"
        "    options:\n"
        "      {queue: q, priority: -5, max_attempts: 7, timeout: 90s, kill_grace: 0s,\n"
        "       retry_delay: 1500ms, retry_backoff: false, retry_delay_max: 1h, tags: [a, 'b c'],\n"
        "       group_key: g, unique_key: u, unique_for: 1d, on_conflict: replace,\n"
        "       depends_on_tags: [c, d], dead_letter_job_type: d, owner: o, metadata: [1, {x: "
        "null}]}\n",
        "{\"cron\":\"30 0 5 * * mon-fri\",\"job_type\":\"a \\\"b\\\"\",\"payload\":{},"
        "\"timezone\":\"Europe/Berlin\",\"overlap\":\"cancel_running\",\"catch_up\":\"all\","
        "\"options\":{\"queue\":\"q\",\"priority\":-5,\"max_attempts\":7,"
        "\"timeout\":\"90000 milliseconds\",\"kill_grace\":\"0 milliseconds\","
        "\"retry_delay\":\"1500 milliseconds\",\"retry_backoff\":false,"
        "\"retry_delay_max\":\"3600000 milliseconds\",\"tags\":[\"a\",\"b c\"],\"group_key\":\"g\","
        "\"unique_key\":\"u\",\"unique_for\":\"86400000 milliseconds\",\"on_conflict\":\"replace\","
        "\"depends_on_tags\":[\"c\",\"d\"],\"dead_letter_job_type\":\"d\",\"owner\":\"o\","
        "\"metadata\":[1,{\"x\":null}]}}");
}

static void expect_payload(const char *yaml, const char *json)
{
    StrBuf errors = {0};
    char *text = mem_printf(
        "schedules:\n  s:\n    cron: '@daily'\n    job_type: x\n    payload: %s\n", yaml);
    Config *config = parse(text, &errors);
    assert_null(errors.text);
    assert_string_equal(config->schedules[0].payload, json);
    config_destroy(config);
    free(text);
}

// A text in quotes is a text; without, what JSON reads as a number, true, false or null is that.
static void test_json_payload(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}"},
        {"[1, -2, 1.5, -2e3, 1E+2, 0]", "[1,-2,1.5,-2e3,1E+2,0]"},
        {"[01, .5, 5., +1, 0x10, 1_000, .nan, -, -a, 1a]",
         "[\"01\",\".5\",\"5.\",\"+1\",\"0x10\",\"1_000\",\".nan\",\"-\",\"-a\",\"1a\"]"},
        {"[true, false, True, yes, no, on]", "[true,false,\"True\",\"yes\",\"no\",\"on\"]"},
        {"[~, null, 'null', '']", "[null,null,\"null\",\"\"]"},
        {"['1', \"true\", \"a\\tb\\u00e9\"]", "[\"1\",\"true\",\"a\\tbé\"]"},
        {"{1: a, 'x y': b, true: c, \"q\\\"\": d}",
         "{\"1\":\"a\",\"x y\":\"b\",\"true\":\"c\",\"q\\\"\":\"d\"}"},
        {"'${GANGER_NOT_SET} $${x}'", "\"${GANGER_NOT_SET} $${x}\""},
        {"|\n      two\n      lines", "\"two\\nlines\\n\""},
        {"[&a {b: 1}, *a]", "[{\"b\":1},{\"b\":1}]"},
        {"5", "5"},
        {"", "null"},
        {"plain text", "\"plain text\""},
        {"1e99999999", "\"1e99999999\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_payload(cases[i][0], cases[i][1]);
    }
}

static void test_json_payload_that_is_a_text(void **state)
{
    (void)state;
    StrBuf errors = {0};
    Config *config =
        parse("schedules: {s: {cron: '@daily', job_type: x, payload: '{\"a\": 1}'}}", &errors);
    assert_string_equal(config->schedules[0].payload, "\"{\\\"a\\\": 1}\"");
    assert_string_equal(errors.text, "f.yaml:1:55: warning: schedules.s.payload: is a text; "
                                     "without the quotes it is a JSON object\n");
    strbuf_free(&errors);
    config_destroy(config);
}

// Ten aliases of ten aliases ... of a long text: some hundred bytes that mean gigabytes.
static void test_json_payload_that_grows(void **state)
{
    (void)state;
    StrBuf text = {0};
    StrBuf errors = {0};
    Config *config = NULL;
    strbuf_append(&text, "schedules:\n  s:\n    cron: '@daily'\n    job_type: x\n    payload:\n"
                         "      - &a0 [");
    for (int i = 0; i < 200; i++) {
        strbuf_append(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,");
    }
    strbuf_append(&text, "]\n");
    for (int i = 1; i < 9; i++) {
        strbuf_printf(&text, "      - &a%d [", i);
        for (int j = 0; j < 10; j++) {
            strbuf_printf(&text, "*a%d, ", i - 1);
        }
        strbuf_append(&text, "]\n");
    }
    assert_int_equal(config_parse(&config, "f.yaml", text.text, text.length, &errors),
                     STATUS_REFUSED);
    assert_non_null(strstr(errors.text, "error: schedules.s.payload: longer than 1 MiB\n"));
    assert_null(config);
    strbuf_free(&errors);
    strbuf_free(&text);
}

static void test_json_queues(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"queues: {q: }", "{\"rate_period\":\"1000 milliseconds\"}"},
        {"queues: {q: {concurrency: 0}}",
         "{\"concurrency\":0,\"rate_period\":\"1000 milliseconds\"}"},
        {"queues: {q: {concurrency: 5, rate: 100, rate_period: 1m, "
         "retention: 1d}}",
         "{\"concurrency\":5,\"rate\":100,\"rate_period\":\"60000 milliseconds\","
         "\"retention\":\"86400000 milliseconds\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf errors = {0};
        StrBuf out = {0};
        Config *config = parse(cases[i][0], &errors);
        assert_int_equal(config->queue_count, 1);
        config_json_print(OWNER_QUEUE, &config->queues[0], config->queues[0].places, &out);
        assert_string_equal(out.text, cases[i][1]);
        strbuf_free(&out);
        config_destroy(config);
    }
}

// A section without anything in it says nothing; {} says that there is none.
static void test_json_section_that_says_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_said;
    } cases[] = {
        {"", false},
        {"schedules:\nqueues:\n", false},
        {"schedules: ~\nqueues: null\n", false},
        {"schedules: {}\nqueues: {}\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf errors = {0};
        Config *config = parse(cases[i].text, &errors);
        assert_int_equal(config->schedules != NULL, cases[i].is_said);
        assert_int_equal(config->queues != NULL, cases[i].is_said);
        assert_int_equal(config->schedule_count + config->queue_count, 0);
        config_destroy(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_json_schedule_defaults, set_up),
        cmocka_unit_test_setup(test_json_schedule_everything, set_up),
        cmocka_unit_test_setup(test_json_payload, set_up),
        cmocka_unit_test_setup(test_json_payload_that_is_a_text, set_up),
        cmocka_unit_test_setup(test_json_payload_that_grows, set_up),
        cmocka_unit_test_setup(test_json_queues, set_up),
        cmocka_unit_test_setup(test_json_section_that_says_nothing, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
