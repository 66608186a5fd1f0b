// SPDX-License-Identifier: MIT
// Run job: one entry of the batch through its handler: visible in the slot before, recorded in it after.
#ifndef WORKER_RUN_JOB_H
#define WORKER_RUN_JOB_H

#include "worker/worker.h"

// Runs entry `index` and records its result (record.h). Returns how long the handler ran, in us; -1: the entry was not to be
// run (returned by the reaper).
int64_t run_job(Worker *self, int index);

#endif
