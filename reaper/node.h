// SPDX-License-Identifier: MIT
// Node: this node's row: registration, heartbeat, and the look at the others.
#ifndef REAPER_NODE_H
#define REAPER_NODE_H

#include "reaper/reaper.h"

enum {
    NODE_CONFLICT_LOOK_MS = 50,
    NODE_SILENCE_MAX_MS =
        15000,                 // a supervisor that has not stepped for so long is good for nothing
    NODE_SILENCE_MIN_MS = 5000 // it looks every second, on a machine that may be busy
};

// Registers this node, once no live node has its name.
// STATUS_OK: header->node_id is set. STATUS_RETRY: not yet, call again. STATUS_REFUSED: the name is in use (logged).
MUST_CHECK Status node_register(Reaper *self);

// Between any two things that may take long: says that this process lives, and sends the heartbeat when it is due. A node whose
// supervisor stands still sends none: nobody would end its jobs at their limits, so others shall bury it.
// STATUS_REFUSED: this node has been buried, and was given up here.
MUST_CHECK Status node_keep_lease(Reaper *self);

// For how long the supervisor may stand still. Pure.
int64_t node_silence_ms(int64_t self_fence_ms);

// Looks at the heartbeats of all other live nodes and buries those whose lease has run out.
MUST_CHECK Status node_watch_others(Reaper *self);

// Ends rows of workers that died as they registered.
MUST_CHECK Status node_end_unknown_workers(Reaper *self);

// Gives the registration up: the supervisor ends the workers; a new incarnation registers when they are settled.
void node_give_up(Reaper *self, const char *reason);

#endif
