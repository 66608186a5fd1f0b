// SPDX-License-Identifier: MIT
// Migrations: applied once whoever comes, refused when they do not fit, and gone without trace when they fail.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/db/migrate.h"
#include "migration_files.h"
#include "tests/support/test_db.h"

static const char TEXT_ONE[] = "CREATE TABLE ganger.one (n int);\n";
static const char TEXT_TWO[] = "CREATE TABLE ganger.two (n int);\n";
static const char TEXT_TWO_CHANGED[] = "CREATE TABLE ganger.two (n bigint);\n";

static const MigrationFile FILES[] = {{1, "0001_one", TEXT_ONE, sizeof TEXT_ONE - 1},
                                      {2, "0002_two", TEXT_TWO, sizeof TEXT_TWO - 1}};
static const MigrationFile FILES_CHANGED[] = {
    {1, "0001_one", TEXT_ONE, sizeof TEXT_ONE - 1},
    {2, "0002_two", TEXT_TWO_CHANGED, sizeof TEXT_TWO_CHANGED - 1}};
static const MigrationFile FILES_GAP[] = {
    {1, "0001_one", TEXT_ONE, sizeof TEXT_ONE - 1},
    {2, "0002_two", TEXT_TWO, sizeof TEXT_TWO - 1},
    {4, "0004_four", "SELECT 1;\n", sizeof "SELECT 1;\n" - 1}};
static const MigrationFile FILES_GAP_FILLED[] = {
    {1, "0001_one", TEXT_ONE, sizeof TEXT_ONE - 1},
    {2, "0002_two", TEXT_TWO, sizeof TEXT_TWO - 1},
    {3, "0003_three", "SELECT 1;\n", sizeof "SELECT 1;\n" - 1},
    {4, "0004_four", "SELECT 1;\n", sizeof "SELECT 1;\n" - 1}};

typedef struct Fixture {
    TestDb test_db;
    PGconn *own;
    Db *db;
    StrBuf why;
    int applied;
} Fixture;

static int setup(void **state)
{
    Fixture *f = mem_alloc(sizeof *f);
    test_db_create_empty(&f->test_db);
    f->own = test_db_connect(&f->test_db);
    f->db = test_db_open(&f->test_db);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    PQfinish(f->own);
    db_close(f->db);
    test_db_drop(&f->test_db);
    strbuf_free(&f->why);
    free(f);
    migrate_use_files(MIGRATION_FILES, MIGRATION_FILE_COUNT);
    return 0;
}

static Status up(Fixture *f, const MigrationFile *files, int count)
{
    strbuf_clear(&f->why);
    migrate_use_files(files, count);
    return migrate_up(f->db, &f->applied, &f->why);
}

static Status check(Fixture *f)
{
    strbuf_clear(&f->why);
    return migrate_check(f->db, &f->why);
}

static void assert_why_has(const Fixture *f, const char *text)
{
    if (f->why.text == NULL || strstr(f->why.text, text) == NULL) {
        fail_msg("'%s' does not contain '%s'", f->why.text, text);
    }
}

static void test_real_migrations_apply_and_check(void **state)
{
    Fixture *f = *state;
    assert_true(migrate_file_count() > 0);
    assert_int_equal(check(f), STATUS_REFUSED);
    assert_why_has(f, "run 'ganger migrate up'");
    assert_int_equal(up(f, MIGRATION_FILES, MIGRATION_FILE_COUNT), STATUS_OK);
    assert_int_equal(f->applied, MIGRATION_FILE_COUNT);
    assert_int_equal(check(f), STATUS_OK);
    assert_int_equal(test_db_int(f->own, "SELECT max(version) FROM ganger.migration"),
                     migrate_wanted_version());
}

// The schema becomes newer under a node that runs, as when a cluster is upgraded node by node.
static void test_a_running_node_bears_a_newer_schema(void **state)
{
    Fixture *f = *state;
    assert_int_equal(up(f, FILES, 2), STATUS_OK);
    migrate_use_files(FILES, 1);
    assert_int_equal(check(f), STATUS_REFUSED);
    assert_int_equal(migrate_check_running(f->db, &f->why), STATUS_OK);
    migrate_use_files(FILES, 2);
    assert_int_equal(migrate_check_running(f->db, &f->why), STATUS_OK);
    test_db_run(f->own, "DELETE FROM ganger.migration WHERE version = 2");
    assert_int_equal(migrate_check_running(f->db, &f->why), STATUS_REFUSED);
}

static void test_second_run_applies_nothing(void **state)
{
    Fixture *f = *state;
    assert_int_equal(up(f, FILES, 1), STATUS_OK);
    assert_int_equal(f->applied, 1);
    migrate_use_files(FILES, 2);
    assert_int_equal(check(f), STATUS_REFUSED);
    assert_why_has(f, "schema is at 1, this program needs 2: run 'ganger migrate up'");
    assert_int_equal(up(f, FILES, 2), STATUS_OK);
    assert_int_equal(f->applied, 1);
    assert_int_equal(up(f, FILES, 2), STATUS_OK);
    assert_int_equal(f->applied, 0);
    assert_int_equal(check(f), STATUS_OK);
    assert_int_equal(test_db_int(f->own, "SELECT count(*) FROM ganger.migration"), 2);
}

static void test_concurrent_runs_apply_once(void **state)
{
    enum { RUNS = 3 };
    Fixture *f = *state;
    pid_t children[RUNS];
    for (int i = 0; i < RUNS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            Db *db = test_db_open(&f->test_db);
            StrBuf why = {0};
            int applied = 0;
            Status status = migrate_up(db, &applied, &why);
            _exit(status == STATUS_OK ? applied : 255);
        }
    }
    int applied = 0;
    for (int i = 0; i < RUNS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), 255);
        applied += WEXITSTATUS(status);
    }
    assert_int_equal(applied, MIGRATION_FILE_COUNT);
    assert_int_equal(check(f), STATUS_OK);
}

static void test_changed_text_is_refused(void **state)
{
    Fixture *f = *state;
    assert_int_equal(up(f, FILES, 2), STATUS_OK);
    assert_int_equal(up(f, FILES_CHANGED, 2), STATUS_REFUSED);
    assert_why_has(f, "0002_two.sql is not the text that was applied");
    assert_int_equal(check(f), STATUS_REFUSED);
}

static void test_newer_schema_is_refused(void **state)
{
    Fixture *f = *state;
    assert_int_equal(up(f, FILES, 2), STATUS_OK);
    assert_int_equal(up(f, FILES, 1), STATUS_REFUSED);
    assert_why_has(f, "the schema is at 2, this program knows it up to 1: install");
    assert_int_equal(check(f), STATUS_REFUSED);
}

static void test_late_number_is_refused(void **state)
{
    Fixture *f = *state;
    assert_int_equal(up(f, FILES_GAP, 3), STATUS_OK);
    assert_int_equal(up(f, FILES_GAP_FILLED, 4), STATUS_REFUSED);
    assert_why_has(f, "give it a number above 4");
}

static void assert_failure(Fixture *f, const char *text, const char *why)
{
    MigrationFile files[] = {FILES[0], {2, "0002_bad", text, strlen(text)}};
    assert_int_equal(up(f, files, 2), STATUS_FATAL);
    assert_why_has(f, why);
    assert_int_equal(f->applied, 1);
    assert_int_equal(test_db_int(f->own, "SELECT max(version) FROM ganger.migration"), 1);
    assert_int_equal(test_db_int(f->own, "SELECT count(*) FROM pg_tables WHERE tablename = 'left'"),
                     0);
    test_db_run(f->own, "DROP SCHEMA ganger CASCADE");
}

static void test_failure_names_the_line_and_leaves_nothing(void **state)
{
    Fixture *f = *state;
    // PostgreSQL gives the place of what it finds while reading ...
    assert_failure(f,
                   "CREATE TABLE ganger.\"left\" (n int);\n-- \xc3\xa4\xc3\xb6\n"
                   "SELECT 1,\n       no_such_column;\n",
                   "0002_bad.sql:4: 42703 column \"no_such_column\" does not exist");
    // ... and none of what happens while it runs.
    assert_failure(f,
                   "CREATE TABLE ganger.\"left\" (n int);\n"
                   "DO $x$ BEGIN PERFORM ';'; END $x$; -- a ; here\n\n"
                   "CREATE TABLE ganger.one (n int);\n",
                   "0002_bad.sql:4: 42P07 relation \"one\" already exists");
    assert_failure(f, "CREATE TABLE ganger.\"left\" (n int;\n",
                   "0002_bad.sql:1: 42601 syntax error");
    assert_failure(f, "CREATE TABLE ganger.\"left\" (n int);\nROLLBACK;\n",
                   "0002_bad.sql must not end its own transaction");
}

static void test_status_lists_all(void **state)
{
    Fixture *f = *state;
    MigrationStatus *list = NULL;
    int count = 0;
    assert_int_equal(up(f, FILES_GAP, 3), STATUS_OK);
    migrate_use_files(FILES_CHANGED, 2);
    assert_int_equal(migrate_status(f->db, &list, &count), STATUS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(list[0].state, MIGRATION_APPLIED);
    assert_int_equal(list[1].state, MIGRATION_CHANGED);
    assert_int_equal(list[2].version, 4);
    assert_null(list[2].file);
    assert_int_equal(strlen(list[2].applied_at), strlen("2026-01-01T00:00:00Z"));
    free(list);
    migrate_use_files(FILES_GAP_FILLED, 4);
    assert_int_equal(migrate_status(f->db, &list, &count), STATUS_OK);
    assert_int_equal(count, 4);
    assert_int_equal(list[2].state, MIGRATION_PENDING);
    assert_string_equal(list[2].applied_at, "");
    assert_string_equal(list[3].file->name, "0004_four");
    free(list);
}

#define WITH_DATABASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_real_migrations_apply_and_check),
        WITH_DATABASE(test_a_running_node_bears_a_newer_schema),
        WITH_DATABASE(test_second_run_applies_nothing),
        WITH_DATABASE(test_concurrent_runs_apply_once),
        WITH_DATABASE(test_changed_text_is_refused),
        WITH_DATABASE(test_newer_schema_is_refused),
        WITH_DATABASE(test_late_number_is_refused),
        WITH_DATABASE(test_failure_names_the_line_and_leaves_nothing),
        WITH_DATABASE(test_status_lists_all),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
