// SPDX-License-Identifier: MIT
// Settle: brings what dead workers held to its right end.
#ifndef REAPER_SETTLE_H
#define REAPER_SETTLE_H

#include "reaper/reaper.h"

// Settles every slot with an unsettled obituary. `supervisor_gone`: every slot that still names a worker.
// STATUS_LOST: the rest is settled when the database is back.
MUST_CHECK Status settle_dead_slots(Reaper *self, bool supervisor_gone);

// Buries a node that is gone with all it held: its jobs are charged. STATUS_EMPTY: it lives, or somebody was quicker.
MUST_CHECK Status settle_node(Reaper *self, int64_t node_id, int64_t heartbeat);

#endif
