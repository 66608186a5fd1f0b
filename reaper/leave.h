// SPDX-License-Identifier: MIT
// Leave: how a reaper ends: in order, for its successor, or after its supervisor's death.
#ifndef REAPER_LEAVE_H
#define REAPER_LEAVE_H

#include "reaper/reaper.h"

// The supervisor is gone: waits for the workers' end, settles what they held, stops the node.
void leave_last_duty(Reaper *self);

// Ordinary end: the node is stopped unless `restart` (then another reaper carries on with it) or something of it is not settled.
void leave_in_order(Reaper *self, bool restart);

#endif
