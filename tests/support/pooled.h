// SPDX-License-Identifier: MIT
// Pooled: what the tests of gangerd behind PgBouncer share.
#ifndef TESTS_SUPPORT_POOLED_H
#define TESTS_SUPPORT_POOLED_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"

enum { POOLED_CONNECTIONS = 2, POOLED_SKIPPED = 77 };

// What PostgreSQL's log says of a backend that pg_terminate_backend has ended.
static const char pooled_terminated[] = "terminating connection due to administrator command";

static inline Daemon *pooled_run(SystemTest *test, const char *name, const char *role,
                                 const DaemonOptions *more)
{
    char url[400];
    char database[512];
    private_pooler_url(test->db.name, role, url, sizeof url);
    (void)snprintf(database, sizeof database, "{url: \"%s\", poll_interval: %s}", url,
                   more != NULL && more->poll != NULL ? more->poll : "100ms");
    DaemonOptions options = more != NULL ? *more : (DaemonOptions){.poll = NULL};
    options.database = database;
    return daemon_run(test, name, 2, &options);
}

// Nobody's backend is ended behind a pooler, as it serves others too.
static inline void pooled_check_no_terminations(SystemTest *test)
{
    sql_check(test, "not exists (select from ganger.worker where backend_start is not null)");
    CHECK(test, private_cluster_log_count(pooled_terminated, test->db.name) == 0);
}

// How many sessions a database has at the pooler.
static inline int pooled_count_clients(const char *database)
{
    char url[400];
    private_pooler_url(NULL, "postgres", url, sizeof url);
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, "show clients");
    int column = PQfnumber(result, "database");
    int count = 0;
    for (int row = 0; column >= 0 && row < PQntuples(result); row++) {
        count += str_equal(PQgetvalue(result, row, column), database);
    }
    PQclear(result);
    PQfinish(conn);
    return count;
}

static inline void pooled_add_journals(SystemTest *test, int count)
{
    test_db_run(test->conn,
                "select ganger.enqueue('journal', '{\"file\": \"%s/journal\", \"ms\": 1}') from "
                "generate_series(1, %d)",
                test->folder, count);
}

static inline void pooled_await_completed(SystemTest *test, int count)
{
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') >= %d", count);
}

// False, as there is no PgBouncer: pgbouncer.sh has said so. Continuous integration has to have one.
static inline bool pooled_is_possible(void)
{
    return private_pooler_is_installed() || getenv("CI") != NULL;
}

#endif
