// SPDX-License-Identifier: MIT
// Scenarios of seeded bugs: small courses of events in which one certain bug does its harm each time. The test takes all parts: it
// enqueues as a producer, claims and finishes as workers, settles as a reaper, and writes the logs that they would write.
#ifndef TESTS_CHAOS_SCENARIO_H
#define TESTS_CHAOS_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/test_db.h"

typedef struct Stage Stage;

typedef struct Scenario {
    const char *bug;     // tests/chaos/bugs/<bug>.sql
    const char *promise; // what its harm breaks: the beginning of a promise's name
    void (*play)(Stage *stage);
} Scenario;

extern const Scenario scenarios[];
extern const size_t scenario_count;

// A database, a folder for logs, a node. The caller destroys it.
Stage *stage_create(void);
// Puts the bug of this name in; the test fails when it has no place.
void stage_seed(Stage *stage, const char *bug);
// Takes it out again, and all that has happened: the next scenario begins with nothing.
void stage_heal(Stage *stage);
PGconn *stage_conn(Stage *stage);
const char *stage_folder(const Stage *stage);
void stage_destroy(Stage *stage);

#endif
