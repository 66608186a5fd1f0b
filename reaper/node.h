// SPDX-License-Identifier: MIT
// Node: this node's row: registration, heartbeat, and the look at the others.
#ifndef REAPER_NODE_H
#define REAPER_NODE_H

#include "reaper/reaper.h"

enum {
    NODE_HEIR_PATIENCE_MS =
        1500, // for a dead supervisor's reaper to settle its own workers, before we bury
    NODE_CONFLICT_LOOK_MS = 50
};

// Registers this node, after making sure that no live node has its name: one whose supervisor is gone from this very
// machine is buried at once, one elsewhere is watched for the length of its lease.
// STATUS_OK: header->node_id is set. STATUS_RETRY: not yet, call again. STATUS_REFUSED: the name is in use (logged).
MUST_CHECK Status node_register(Reaper *self);

// STATUS_REFUSED: this node has been buried; it must start afresh.
MUST_CHECK Status node_heartbeat(Reaper *self);

// Looks at the heartbeats of all other live nodes and buries those whose lease has run out.
MUST_CHECK Status node_watch_others(Reaper *self);

// Gives the registration up: the supervisor ends the workers; a new incarnation registers when they are settled.
void node_give_up(Reaper *self, const char *reason);

#endif
