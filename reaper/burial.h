// SPDX-License-Identifier: MIT
// Burial: what becomes of a node that is gone, and of the jobs its workers held.
#ifndef REAPER_BURIAL_H
#define REAPER_BURIAL_H

#include "reaper/reaper.h"

// Buries a node that is gone with all it held: its jobs are charged, as nobody knows how far they got. STATUS_EMPTY: it lives, or
// somebody was quicker.
MUST_CHECK Status burial_of_node(Reaper *self, int64_t node_id, int64_t heartbeat);

#endif
