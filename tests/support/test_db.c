// SPDX-License-Identifier: MIT
// A fresh database for each test, copied from a migrated template of the run's private PostgreSQL.
#include "tests/support/test_db.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/db/migrate.h"

enum { TEST_DB_POLL_MS = 10, TEST_DB_CONNECT_MS = 20000 };

_Noreturn static void fail_hard(const char *what, const char *why)
{
    fprintf(stderr, "test_db: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

// The conninfo of the cluster, without dbname.
static char *cluster_conninfo(void)
{
    const char *place = getenv("GANGER_TEST_PG");
    if (place == NULL || place[0] == '\0') {
        fail_hard("GANGER_TEST_PG is not set",
                  "run by ctest, or by 'tests/support/pg_cluster.sh run COMMAND'");
    }
    struct stat st;
    if (stat(place, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return mem_strdup(place);
    }
    char *path = mem_printf("%s/conninfo", place);
    FILE *file = fopen(path, "re");
    char line[400] = "";
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        fail_hard(path, "no cluster runs there");
    }
    fclose(file);
    free(path);
    line[strcspn(line, "\n")] = '\0';
    return mem_strdup(line);
}

static void set_name(TestDb *db, const char *name)
{
    char *conninfo = cluster_conninfo();
    int length = snprintf(db->url, sizeof db->url, "%s dbname=%s", conninfo, name);
    if (length < 0 || (size_t)length >= sizeof db->url ||
        !str_copy(db->name, sizeof db->name, name)) {
        fail_hard(conninfo, "too long");
    }
    free(conninfo);
}

static void ignore_notice(void *argument, const PGresult *result)
{
    (void)argument;
    (void)result;
}

PGconn *test_db_connect(const TestDb *db)
{
    PGconn *conn = PQconnectdb(db->url);
    if (PQstatus(conn) != CONNECTION_OK) {
        fail_hard(db->url, PQerrorMessage(conn));
    }
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    return conn;
}

Db *test_db_open(const TestDb *db)
{
    Db *out = NULL;
    if (db_open(&out, db->url, "ganger test", TEST_DB_CONNECT_MS, true) != STATUS_OK) {
        fail_hard(db->url, db_open_error());
    }
    return out;
}

// --- plain SQL

static PGresult *run_formatted(PGconn *conn, const char *format, va_list args)
{
    char *sql = NULL;
    if (vasprintf(&sql, format, args) < 0) {
        fail_hard(format, "out of memory");
    }
    PGresult *result = PQexec(conn, sql);
    ExecStatusType kind = PQresultStatus(result);
    if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK && kind != PGRES_EMPTY_QUERY) {
        fail_hard(sql, PQresultErrorMessage(result));
    }
    free(sql);
    return result;
}

void test_db_run(PGconn *conn, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    PQclear(run_formatted(conn, sql, args));
    va_end(args);
}

static char *first_value(const PGresult *result)
{
    bool is_null = PQntuples(result) == 0 || PQgetisnull(result, 0, 0);
    return is_null ? NULL : mem_strdup(PQgetvalue(result, 0, 0));
}

char *test_db_text(PGconn *conn, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    PGresult *result = run_formatted(conn, sql, args);
    va_end(args);
    char *value = first_value(result);
    PQclear(result);
    return value;
}

int64_t test_db_int(PGconn *conn, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    PGresult *result = run_formatted(conn, sql, args);
    va_end(args);
    char *value = first_value(result);
    PQclear(result);
    if (value == NULL) {
        fail_hard(sql, "no value");
    }
    int64_t number = strtoll(value, NULL, 10);
    free(value);
    return number;
}

bool test_db_await(PGconn *conn, int64_t limit_ms, const char *sql, ...)
{
    int64_t deadline = clock_boot_ms() + limit_ms;
    for (;;) {
        va_list args;
        va_start(args, sql);
        PGresult *result = run_formatted(conn, sql, args);
        va_end(args);
        bool is_true = PQntuples(result) > 0 && PQgetvalue(result, 0, 0)[0] == 't';
        PQclear(result);
        if (is_true || clock_boot_ms() >= deadline) {
            return is_true;
        }
        nanosleep(&(struct timespec){.tv_nsec = TEST_DB_POLL_MS * 1000000L}, NULL);
    }
}

// --- the template

// Names the template after the migrations, so that a server that outlives a build is no trap (FNV-1a).
static uint64_t migrations_hash(void)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (int i = 0; i < migrate_file_count(); i++) {
        const MigrationFile *file = migrate_file(i);
        for (size_t at = 0; at < file->length; at++) {
            hash = (hash ^ (unsigned char)file->text[at]) * 0x100000001b3U;
        }
    }
    return hash;
}

static void migrate_database(const TestDb *target)
{
    Db *db = test_db_open(target);
    int applied = 0;
    StrBuf why = {0};
    if (migrate_up(db, &applied, &why) != STATUS_OK) {
        fail_hard("migration", why.text);
    }
    strbuf_free(&why);
    db_close(db);
}

// A copy of a database has its sequences as the page had them, while PostgreSQL believes that the next values are in its WAL already: after a
// crash it would give them out once more. Set anew, a sequence writes the next one.
static void settle_sequences(const TestDb *db)
{
    PGconn *conn = test_db_connect(db);
    test_db_run(conn, "SELECT setval(oid::regclass, coalesce(pg_sequence_last_value(oid), 1), "
                      "pg_sequence_last_value(oid) IS NOT NULL) FROM pg_class WHERE relkind = 'S'");
    PQfinish(conn);
}

// Test programs run side by side: the first makes the template, the others wait. Nobody may be connected to
// it while it is copied, so it gets its name and stops taking connections when it is complete.
static void ensure_template(PGconn *admin, const char *name)
{
    test_db_run(admin, "SELECT pg_advisory_lock(7)");
    if (test_db_int(admin, "SELECT count(*) FROM pg_database WHERE datname = '%s'", name) == 0) {
        TestDb building = {0};
        set_name(&building, "ganger_template_building");
        test_db_run(admin, "DROP DATABASE IF EXISTS %s", building.name);
        test_db_run(admin, "CREATE DATABASE %s", building.name);
        migrate_database(&building);
        settle_sequences(&building);
        test_db_run(admin, "ALTER DATABASE %s ALLOW_CONNECTIONS false", building.name);
        test_db_run(admin,
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE "
                    "datname = '%s'",
                    building.name);
        test_db_run(admin, "ALTER DATABASE %s RENAME TO %s", building.name, name);
    }
    test_db_run(admin, "SELECT pg_advisory_unlock(7)");
}

// --- databases

static PGconn *connect_admin(void)
{
    TestDb admin = {0};
    set_name(&admin, "postgres");
    PGconn *conn = test_db_connect(&admin);
    // A test may have left its server waiting for a standby that is away.
    test_db_run(conn, "SET synchronous_commit = local");
    return conn;
}

static void create_from(TestDb *db, PGconn *admin, const char *template_name)
{
    static atomic_int counter;
    char name[64];
    snprintf(name, sizeof name, "t_%d_%d_%04x", (int)getpid(), atomic_fetch_add(&counter, 1),
             (unsigned)(clock_boot_us() & 0xffff));
    set_name(db, name);
    test_db_run(admin, "CREATE DATABASE %s TEMPLATE %s", name, template_name);
    PQfinish(admin);
}

void test_db_create(TestDb *db)
{
    char template_name[64];
    snprintf(template_name, sizeof template_name, "ganger_template_%016llx",
             (unsigned long long)migrations_hash());
    PGconn *admin = connect_admin();
    ensure_template(admin, template_name);
    create_from(db, admin, template_name);
}

void test_db_create_empty(TestDb *db)
{
    create_from(db, connect_admin(), "template0");
}

void test_db_drop(TestDb *db)
{
    PGconn *admin = connect_admin();
    test_db_run(admin, "DROP DATABASE IF EXISTS %s WITH (FORCE)", db->name);
    PQfinish(admin);
}

int test_db_setup(void **state)
{
    TestDb *db = mem_alloc(sizeof *db);
    test_db_create(db);
    *state = db;
    return 0;
}

int test_db_setup_empty(void **state)
{
    TestDb *db = mem_alloc(sizeof *db);
    test_db_create_empty(db);
    *state = db;
    return 0;
}

int test_db_teardown(void **state)
{
    test_db_drop(*state);
    free(*state);
    return 0;
}
