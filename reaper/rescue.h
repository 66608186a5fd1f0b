// SPDX-License-Identifier: MIT
// Rescue: takes out of a live worker's batch what a job that runs long keeps waiting.
#ifndef REAPER_RESCUE_H
#define REAPER_RESCUE_H

#include "reaper/reaper.h"

// Without progress in the batch (ARCHITECTURE.md, intervals).
enum {
    RESCUE_AFTER_MS = 50,
    RESCUE_SETTLING_MS = 2000 // when the worker has left its batch, and gives the rest back itself
};

// Has the batch made no progress for so long, although something of it has not ended? When all has ended, the
// worker is writing the results itself. Pure.
bool rescue_is_due(const Slot *slot, int64_t now);

// For batches of which that is true: writes the recorded results, returns the unstarted jobs. Also what an earlier
// reaper, or an earlier try, has begun and not ended.
MUST_CHECK Status rescue_batches(Reaper *self);

// A cancel was asked for of this job, held under this lease by one of this node's workers. (The lease is its whole batch's.)
MUST_CHECK Status rescue_cancel(Reaper *self, int64_t job_id, const uint8_t lease[16]);

#endif
