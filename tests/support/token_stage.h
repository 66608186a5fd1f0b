// SPDX-License-Identifier: MIT
// A job that waits for a token, and the sessions around it: one that waits, one that completes the token, one for all else.
#ifndef TESTS_SUPPORT_TOKEN_STAGE_H
#define TESTS_SUPPORT_TOKEN_STAGE_H

#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000 };

typedef struct Stage {
    TestDb *db;
    PGconn *waiter;
    PGconn *completer;
    PGconn *duty; // and everybody else
    int64_t id;   // the job that waits
    char *lease;
    char *token; // for this one
} Stage;

static Stage stage;

static inline void run_a_job(void)
{
    free(stage.lease);
    test_db_run(stage.duty, "select ganger.enqueue('t', max_attempts => 1)");
    stage.id = test_db_int(stage.duty, "select id from ganger.claim('w', lease => '1 h')");
    stage.lease =
        test_db_text(stage.duty, "select lease_id from ganger.job where id = %" PRId64, stage.id);
}

static inline int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.waiter = test_db_connect(stage.db);
    stage.completer = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    test_db_run(stage.duty, "set lock_timeout = '300ms'"); // any wait is an error
    stage.token = test_db_text(stage.duty, "select ganger.create_token()");
    run_a_job();
    return 0;
}

static inline int teardown(void **state)
{
    PQfinish(stage.waiter);
    PQfinish(stage.completer);
    PQfinish(stage.duty);
    free(stage.lease);
    free(stage.token);
    return test_db_teardown(state);
}

static inline void assert_text(PGconn *conn, const char *wanted, const char *sql)
{
    char *text = test_db_text(conn, "%s", sql);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static inline void assert_status(const char *wanted)
{
    char *text =
        test_db_text(stage.duty, "select status from ganger.jobs where id = %" PRId64, stage.id);
    assert_string_equal(text, wanted);
    free(text);
}

static inline void wait_for_token(const char *wanted)
{
    char *answer = test_db_text(
        stage.waiter, "select ganger.wait_for_token(%" PRId64 ", '%s', '%s') ->> 'status'",
        stage.id, stage.lease, stage.token);
    assert_string_equal(answer, wanted);
    free(answer);
}

// The job runs again and learns what became of its token.
static inline void assert_goes_on(const char *wanted)
{
    assert_status("pending");
    free(stage.lease);
    stage.lease = test_db_text(
        stage.duty, "select lease_id from ganger.claim('w') where id = %" PRId64, stage.id);
    assert_non_null(stage.lease);
    wait_for_token(wanted);
    assert_text(stage.duty, "waiting resumed",
                "select string_agg(event, ' ' order by id) from ganger.event where event in "
                "('waiting', 'resumed')");
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.signal"), 0);
}

#define TOKEN_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
