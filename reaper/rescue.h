// SPDX-License-Identifier: MIT
// Rescue: takes out of a live worker's batch what a job that runs long keeps waiting.
#ifndef REAPER_RESCUE_H
#define REAPER_RESCUE_H

#include "reaper/reaper.h"

enum { RESCUE_AFTER_MS = 50 }; // without progress in the batch (ARCHITECTURE.md, intervals)

// For batches without progress for RESCUE_AFTER_MS: writes the recorded results, returns the unstarted jobs. Also what an earlier
// reaper, or an earlier try, has begun and not ended.
MUST_CHECK Status rescue_batches(Reaper *self);

// A cancel was asked for of the job with this lease, held by one of this node's workers.
MUST_CHECK Status rescue_cancel(Reaper *self, const uint8_t lease[16]);

#endif
