// SPDX-License-Identifier: MIT
// Deadman: deadlines that hold although nobody else is running. A kernel timer kills this process at the
// running job's end of grace, another when the node's lease runs out; a thread with all signals blocked renews the
// second one and listens on the lifeline.
//
// When the supervisor is gone, the thread asks the running handler to stop, gives this process DEADMAN_LAST_MS to write what
// it has, ends what processes it has started, and lets the kernel end it. It also ends them shortly before the node's lease
// runs out: they would outlive this process, should the supervisor stand still.
#ifndef WORKER_DEADMAN_H
#define WORKER_DEADMAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

enum {
    DEADMAN_LAST_MS = 1000,    // after the supervisor's death (ARCHITECTURE.md, intervals)
    DEADMAN_SWEEP_MS = 200,    // of it, at its end: to kill what this process has started
    DEADMAN_FENCE_MS = 100,    // before the end of the node's lease: for the same
    DEADMAN_JOB_SLACK_MS = 40, // the supervisor's own kill, with its obituary, comes first
    DEADMAN_JOB_SHARE_MS = 100 // short jobs that follow each other share a timer set so much later
};

typedef struct Deadman Deadman;

// Starts the thread; the calling thread is the one that runs handlers and is interrupted. STATUS_FATAL (logged) when
// the kernel has no timer or thread left.
MUST_CHECK Status deadman_start(Deadman **out, ScoreboardHeader *header, Slot *slot);

// SIGKILL to this process at `at` (clock_boot_ms), or up to DEADMAN_JOB_SHARE_MS later; 0 = no limit. A timer already within
// that range stays, which saves the system call. Only for the thread that runs handlers.
void deadman_set_job(Deadman *self, int64_t at);

// True once the supervisor is gone.
bool deadman_is_orphaned(const Deadman *self);

// True once this process is about to end for that reason, or because the node's lease runs out: nothing may be begun.
bool deadman_is_leaving(const Deadman *self);

// True once the node's lease has run out under the running job: what its handler says now is not its own doing.
bool deadman_is_fenced(const Deadman *self);

#endif
