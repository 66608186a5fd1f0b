// SPDX-License-Identifier: MIT
// Jobs and those that depend on them, in two sessions that hold transactions open and a third that waits for nobody.
#ifndef TESTS_SUPPORT_DEPENDENTS_H
#define TESTS_SUPPORT_DEPENDENTS_H

#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000 };

typedef struct Stage {
    TestDb *db;
    PGconn *one;
    PGconn *two;
    PGconn *duty; // and everybody else: any wait of it is an error
} Stage;

static Stage stage;

static inline int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.one = test_db_connect(stage.db);
    stage.two = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    test_db_run(stage.duty, "set lock_timeout = '300ms'");
    return 0;
}

static inline int teardown(void **state)
{
    PQfinish(stage.one);
    PQfinish(stage.two);
    PQfinish(stage.duty);
    return test_db_teardown(state);
}

static inline int64_t enqueue(PGconn *conn, const char *options)
{
    return test_db_int(conn, "select ganger.enqueue('t'%s)", options);
}

static inline int64_t enqueue_after_two(int64_t first, int64_t second)
{
    return test_db_int(stage.duty,
                       "select ganger.enqueue('d', depends_on => array[%" PRId64 ", %" PRId64 "])",
                       first, second);
}

// pending_reason of a live pending job (runnable: null), else the status.
static inline void assert_stands(int64_t id, const char *wanted)
{
    char *text = test_db_text(
        stage.duty,
        "select case when status = 'pending' then coalesce(pending_reason, 'runnable') "
        "else status end from ganger.jobs where id = %" PRId64,
        id);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

// Works off what signals ask for, as often as it takes: some are not due at once.
static inline bool await_stands(int64_t id, const char *wanted)
{
    return test_db_await(
        stage.duty, LIMIT_MS,
        "select (select case when status = 'pending' then coalesce(pending_reason, 'runnable') "
        "else status end from ganger.jobs where id = %" PRId64 ") = '%s' from "
        "(select ganger._work_signals() offset 0) x",
        id, wanted);
}

static inline void cancel(PGconn *conn, int64_t id)
{
    assert_int_equal(test_db_int(conn, "select ganger.cancel(%" PRId64 ")::integer", id), 1);
}

// Claims these and completes, or fails, them; in the transaction of `conn` if it has one open.
static inline void finish(PGconn *conn, int64_t id, bool completed)
{
    assert_int_equal(
        test_db_int(conn,
                    "select cardinality(ganger._finish(array[%" PRId64 "], array[(select lease_id "
                    "from ganger.job where id = %" PRId64 ")], array['%s'::ganger.job_status]))",
                    id, id, completed ? "completed" : "failed"),
        1);
}

static inline void claim_all(void)
{
    test_db_run(stage.duty, "select * from ganger.claim('w', max_jobs => 1000, lease => '1 h')");
}

#endif
