// SPDX-License-Identifier: MIT
// Tests of what the configuration prints: the sample file, effective values, help, masked passwords.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/config.h"
#include "common/base/config_mask.h"
#include "common/base/config_options.h"
#include "common/base/config_value.h"
#include "common/base/json_check.h"
#include "tests/support/unit.h"

static int set_up(void **state)
{
    (void)state;
    unsetenv("DATABASE_URL");
    return 0;
}

static Config *parse(const char *text)
{
    StrBuf errors = {0};
    Config *config = NULL;
    if (config_parse(&config, "f.yaml", text, text == NULL ? 0 : strlen(text), &errors) !=
        STATUS_OK) {
        print_error("%s\n%s", text, errors.text);
    }
    assert_non_null(config);
    strbuf_free(&errors);
    return config;
}

static void print_values(const Config *config, StrBuf *out)
{
    config_print_effective(config, false, out);
    // Lines without their origin.
    StrBuf values = {0};
    for (char *line = out->text; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n");
        const char *origin = memmem(line, length, "  default", 9);
        if (origin == NULL) {
            origin = memmem(line, length, "  f.yaml:", 9);
        }
        assert_non_null(origin);
        strbuf_append_bytes(&values, line, (size_t)(origin - line));
        strbuf_append_char(&values, '\n');
    }
    strbuf_free(out);
    *out = values;
}

static void expect_same_values(const char *text, const char *other_text)
{
    Config *config = parse(text);
    Config *other = parse(other_text);
    StrBuf values = {0};
    StrBuf other_values = {0};
    print_values(config, &values);
    print_values(other, &other_values);
    assert_string_equal(values.text, other_values.text);
    strbuf_free(&values);
    strbuf_free(&other_values);
    config_destroy(config);
    config_destroy(other);
}

static void test_print_sample_is_the_file(void **state)
{
    (void)state;
    const char *tests = strstr(__FILE__, "tests/unit/");
    char *path = mem_printf("%.*sconf/ganger.yaml", (int)(tests - __FILE__), __FILE__);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    StrBuf text = {0};
    char line[1024];
    while (fgets(line, sizeof line, file) != NULL) {
        strbuf_append(&text, line);
    }
    (void)fclose(file);
    StrBuf sample = {0};
    config_print_sample(&sample);
    assert_string_equal(text.text, sample.text);
    strbuf_free(&sample);
    strbuf_free(&text);
    free(path);
}

static void test_print_sample_is_the_defaults(void **state)
{
    (void)state;
    StrBuf sample = {0};
    config_print_sample(&sample);
    expect_same_values(sample.text, "");
    strbuf_free(&sample);
}

// True for a line that shows an option or an example: no space behind its #, or two or four of them.
static bool is_commented_yaml(const char *hash)
{
    const size_t blanks = strspn(hash + 1, " ");
    const char *key = blanks == 2 || blanks == 4 ? hash + 1 + blanks : hash + 1;
    size_t length = strspn(key, "abcdefghijklmnopqrstuvwxyz_");
    return length > 0 && key[length] == ':';
}

// The sample with every commented option in force.
static void uncomment(const char *sample, StrBuf *out)
{
    const char *line = sample;
    while (*line != '\0') {
        size_t length = strcspn(line, "\n") + 1;
        const char *hash = line + strspn(line, " ");
        if (*hash == '#' && is_commented_yaml(hash)) {
            strbuf_append_bytes(out, line, (size_t)(hash - line));
            strbuf_append_bytes(out, hash + 1, length - (size_t)(hash + 1 - line));
        } else {
            strbuf_append_bytes(out, line, length);
        }
        line += length;
    }
}

static void test_print_sample_uncommented(void **state)
{
    (void)state;
    StrBuf sample = {0};
    StrBuf text = {0};
    config_print_sample(&sample);
    uncomment(sample.text, &text);
    // What has no default is shown with an example.
    expect_same_values(
        text.text,
        "database: {url: 'postgresql:///app'}\nnode: {name: worker-1}\n"
        "supervisor: {user: ganger, plugin_dir: /usr/local/lib/ganger/handlers,\n"
        "             state_dir: /run/ganger}\n"
        "http: {database_url: 'postgresql://ganger_api@/app', hosts: [jobs.example.com]}\n"
        "pools: {default: {job_types: [noop, echo]}}\n"
        "handlers:\n"
        "  noop: {plugin: noop.so}\n  sleep: {plugin: noop.so}\n  echo: {plugin: noop.so}\n"
        "  send_email: {plugin: email.so, timeout: 30s}\n"
        "  resize: {exec: [/usr/bin/convert, '-', -resize, 200x200, 'png:-'], timeout: 1m,\n"
        "           rlimits: {cpu: 30s, memory: 512MiB, files: 64, file_size: 100MiB}}\n"
        "  measure: {exec: [/srv/jobs/measure.sh], apply: app.store_result}\n"
        "  rollup: {sql: app.rollup}\n"
        "  tell_shop:\n"
        "    http: {url: 'https://shop.example.com/hooks/orders', secret_file: "
        "/etc/ganger/shop.secret}\n"
        "    timeout: 20s\n"
        "  deliver: {http: {allow: ['*.example.org', 'hooks.example.net:8443']}}\n"
        "schedules: {nightly_report: {cron: '0 3 * * *', job_type: report, timezone: "
        "Europe/Berlin,\n"
        "  payload: {kind: nightly, pages: [1, 2]}, catch_up: last,\n"
        "  options: {queue: reports, priority: 5, timeout: 10m, tags: [report]}}}\n"
        "queues: {mail: {concurrency: 20, rate: 100, rate_period: 1m, retention: 7d}}\n");
    strbuf_free(&sample);
    strbuf_free(&text);
}

static void test_print_help_and_sample_name_everything(void **state)
{
    (void)state;
    StrBuf help = {0};
    StrBuf sample = {0};
    config_print_options(&help);
    config_print_sample(&sample);
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(help.text, options[i].help));
        assert_non_null(strstr(sample.text, options[i].help));
        assert_true(options[i].default_value != NULL || options[i].example != NULL);
        assert_true(options[i].type != OPTION_WORD || options[i].words != NULL);
        assert_ptr_equal(config_find_option(options[i].section, options[i].name), &options[i]);
    }
    assert_non_null(
        strstr(help.text, "  handlers.NAME.rlimits.memory: size 1MiB..1024GiB or none"));
    assert_non_null(strstr(help.text, "  node.heartbeat: duration 50ms..1h (default 5s)\n"));
    assert_non_null(strstr(help.text, "  log.format: auto, text, logfmt or json (default auto)\n"));
    strbuf_free(&help);
    strbuf_free(&sample);
}

static void expect_line(const char *text, const char *name, const char *value, const char *origin)
{
    char *begin = mem_printf("\n%s  ", name);
    const char *line = strstr(text, begin);
    free(begin);
    assert_non_null(line);
    line++;
    size_t length = strcspn(line, "\n");
    char *copy = mem_strndup(line + strlen(name), length - strlen(name));
    const char *shown = copy + strspn(copy, " ");
    assert_int_equal(strncmp(shown, value, strlen(value)), 0);
    const char *rest = shown + strlen(value);
    assert_string_equal(rest + strspn(rest, " "), origin);
    free(copy);
}

static void test_print_effective(void **state)
{
    (void)state;
    Config *config = parse("database:\n  url: \"postgresql://u:secret@h/d\"\n"
                           "node:\n  lease: 2m\n"
                           "pools:\n  p:\n    queues: [a, \"b c\"]\n    max_rss: 1GiB\n"
                           "handlers:\n  r:\n    exec: [x, \"\"]\n    rlimits: {files: 64}\n"
                           "schedules:\n  s:\n    cron: '@daily'\n    job_type: r\n"
                           "    payload: {a: [1, x]}\n    options: {timeout: 1h}\n"
                           "queues:\n  q: {rate: 7}\n");
    StrBuf out = {0};
    config_print_effective(config, false, &out);
    assert_null(strstr(out.text, "secret"));
    expect_line(out.text, "database.url", "postgresql://u:***@h/d", "f.yaml:2");
    expect_line(out.text, "database.poll_interval", "1s", "default");
    expect_line(out.text, "node.lease", "2m", "f.yaml:4");
    expect_line(out.text, "supervisor.plugin_dir", "(the installed handlers folder)", "default");
    expect_line(out.text, "pools.p.queues", "[a, \"b c\"]", "f.yaml:7");
    expect_line(out.text, "pools.p.max_rss", "1GiB", "f.yaml:8");
    expect_line(out.text, "pools.p.prefetch", "auto", "default");
    expect_line(out.text, "handlers.r.exec", "[x, \"\"]", "f.yaml:11");
    expect_line(out.text, "handlers.r.rlimits.files", "64", "f.yaml:12");
    assert_null(strstr(out.text, "handlers.r.plugin"));
    expect_line(out.text, "schedules.s.cron", "@daily", "f.yaml:15");
    expect_line(out.text, "schedules.s.payload", "{\"a\":[1,\"x\"]}", "f.yaml:17");
    expect_line(out.text, "schedules.s.overlap", "skip", "default");
    expect_line(out.text, "schedules.s.options.timeout", "1h", "f.yaml:18");
    assert_null(strstr(out.text, "schedules.s.options.queue"));
    expect_line(out.text, "queues.q.rate", "7", "f.yaml:20");
    assert_null(strstr(out.text, "queues.q.concurrency"));
    strbuf_free(&out);
    config_destroy(config);
}

static void test_print_effective_webhook(void **state)
{
    (void)state;
    Config *config =
        parse("handlers:\n  h:\n    http:\n      url: https://example.com/a/s3cr3t?k=s3cr3t\n"
              "      secret: s3cr3t-0123456789\n"
              "      headers: {Authorization: Bearer s3cr3t, X-A: s3cr3t}\n");
    assert_int_equal(config->handlers[0].kind, HANDLER_HTTP);
    assert_int_equal(config->handlers[0].timeout_ms, CONFIG_WEBHOOK_TIMEOUT_MS);
    assert_string_equal(config->handlers[0].http.headers.items[0], "Authorization: Bearer s3cr3t");
    for (int json = 0; json < 2; json++) {
        StrBuf out = {0};
        config_print_effective(config, json != 0, &out);
        assert_null(strstr(out.text, "s3cr3t"));
        assert_non_null(strstr(out.text, "handlers.h.http.headers"));
        assert_non_null(strstr(out.text, "handlers.h.http.secret"));
        assert_non_null(strstr(out.text, "https://example.com/***"));
        strbuf_free(&out);
    }
    config_destroy(config);
}

static void test_print_effective_environment(void **state)
{
    (void)state;
    setenv("DATABASE_URL", "host=h password='s e c' dbname=d", 1);
    Config *config = parse("database:\n  url: \"postgresql://u:secret@h/d\"\n");
    unsetenv("DATABASE_URL");
    StrBuf out = {0};
    config_print_effective(config, false, &out);
    expect_line(out.text, "database.url", "host=h password=*** dbname=d",
                "environment DATABASE_URL");
    strbuf_free(&out);
    config_destroy(config);
}

static void test_print_effective_json(void **state)
{
    (void)state;
    Config *config =
        parse("database:\n  auto_migrate: true\n"
              "pools:\n  \"p\\\"q\":\n    processes: 3\n    queues: [\"a\\\\b\"]\n"
              "handlers:\n  r:\n    exec: [x, \"\"]\n    timeout: 1s\n"
              "schedules:\n  s: {cron: '@daily', job_type: r, payload: {a: [1, x]}}\n");
    StrBuf out = {0};
    config_print_effective(config, true, &out);
    static const char *const parts[] = {
        "\"database.url\":{\"value\":null,\"from\":\"default\"}",
        "\"database.auto_migrate\":{\"value\":true,\"from\":\"f.yaml:2\"}",
        "\"pools.p\\\"q.processes\":{\"value\":3,\"from\":\"f.yaml:5\"}",
        "\"pools.p\\\"q.queues\":{\"value\":[\"a\\\\b\"],\"from\":\"f.yaml:6\"}",
        "\"pools.p\\\"q.max_jobs\":{\"value\":\"none\",\"from\":\"default\"}",
        "\"handlers.r.exec\":{\"value\":[\"x\",\"\"],\"from\":\"f.yaml:9\"}",
        "\"handlers.r.timeout\":{\"value\":\"1s\",\"from\":\"f.yaml:10\"}",
        "\"schedules.s.payload\":{\"value\":{\"a\":[1,\"x\"]},\"from\":\"f.yaml:12\"}",
        "\"schedules.s.catch_up\":{\"value\":\"none\",\"from\":\"default\"}}\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_non_null(strstr(out.text, parts[i]));
    }
    assert_true(json_check(out.text, out.length, NULL, NULL));
    strbuf_free(&out);
    config_destroy(config);
}

static void test_mask(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"postgresql:///app", "postgresql:///app"},
        {"postgres://h:5432/d", "postgres://h:5432/d"},
        {"postgres://u@h:5432/d", "postgres://u@h:5432/d"},
        {"postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"},
        {"postgres://u:@h/d", "postgres://u:***@h/d"},
        {"postgres://u:p:q@h", "postgres://u:***@h"},
        {"postgres://u:p/q@h/d", "postgres://u:***@h/d"},
        {"postgres://u:p?q@h/d", "postgres://u:***@h/d"},
        {"postgresql://h/d?user=u&password=p&sslmode=require",
         "postgresql://h/d?user=u&password=***&sslmode=require"},
        {"postgresql://h/d?sslpassword=p", "postgresql://h/d?sslpassword=***"},
        {"host=h user=u", "host=h user=u"},
        {"host=h password=p user=u", "host=h password=*** user=u"},
        {"password=p", "password=***"},
        {"password = p user=u", "password = *** user=u"},
        {"password='a b\\'c' user=u", "password=*** user=u"},
        {"password='open", "password=***"},
        {"password=a\\ b user=u", "password=*** user=u"},
        {"password=a&b user=u", "password=*** user=u"},
        {"sslpassword=x password=y", "sslpassword=*** password=***"},
        {"password=", "password=***"},
        {"application_name=password", "application_name=password"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf out = {0};
        config_mask_url(cases[i].url, &out);
        assert_string_equal(out.text, cases[i].expected);
        strbuf_free(&out);
    }
}

static void test_mask_path(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *expected;
    } cases[] = {
        {"https://example.com", "https://example.com"},
        {"https://example.com/", "https://example.com/"},
        {"https://example.com:8443/a", "https://example.com:8443/***"},
        {"https://example.com/?key=x", "https://example.com/***"},
        {"https://example.com?key=x", "https://example.com/***"},
        {"http://[::1]:81/a/b", "http://[::1]:81/***"},
        {"nonsense/x", "nonsense/***"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        StrBuf out = {0};
        config_mask_path(cases[i].url, &out);
        assert_string_equal(out.text, cases[i].expected);
        strbuf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_print_sample_is_the_file, set_up),
        cmocka_unit_test_setup(test_print_sample_is_the_defaults, set_up),
        cmocka_unit_test_setup(test_print_sample_uncommented, set_up),
        cmocka_unit_test_setup(test_print_help_and_sample_name_everything, set_up),
        cmocka_unit_test_setup(test_print_effective, set_up),
        cmocka_unit_test(test_print_effective_webhook),
        cmocka_unit_test_setup(test_print_effective_environment, set_up),
        cmocka_unit_test_setup(test_print_effective_json, set_up),
        cmocka_unit_test_setup(test_mask, set_up),
        cmocka_unit_test(test_mask_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
