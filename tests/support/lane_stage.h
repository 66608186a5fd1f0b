// SPDX-License-Identifier: MIT
// Interleavings at the frontier, played by hand: one session that is late, one for everybody else, one that advances.
#ifndef TESTS_SUPPORT_LANE_STAGE_H
#define TESTS_SUPPORT_LANE_STAGE_H

#include "tests/support/unit.h"

#include "tests/support/test_db.h"

typedef struct Stage {
    TestDb *db;
    PGconn *a;    // the one that is late, or in the way
    PGconn *b;    // everybody else
    PGconn *duty; // who advances
} Stage;

static Stage stage;

static inline int setup(void **state)
{
    test_db_setup(state);
    stage.db = *state;
    stage.a = test_db_connect(stage.db);
    stage.b = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    return 0;
}

static inline int teardown(void **state)
{
    PQfinish(stage.a);
    PQfinish(stage.b);
    PQfinish(stage.duty);
    return test_db_teardown(state);
}

static inline void advance(int passes)
{
    for (int i = 0; i < passes; i++) {
        test_db_run(stage.duty, "select ganger._advance('0 s')");
    }
}

// Claims everything; how many.
static inline int64_t claim_all(void)
{
    return test_db_int(stage.b, "select count(*) from ganger.claim('w', max_jobs => 1000)");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
