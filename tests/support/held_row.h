// SPDX-License-Identifier: MIT
// Two sessions at one job: one holds its row, the other comes to it; a third one watches.
#ifndef TESTS_SUPPORT_HELD_ROW_H
#define TESTS_SUPPORT_HELD_ROW_H

#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000 };

typedef struct Stage {
    TestDb *db;
    PGconn *a; // the holder
    PGconn *b; // the one beside it
    PGconn *watcher;
    int64_t id;
    char *lease;
} Stage;

static Stage stage;

static inline int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.a = test_db_connect(stage.db);
    stage.b = test_db_connect(stage.db);
    stage.watcher = test_db_connect(stage.db);
    return 0;
}

static inline int teardown(void **state)
{
    PQfinish(stage.a);
    PQfinish(stage.b);
    PQfinish(stage.watcher);
    free(stage.lease);
    return test_db_teardown(state);
}

// Starts `sql` on b; it must come to wait for a.
static inline void send_and_wait_blocked(const char *sql)
{
    assert_int_equal(PQsendQuery(stage.b, sql), 1);
    assert_true(test_db_await(stage.watcher, LIMIT_MS, "select pg_blocking_pids(%d) = array[%d]",
                              PQbackendPID(stage.b), PQbackendPID(stage.a)));
}

// The answer of what b was waiting with; caller frees.
static inline char *receive(void)
{
    PGresult *result = PQgetResult(stage.b);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        print_error("%s", PQresultErrorMessage(result));
    }
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    char *text = PQntuples(result) > 0 ? mem_strdup(PQgetvalue(result, 0, 0)) : mem_strdup("");
    PQclear(result);
    assert_null(PQgetResult(stage.b));
    return text;
}

static inline void assert_text(PGconn *conn, const char *sql, const char *wanted)
{
    char *text = test_db_text(conn, "%s", sql);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static inline void run_a_job(void)
{
    test_db_run(stage.watcher, "select ganger.enqueue('t')");
    stage.id = test_db_int(stage.watcher, "select id from ganger.claim('w', lease => '1 h')");
    stage.lease = test_db_text(stage.watcher, "select lease_id from ganger.job where id = %" PRId64,
                               stage.id);
}

static inline void hold_by_cancel(void)
{
    run_a_job();
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.cancel(%" PRId64 ")", stage.id);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
