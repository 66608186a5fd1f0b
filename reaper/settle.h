// SPDX-License-Identifier: MIT
// Settle: brings what this node's dead workers held to its right end.
#ifndef REAPER_SETTLE_H
#define REAPER_SETTLE_H

#include "reaper/reaper.h"

enum {
    SETTLE_RETRY_MIN_MS = 200, // a slot whose settling failed is tried again after that, doubling
    SETTLE_RETRY_MAX_MS = 10000,
    SETTLE_EVIDENCE_PARAMS =
        20 // of settle_worker.sql, between the worker and what becomes of the rest
};

// Settles every slot with an unsettled obituary. `supervisor_gone`: every slot that still names a worker and whose process has
// ended. A slot that cannot be settled now is tried again later, and does not keep the others from it.
// STATUS_LOST: the rest is settled when the database is back. STATUS_REFUSED: this node has been buried.
MUST_CHECK Status settle_dead_slots(Reaper *self, bool supervisor_gone);

// Is nothing left of any worker of this node?
bool settle_is_complete(Reaper *self);

// The first two steps: the worker's claims are refused from here on, and its backend is gone. STATUS_RETRY: not yet gone.
MUST_CHECK Status settle_fence_worker(Reaper *self, int64_t worker_id);

#endif
