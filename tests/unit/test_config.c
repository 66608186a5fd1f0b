// SPDX-License-Identifier: MIT
// Tests of the configuration reader: defaults, good files, mistakes and their words.
#include "common/base/config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/config_text.h"
#include "tests/unit/config_mistakes.h"

static void test_config_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "\xef\xbb\xbf# nothing behind a byte order mark\n",
        "---\n...\n",
        "{}\n",
        "database:\nnode:\nsupervisor: ~\npools:\nhandlers:\nretention: {}\nlog:\n",
        "pools:\n  default:\n",
        "pools: {default: {queues: [default], max_jobs: 0, max_rss: 0, max_age: 0, prefetch: "
        "auto}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Config *config = parse(texts[i]);
        check_defaults(config);
        config_destroy(config);
    }
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_load(&config, NULL, &errors), STATUS_OK);
    check_defaults(config);
    assert_null(config->path);
    config_destroy(config);
    config_destroy(NULL);
    strbuf_free(&errors);
}

static void check_full_pool(const PoolConfig *pool)
{
    assert_int_equal(pool->queues.count, 2);
    assert_string_equal(pool->queues.items[1], "news letters");
    assert_int_equal(pool->job_types.count, 1);
    assert_string_equal(pool->job_types.items[0], "send_email");
    assert_int_equal(pool->processes, 7);
    assert_int_equal(pool->max_jobs, 1000);
    assert_int_equal(pool->max_rss_bytes, INT64_C(512) << 20);
    assert_int_equal(pool->max_age_ms, 3600000);
    assert_int_equal(pool->prefetch, 16);
}

static void check_full_handlers(const Config *config)
{
    assert_int_equal(config->handler_count, 4);
    const HandlerConfig *email = config_find_handler(config, "send_email");
    assert_int_equal(email->kind, HANDLER_PLUGIN);
    assert_string_equal(email->plugin, "email.so");
    assert_string_equal(email->symbol, "send");
    assert_int_equal(email->timeout_ms, 30000);
    assert_int_equal(email->line, 26);
    assert_int_equal(email->column, 3);
    const HandlerConfig *resize = config_find_handler(config, "resize");
    assert_int_equal(resize->kind, HANDLER_EXEC);
    assert_int_equal(resize->exec.count, 5);
    assert_false(resize->sandbox);
    assert_int_equal(resize->limits.processes, 999);
    assert_true(config_find_handler(config, "measure")->sandbox);
    assert_string_equal(resize->exec.items[0], "convert");
    assert_string_equal(resize->exec.items[2], "${HOME}");
    assert_string_equal(resize->exec.items[3], "");
    assert_string_equal(resize->exec.items[4], "5");
    assert_null(resize->exec.items[5]);
    assert_int_equal(resize->limits.cpu_ms, 30000);
    assert_int_equal(resize->limits.memory_bytes, INT64_C(512) << 20);
    assert_int_equal(resize->limits.files, 64);
    assert_int_equal(resize->limits.file_size_bytes, INT64_C(1) << 30);
    const HandlerConfig *rollup = config_find_handler(config, "rollup");
    assert_int_equal(rollup->kind, HANDLER_SQL);
    assert_string_equal(rollup->sql, "app.\"Roll up\"");
    const HandlerConfig *measure = config_find_handler(config, "measure");
    assert_int_equal(measure->kind, HANDLER_EXEC);
    assert_string_equal(measure->apply, "app.store");
    assert_null(resize->apply);
    assert_null(config_find_handler(config, "noop"));
}

static void check_full_schedules(const Config *config)
{
    assert_int_equal(config->schedule_count, 1);
    const ScheduleConfig *nightly = &config->schedules[0];
    assert_string_equal(nightly->name, "nightly");
    assert_string_equal(nightly->cron, "0 3 * * *");
    assert_string_equal(nightly->job_type, "rollup");
    assert_string_equal(nightly->payload, "{\"days\":[1,2.5,\"x\"],\"deep\":{\"er\":null}}");
    assert_string_equal(nightly->timezone, "UTC");
    assert_int_equal(nightly->overlap, 2);
    assert_int_equal(nightly->catch_up, 0);
    assert_string_equal(nightly->options.queue, "mail");
    assert_int_equal(nightly->options.priority, -3);
    assert_int_equal(nightly->options.timeout_ms, 300000);
    assert_int_equal(nightly->options.tags.count, 2);
    assert_null(nightly->options.owner);
    assert_int_equal(nightly->line, 34);
    assert_int_equal(nightly->column, 3);
    assert_int_equal(config->queue_count, 1);
    const QueueConfig *mail = &config->queues[0];
    assert_string_equal(mail->name, "mail");
    assert_int_equal(mail->concurrency, 4);
    assert_int_equal(mail->group_concurrency, 0);
    assert_int_equal(mail->rate, 100);
    assert_int_equal(mail->rate_period_ms, 60000);
    assert_int_equal(mail->retention_ms, 0);
    assert_int_equal(mail->line, 41);
}

static void test_config_reads_everything(void **state)
{
    (void)state;
    Config *config = parse(full_text);
    assert_string_equal(config->path, "f.yaml");
    assert_int_equal(config->text_length, sizeof full_text - 1);
    assert_string_equal(config->text, full_text);
    assert_string_equal(config->database_url, "postgresql://app:s3cr3t@db/app");
    assert_int_equal(config->poll_interval_ms, 250);
    assert_true(config->auto_migrate);
    assert_string_equal(config->node_name, "n1");
    assert_int_equal(config->heartbeat_ms, 1000);
    assert_int_equal(config->self_fence_ms, 10000);
    assert_int_equal(config->lease_ms, 15000);
    assert_int_equal(config->shutdown_timeout_ms, 90000);
    assert_int_equal(config->kill_grace_ms, 0);
    assert_string_equal(config->user, "ganger");
    assert_string_equal(config->plugin_dir, "/opt/handlers");
    assert_string_equal(config->state_dir, "/srv/ganger");
    assert_int_equal(config->no_handler_after_ms, 3600000);
    assert_int_equal(config->retention_completed_ms, 86400000);
    assert_int_equal(config->retention_failed_ms, 14 * 86400000);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->pool_count, 2);
    assert_string_equal(config->pools[0].name, "mail");
    check_full_pool(&config->pools[0]);
    assert_string_equal(config->pools[1].name, "more");
    check_full_pool(&config->pools[1]);
    check_full_handlers(config);
    check_full_schedules(config);
    config_destroy(config);
}

static void test_config_no_handlers_at_all(void **state)
{
    (void)state;
    Config *config = parse("handlers: {}\n");
    assert_int_equal(config->handler_count, 0);
    config_destroy(config);
}

static void test_config_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        const BadFile *bad = &bad_files[i];
        StrBuf errors = {0};
        Config *config = NULL;
        Status status = config_parse(&config, "f.yaml", bad->text, bad->length, &errors);
        bool is_right = status == STATUS_REFUSED && config == NULL && errors.text != NULL &&
                        str_equal(errors.text, bad->expected);
        if (!is_right) {
            print_error("%s:\n%s", bad->name, errors.text != NULL ? errors.text : "no error\n");
        }
        assert_true(is_right);
        strbuf_free(&errors);
    }
}

static void test_config_warning(void **state)
{
    (void)state;
    static const char text[] = "supervisor:\n  kill_grace: 30s\n";
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_parse(&config, "f.yaml", text, strlen(text), &errors), STATUS_OK);
    assert_string_equal(
        errors.text,
        "f.yaml:2:15: warning: supervisor.kill_grace (30s, line 2) is longer than "
        "supervisor.shutdown_timeout (25s, the default): stopped jobs get more time than drained "
        "ones\n");
    strbuf_free(&errors);
    config_destroy(config);
}

static void test_config_variables(void **state)
{
    (void)state;
    Config *config = parse("node: {name: \"a$${b}$c$\"}\n"
                           "pools: {p: {queues: [\"q-${GANGER_TEST_COUNT}${GANGER_TEST_WORD}\"]}}");
    assert_string_equal(config->node_name, "a${b}$c$");
    assert_string_equal(config->pools[0].queues.items[0], "q-7many");
    config_destroy(config);

    setenv("GANGER_TEST_WORD", "\xff", 1);
    static const char text[] = "node: {name: \"${GANGER_TEST_WORD}\"}\n";
    expect_refused(text, strlen(text),
                   "f.yaml:1:14: error: node.name: the environment variable GANGER_TEST_WORD is "
                   "not UTF-8\n");
}

static void test_config_variables_grow(void **state)
{
    (void)state;
    char *large = mem_alloc(40001);
    memset(large, 'v', 40000);
    setenv("GANGER_TEST_WORD", large, 1);
    free(large);
    static const char text[] =
        "node: {name: \"${GANGER_TEST_WORD}${GANGER_TEST_WORD}${GANGER_TEST_WORD}\"}\n";
    expect_refused(text, strlen(text),
                   "f.yaml:1:14: error: node.name: the text is too long with its variables "
                   "replaced\n");
}

static void test_config_database_url(void **state)
{
    (void)state;
    static const char text[] = "database: {url: \"postgresql:///file\"}\n";
    setenv("DATABASE_URL", "postgresql:///environment", 1);
    Config *config = parse(text);
    assert_string_equal(config->database_url, "postgresql:///environment");
    assert_true(config->database_url_from_env);
    config_destroy(config);
    setenv("DATABASE_URL", "", 1);
    config = parse(text);
    assert_string_equal(config->database_url, "postgresql:///file");
    assert_false(config->database_url_from_env);
    config_destroy(config);
    char *large = mem_alloc(5001);
    memset(large, 'v', 5000);
    setenv("DATABASE_URL", large, 1);
    free(large);
    expect_refused(text, strlen(text),
                   "f.yaml: error: environment variable DATABASE_URL: the text has 5000 bytes; at "
                   "most 4096 are allowed\n");
}

static void test_config_state_dir(void **state)
{
    (void)state;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    Config *config = parse("");
    assert_string_equal(config->state_dir, geteuid() == 0 ? "/run/ganger" : "/run/user/7/ganger");
    config_destroy(config);
    unsetenv("XDG_RUNTIME_DIR");
    config = parse("");
    char *expected = geteuid() == 0 ? mem_strdup("/run/ganger")
                                    : mem_printf("/tmp/ganger-%u", (unsigned)geteuid());
    assert_string_equal(config->state_dir, expected);
    free(expected);
    config_destroy(config);
}

static void test_http(void **state)
{
    (void)state;
    Config *config = parse("http:\n");
    assert_false(config->has_http); // nothing in it
    assert_int_equal(config->http_listen.count, 1);
    config_destroy(config);
    config = parse("http: {}\n");
    assert_true(config->has_http);
    assert_string_equal(config->http_listen.items[0], "127.0.0.1:8080");
    assert_int_equal(config->http_auth, HTTP_AUTH_TOKENS);
    assert_int_equal(config->http_connections, 8);
    assert_null(config->http_database_url);
    assert_int_equal(config->http_max_body_bytes, 2 << 20);
    assert_int_equal(config->http_hosts.count, 0);
    assert_false(config->http_behind_proxy);
    assert_true(config->http_dashboard);
    config_destroy(config);
    config = parse("http:\n"
                   "  listen: ['[::1]:80', 'unix:/run/ganger/api.sock']\n"
                   "  auth: none\n"
                   "  connections: 3\n"
                   "  database_url: postgresql://ganger_api@/app\n"
                   "  max_body: 64KiB\n"
                   "  hosts: jobs.example.com\n"
                   "  behind_proxy: true\n"
                   "  dashboard: false\n");
    assert_int_equal(config->http_listen.count, 2);
    assert_string_equal(config->http_listen.items[1], "unix:/run/ganger/api.sock");
    assert_int_equal(config->http_auth, HTTP_AUTH_NONE);
    assert_int_equal(config->http_connections, 3);
    assert_string_equal(config->http_database_url, "postgresql://ganger_api@/app");
    assert_int_equal(config->http_max_body_bytes, 64 << 10);
    assert_int_equal(config->http_hosts.count, 1);
    assert_string_equal(config->http_hosts.items[0], "jobs.example.com");
    assert_true(config->http_behind_proxy);
    assert_false(config->http_dashboard);
    config_destroy(config);
}

// Who may reach it, and who is asked: address x auth x proxy.
static void test_http_start_matrix(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        bool is_local;
    } rows[] = {
        {"'127.0.0.1:8080'", true},
        {"'[::1]:8080'", true},
        {"'unix:/run/ganger/a'", true},
        {"'0.0.0.0:8080'", false},
        {"'[::]:8080'", false},
        {"'192.0.2.1:8080'", false},
        {"['127.0.0.1:1', '10.0.0.1:1']", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int way = 0; way < 4; way++) {
            bool has_tokens = (way & 1) != 0;
            bool has_proxy = (way & 2) != 0;
            Config *config = NULL;
            StrBuf errors = {0};
            char *text =
                mem_printf("http: {listen: %s, auth: %s, behind_proxy: %s}\n", rows[i].listen,
                           has_tokens ? "tokens" : "none", has_proxy ? "true" : "false");
            Status status = config_parse(&config, "f.yaml", text, strlen(text), &errors);
            bool is_allowed = rows[i].is_local || (has_tokens && has_proxy);
            if ((status == STATUS_OK) != is_allowed) {
                fail_msg("%s: %s", text, errors.text != NULL ? errors.text : "accepted");
            }
            config_destroy(config);
            strbuf_free(&errors);
            free(text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_config_defaults, set_up),
        cmocka_unit_test_setup(test_config_reads_everything, set_up),
        cmocka_unit_test_setup(test_config_no_handlers_at_all, set_up),
        cmocka_unit_test_setup(test_config_mistakes, set_up),
        cmocka_unit_test_setup(test_config_warning, set_up),
        cmocka_unit_test_setup(test_config_variables, set_up),
        cmocka_unit_test_setup(test_config_variables_grow, set_up),
        cmocka_unit_test_setup(test_config_database_url, set_up),
        cmocka_unit_test_setup(test_config_state_dir, set_up),
        cmocka_unit_test_setup(test_http, set_up),
        cmocka_unit_test_setup(test_http_start_matrix, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
