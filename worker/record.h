// SPDX-License-Identifier: MIT
// Record: what a run came to: into the slot first, and from there, unless it is a small success, into the database.
#ifndef WORKER_RECORD_H
#define WORKER_RECORD_H

#include "worker/runner.h"
#include "worker/worker.h"

// Records the result of entry `index`, which ran from `started_us` on. `is_late`: its deadline had passed when the handler
// returned. A success with small output and no log stays in the slot until the batch ends; anything else is in the database when
// this returns, unless the worker is to leave: its lease is lost, or it has_given_up.
void record_result(Worker *self, int index, const RunResult *result, int64_t started_us,
                   bool is_late);

#endif
