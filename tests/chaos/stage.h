// SPDX-License-Identifier: MIT
// What scenarios play with: see scenario.h.
#ifndef TESTS_CHAOS_STAGE_H
#define TESTS_CHAOS_STAGE_H

#include <stdbool.h>

#include "tests/chaos/scenario.h"

typedef struct StageWorker {
    int64_t id;
    int pid;
} StageWorker;

// A job in a worker's hands; id 0: there was none to claim.
typedef struct StageClaim {
    StageWorker worker;
    int64_t id;
    int attempt;
    char lease[40];
} StageClaim;

// A producer's call: enqueues one job, with further arguments of ganger.enqueue (", name => value") or none.
int64_t stage_enqueue(Stage *stage, const char *more);
// The same, and the answer never arrives; then it is made again with the same key.
void stage_enqueue_twice(Stage *stage, const char *key);
void stage_cancel(Stage *stage, int64_t id);

StageWorker stage_worker(Stage *stage);
StageClaim stage_claim(Stage *stage, StageWorker worker);
// The handler's line in the journal; nothing for no job.
void stage_line(Stage *stage, const StageClaim *claim, const char *what);
void stage_complete(Stage *stage, const StageClaim *claim);
// The attempt ends with this outcome word (error, crashed, released).
void stage_end(Stage *stage, const StageClaim *claim, const char *outcome);
// All that this worker holds is taken back, as its node is lost.
void stage_settle(Stage *stage, StageWorker worker);
// begin, end, complete.
void stage_run(Stage *stage, const StageClaim *claim);
// Claims and runs what there is.
void stage_run_all(Stage *stage);
void stage_maintain(Stage *stage);

#endif
