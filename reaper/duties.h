// SPDX-License-Identifier: MIT
// Duties: the poll of this node, and what the elected reaper does for the whole cluster.
#ifndef REAPER_DUTIES_H
#define REAPER_DUTIES_H

#include "reaper/reaper.h"

// One query: is there work (then workers are woken), what is to be cancelled, who leads, what is due. The leader also runs
// the frequent duties.
MUST_CHECK Status duties_poll(Reaper *self, int64_t now);

// Something is due now: makes it runnable and wakes workers.
MUST_CHECK Status duties_promote(Reaper *self);

// Partitions and retention.
MUST_CHECK Status duties_tidy(Reaper *self);

#endif
