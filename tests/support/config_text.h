// SPDX-License-Identifier: MIT
// Texts of configurations, and what is said of them.
#ifndef TESTS_SUPPORT_CONFIG_TEXT_H
#define TESTS_SUPPORT_CONFIG_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "common/base/config.h"
#include "tests/support/unit.h"

static inline int set_up(void **state)
{
    (void)state;
    unsetenv("DATABASE_URL");
    unsetenv("GANGER_NOT_SET");
    unsetenv("GANGER_DEFAULT_NODE_NAME");
    setenv("GANGER_TEST_WORD", "many", 1);
    setenv("GANGER_TEST_COUNT", "7", 1);
    setenv("GANGER_TEST_PASSWORD", "s3cr3t", 1);
    return 0;
}

static inline Config *parse(const char *text)
{
    StrBuf errors = {0};
    Config *config = NULL;
    Status status = config_parse(&config, "f.yaml", text, strlen(text), &errors);
    if (status != STATUS_OK) {
        print_error("%s", errors.text);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(errors.length, 0);
    strbuf_free(&errors);
    return config;
}

static inline void expect_refused(const char *text, size_t length, const char *expected)
{
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_parse(&config, "f.yaml", text, length, &errors), STATUS_REFUSED);
    assert_null(config);
    assert_string_equal(errors.text, expected);
    strbuf_free(&errors);
}

static const char full_text[] = //
    "database:\n"
    "  url: \"postgresql://app:${GANGER_TEST_PASSWORD}@db/app\"\n"
    "  poll_interval: 250ms\n"
    "  auto_migrate: true\n"
    "node: {name: n1, heartbeat: 1s, self_fence: 10s, lease: 15s}\n"
    "supervisor:\n"
    "  shutdown_timeout: 1m30s\n"
    "  kill_grace: 0s\n"
    "  user: ganger\n"
    "  plugin_dir: /opt/handlers\n"
    "  state_dir: /srv/ganger\n"
    "no_handler_after: 1h\n"
    "retention: {completed: 1d, failed: 2w}\n"
    "log: {format: json, level: debug}\n"
    "pools:\n"
    "  mail: &mail\n"
    "    queues: [mail, \"news letters\"]\n"
    "    job_types: [send_email]\n"
    "    processes: \"${GANGER_TEST_COUNT}\"\n"
    "    max_jobs: 1000\n"
    "    max_rss: 512MiB\n"
    "    max_age: 1h\n"
    "    prefetch: 16\n"
    "  more: *mail\n"
    "handlers:\n"
    "  send_email: {plugin: email.so, symbol: send, timeout: 30s}\n"
    "  resize:\n"
    "    exec: [convert, \"-\", \"${HOME}\", \"\", 5]\n"
    "    rlimits: {cpu: 30s, memory: 512MiB, files: 64, file_size: 1GiB, processes: 999}\n"
    "    sandbox: false\n"
    "  rollup: {sql: 'app.\"Roll up\"'}\n"
    "  measure: {exec: [m], apply: app.store}\n"
    "schedules:\n"
    "  nightly:\n"
    "    cron: \"0 3 * * *\"\n"
    "    job_type: rollup\n"
    "    payload: {days: [1, 2.5, \"x\"], deep: {er: null}}\n"
    "    overlap: queue_one\n"
    "    options: {queue: mail, priority: -3, timeout: 5m, tags: [a, b]}\n"
    "queues:\n"
    "  mail: {concurrency: 4, rate: 100, rate_period: 1m}\n";

static inline void check_defaults(const Config *config)
{
    assert_null(config->database_url);
    assert_false(config->database_url_from_env);
    assert_int_equal(config->poll_interval_ms, 1000);
    assert_false(config->auto_migrate);
    assert_true(strlen(config->node_name) > 0);
    assert_int_equal(config->heartbeat_ms, 5000);
    assert_int_equal(config->self_fence_ms, 50000);
    assert_int_equal(config->lease_ms, 60000);
    assert_int_equal(config->shutdown_timeout_ms, 25000);
    assert_int_equal(config->kill_grace_ms, 5000);
    assert_null(config->user);
    assert_null(config->plugin_dir);
    assert_non_null(config->state_dir);
    assert_int_equal(config->no_handler_after_ms, 300000);
    assert_int_equal(config->retention_completed_ms, INT64_C(30) * 86400000);
    assert_int_equal(config->retention_failed_ms, INT64_C(90) * 86400000);
    assert_int_equal(config->log_format, LOG_FORMAT_AUTO);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->pool_count, 1);
    const PoolConfig *pool = &config->pools[0];
    assert_string_equal(pool->name, "default");
    assert_int_equal(pool->queues.count, 1);
    assert_string_equal(pool->queues.items[0], "default");
    assert_int_equal(pool->job_types.count, 0);
    assert_int_equal(pool->processes, 2);
    assert_int_equal(pool->max_jobs, 0);
    assert_int_equal(pool->max_rss_bytes, 0);
    assert_int_equal(pool->max_age_ms, 0);
    assert_int_equal(pool->prefetch, 0);
    assert_int_equal(config->handler_count, 3);
    static const char *const built_in[] = {"noop", "sleep", "echo"};
    for (size_t i = 0; i < 3; i++) {
        const HandlerConfig *handler = config_find_handler(config, built_in[i]);
        assert_non_null(handler);
        assert_int_equal(handler->kind, HANDLER_PLUGIN);
        assert_string_equal(handler->plugin, "noop.so");
        assert_null(handler->symbol);
        assert_int_equal(handler->timeout_ms, 0);
        assert_int_equal(handler->line, 0);
    }
}

#endif
