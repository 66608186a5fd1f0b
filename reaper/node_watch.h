// SPDX-License-Identifier: MIT
// Node watch: judges other nodes by their heartbeat counters on this machine's own clock. Pure.
//
// A node is dead when its counter has not moved for its lease's length of *watched* time. Between two looks at most
// NODE_WATCH_STEP_MS count as watched, so neither an outage of the database nor a pause of this process
// makes anybody look dead.
#ifndef REAPER_NODE_WATCH_H
#define REAPER_NODE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { NODE_WATCH_MAX = 1024, NODE_WATCH_STEP_MS = 10000 };

typedef struct WatchedNode {
    int64_t id;
    int64_t heartbeat;
    int64_t unchanged_ms; // watched time since it last moved
    int64_t seen_at;
    int64_t first_seen_at;
    bool has_moved; // since then
} WatchedNode;

typedef struct NodeWatch {
    WatchedNode nodes[NODE_WATCH_MAX];
    int count;
} NodeWatch;

// One look at a node. True when it must be buried: its lease has passed without a heartbeat.
bool node_watch_look(NodeWatch *watch, int64_t id, int64_t heartbeat, int64_t lease_ms,
                     int64_t now);
// What is known about a node; NULL = nothing. Valid until the next call of another function.
const WatchedNode *node_watch_find(const NodeWatch *watch, int64_t id);
// Forgets nodes not looked at since `before`.
void node_watch_forget(NodeWatch *watch, int64_t before);

#endif
