// SPDX-License-Identifier: MIT
// The mix of jobs and calls that producers of the chaos test make: which one is next, and its SQL.
#ifndef TESTS_CHAOS_JOB_MIX_H
#define TESTS_CHAOS_JOB_MIX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "tests/chaos/chaos_random.h"

// What the queues, groups and batches of the mix are limited to; job_mix_set_up() tells ganger, and the checker holds it to them.
enum { MIX_NARROW_CONCURRENCY = 3, MIX_GROUPS = 3, MIX_BATCH_CONCURRENCY = 3 };

typedef struct MixedCall {
    const char *kind;              // as in ProducerOp
    char key[48];                  // empty: none
    int count;                     // jobs it makes
    bool is_undone;                // it is rolled back, or refused, on purpose
    const char *expected_sqlstate; // of a call that is refused; NULL: it is none
    StrBuf sql; // one statement; the first column of its rows are ids, or an answer
} MixedCall;

typedef struct MixSource {
    ChaosRandom *random;
    const char *journal; // path
    int producer;
    int number;        // of the call
    int64_t recent_id; // some job of this producer, 0 none: to be cancelled or retried
} MixSource;

// SQL that prepares the database: tables of the test, limits, schedules, the SQL handler.
const char *job_mix_set_up(void);
// Further handlers of gangerd's configuration (DaemonOptions.handlers); caller frees.
char *job_mix_handlers(const char *plugins);
// Makes the next call. The caller frees call->sql.
void job_mix_next(const MixSource *source, MixedCall *call);

#endif
