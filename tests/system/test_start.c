// SPDX-License-Identifier: MIT
// Starts that cannot go well: gangerd says why, and exits or goes on with what works.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { EXIT_CONFIG = 78 };

static void check_refused(SystemTest *test, Daemon *daemon, const char *says)
{
    daemon_start(daemon);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == EXIT_CONFIG);
    if (daemon_log_count(daemon, says) == 0) {
        (void)fprintf(stderr, "the log does not say '%s'\n", says);
        system_fail(test, "gangerd does not say why it does not start");
    }
}

static void test_schema_missing(void **state)
{
    SystemTest *test = *state;
    check_refused(test, daemon_configure(test, "empty", NULL), "ganger migrate up");
}

static void test_schema_too_old(void **state)
{
    SystemTest *test = *state;
    test_db_run(
        test->conn,
        "delete from ganger.migration where version = (select max(version) from ganger.migration)");
    check_refused(test, daemon_configure(test, "old", NULL), "ganger migrate up");
}

static void test_schema_too_new(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "insert into ganger.migration (version, name, sha256, duration_ms) "
                            "values (9999, '9999_future', 'x', 1)");
    check_refused(test, daemon_configure(test, "new", NULL), "or a newer one");
}

static void test_auto_migrate(void **state)
{
    SystemTest *test = *state;
    char *database =
        mem_printf("{url: \"%s\", poll_interval: 100ms, auto_migrate: true}", test->db.url);
    const Daemon *daemon =
        daemon_configure(test, "migrates", &(DaemonOptions){.database = database});
    free(database);
    daemon_start(&test->daemons[0]);
    CHECK(test, daemon_await_log(daemon, "schema.migrated", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_await_log(daemon, "worker.ready", DAEMON_PATIENCE_MS));
    job_await(test, job_add(test, "'noop'"), "completed");
}

static void test_no_database(void **state)
{
    SystemTest *test = *state;
    check_refused(test, daemon_configure(test, "nothing", &(DaemonOptions){.database = "{}"}),
                  "DATABASE_URL");
}

// What cannot be read will not be read better the next time.
static void test_malformed_database(void **state)
{
    SystemTest *test = *state;
    check_refused(
        test, daemon_configure(test, "http", &(DaemonOptions){.database = "{url: \"http://x/y\"}"}),
        "database.malformed");
}

static void test_state_dir_refused(void **state)
{
    SystemTest *test = *state;
    check_refused(
        test, daemon_configure(test, "nowhere", &(DaemonOptions){.state_dir = "/dev/null/ganger"}),
        "set supervisor.state_dir");
}

static void test_bad_file(void **state)
{
    SystemTest *test = *state;
    check_refused(
        test, daemon_configure(test, "typo", &(DaemonOptions){.pools = "{default: {proceses: 2}}"}),
        "did you mean 'processes'");
}

// A handler that cannot be loaded is refused by name; the others work.
static void test_bad_plugins(void **state)
{
    SystemTest *test = *state;
    const char *plugins = getenv("GANGER_TEST_PLUGINS");
    char *text_path = mem_printf("%s/text.so", test->folder);
    FILE *text = fopen(text_path, "we");
    assert_non_null(text);
    (void)fputs(
        "this is not a shared object, though it is long enough to be looked at as one.......\n",
        text);
    (void)fclose(text);
    char *handlers = mem_printf(
        "missing: {plugin: /nowhere/missing.so}, text: {plugin: %s}, aborting: {plugin: "
        "%s/aborting.so}, wrong_abi: {plugin: %s/wrong_abi.so}, absent: {plugin: noop.so}, "
        "no_program: {exec: [/nowhere/program]}, no_function: {sql: app.nothing}",
        text_path, plugins, plugins);
    const Daemon *daemon = daemon_run(test, "plugins", 2, &(DaemonOptions){.handlers = handlers});
    static const char *const refused[] = {"missing", "text",       "aborting",   "wrong_abi",
                                          "absent",  "no_program", "no_function"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *line = mem_printf("event=handler.refused job_type=%s ", refused[i]);
        char *slotted = mem_printf("job_type=%s reason", refused[i]);
        if (daemon_log_count(daemon, line) == 0 && daemon_log_count(daemon, slotted) == 0) {
            (void)fprintf(stderr, "%s was not refused\n", refused[i]);
            system_fail(test, "a handler was not refused");
        }
        free(line);
        free(slotted);
    }
    CHECK(test, daemon_log_count(daemon, "not an ELF file") > 0);
    CHECK(test, daemon_log_count(daemon, "speaks ABI 99") > 0);
    int64_t id = job_add(test, "'aborting'");
    job_await(test, job_add(test, "'echo', '1'"), "completed");
    job_await(test, job_add(test, "'flaky', '{\"until\": 1}'"), "completed");
    sql_check(
        test,
        "(select status = 'pending' and attempts = 0 from ganger.jobs where id = %" PRId64 ")", id);
    free(handlers);
    free(text_path);
}

// What the log would be written into is the first file gangerd opens.
static void test_without_standard_error(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_configure(test, "closed", NULL);
    daemon->has_no_stderr = true;
    daemon_start(daemon);
    daemon_await_workers(test, daemon, 2);
    char *path = mem_printf("%s/closed.pid", daemon->state_dir);
    char text[64] = "";
    FILE *file = fopen(path, "re");
    CHECK(test, file != NULL);
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    free(path);
    CHECK(test, length > 1 && text[length - 1] == '\n');
    CHECK(test, strtol(text, NULL, 10) == daemon->pid);
    CHECK(test, strchr(text, '\n') == &text[length - 1]);
    job_await(test, job_add(test, "'noop'"), "completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_schema_missing, system_setup_empty, system_teardown),
        cmocka_unit_test_setup_teardown(test_schema_too_old, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_schema_too_new, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_auto_migrate, system_setup_empty, system_teardown),
        cmocka_unit_test_setup_teardown(test_no_database, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_malformed_database, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_state_dir_refused, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_bad_file, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_bad_plugins, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_without_standard_error, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
