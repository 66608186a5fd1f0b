// SPDX-License-Identifier: MIT
// A fresh database for each test, copied from a migrated template of the run's private PostgreSQL.
//
// The cluster is found in the environment: GANGER_TEST_PG is the folder that tests/support/pg_cluster.sh
// filled, or a conninfo string without dbname of a superuser. Failures end the program with a message, so
// that these functions serve in setup functions and in plain programs alike.
#ifndef TESTS_SUPPORT_TEST_DB_H
#define TESTS_SUPPORT_TEST_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/db/db.h"

typedef struct TestDb {
    char name[64];
    char url[512]; // conninfo with dbname, also good for PGconn of its own, psql and gangerd
} TestDb;

// A copy of the migrated template; with test_db_create_empty a database without any schema of ganger.
void test_db_create(TestDb *db);
void test_db_create_empty(TestDb *db);
// Drops it, connections or not.
void test_db_drop(TestDb *db);

// cmocka fixtures: *state is a TestDb.
int test_db_setup(void **state);
int test_db_setup_empty(void **state);
int test_db_teardown(void **state);

// A connection as the programs make it; caller closes.
Db *test_db_open(const TestDb *db);
// A plain connection; caller finishes.
PGconn *test_db_connect(const TestDb *db);

// Runs SQL that must succeed; the last statement's first value, as number or text (caller frees; NULL = null
// or no row).
void test_db_run(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));
int64_t test_db_int(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));
char *test_db_text(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

// Asks `sql` for a boolean until it is true; false after `limit_ms`.
bool test_db_await(PGconn *conn, int64_t limit_ms, const char *sql, ...)
    __attribute__((format(printf, 3, 4)));

#endif
