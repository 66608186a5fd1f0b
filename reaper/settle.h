// SPDX-License-Identifier: MIT
// Settle: brings what dead workers held to its right end, and rescues what a long job keeps waiting.
#ifndef REAPER_SETTLE_H
#define REAPER_SETTLE_H

#include "reaper/reaper.h"

enum {
    SETTLE_RESCUE_MS = 50
}; // a job that runs longer gives its batch neighbours back (ARCHITECTURE.md, intervals)

// Settles every slot with an unsettled obituary. `supervisor_gone`: every slot that still names a worker.
// STATUS_LOST: the rest is settled when the database is back.
MUST_CHECK Status settle_dead_slots(Reaper *self, bool supervisor_gone);

// For workers whose running job has gone on for SETTLE_RESCUE_MS: writes the finished entries of its batch, returns the
// unstarted ones.
MUST_CHECK Status settle_rescue_batches(Reaper *self);

// A cancel was asked for of the running job with this lease, held by one of this node's workers.
MUST_CHECK Status settle_cancel(Reaper *self, const uint8_t lease[16]);

// Buries a node that is gone with all it held: its jobs are charged. STATUS_EMPTY: it lives, or somebody was quicker.
MUST_CHECK Status settle_node(Reaper *self, int64_t node_id, int64_t heartbeat);

#endif
