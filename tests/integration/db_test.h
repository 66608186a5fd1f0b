// SPDX-License-Identifier: MIT
// What the tests of common/db share: a database with a table `t (n int)` that each test finds empty.
#ifndef TESTS_INTEGRATION_DB_TEST_H
#define TESTS_INTEGRATION_DB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/db.h"
#include "tests/support/test_db.h"

static TestDb test_db;
static Db *db;      // under test
static PGconn *own; // the test's own

static const SqlStatement SQL_SLEEP = {"t_sleep", "SELECT pg_sleep($1)"};
static const SqlStatement SQL_DIVIDE = {"t_divide", "SELECT 1 / $1::int AS n"};
static const SqlStatement SQL_INSERT = {"t_insert", "INSERT INTO t (n) VALUES ($1)"};

static int setup_database(void **state)
{
    (void)state;
    test_db_create_empty(&test_db);
    own = test_db_connect(&test_db);
    // Deferred, so that a duplicate is found by the commit.
    test_db_run(own, "CREATE TABLE t (n int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)");
    return 0;
}

static int teardown_database(void **state)
{
    (void)state;
    PQfinish(own);
    test_db_drop(&test_db);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    test_db_run(own, "TRUNCATE t");
    db = test_db_open(&test_db);
    db_set_quiet(db, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    db_close(db);
    return 0;
}

#endif
