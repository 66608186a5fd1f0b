// SPDX-License-Identifier: MIT
// Node watch: see the header.
#include "reaper/node_watch.h"

#include <stddef.h>

static WatchedNode *find_or_add(NodeWatch *watch, int64_t id, int64_t heartbeat, int64_t now)
{
    for (int i = 0; i < watch->count; i++) {
        if (watch->nodes[i].id == id) {
            return &watch->nodes[i];
        }
    }
    if (watch->count == NODE_WATCH_MAX) {
        return NULL;
    }
    WatchedNode *node = &watch->nodes[watch->count++];
    *node = (WatchedNode){.id = id, .heartbeat = heartbeat, .seen_at = now, .first_seen_at = now};
    return node;
}

const WatchedNode *node_watch_find(const NodeWatch *watch, int64_t id)
{
    for (int i = 0; i < watch->count; i++) {
        if (watch->nodes[i].id == id) {
            return &watch->nodes[i];
        }
    }
    return NULL;
}

bool node_watch_look(NodeWatch *watch, int64_t id, int64_t heartbeat, int64_t lease_ms, int64_t now)
{
    WatchedNode *node = find_or_add(watch, id, heartbeat, now);
    if (node == NULL) {
        return false; // other observers have room
    }
    int64_t step = now - node->seen_at;
    node->seen_at = now;
    if (heartbeat != node->heartbeat) {
        // A failover may take the last ones back: that is no sign of life, but no reason to judge it either.
        node->has_moved = node->has_moved || heartbeat > node->heartbeat;
        node->heartbeat = heartbeat;
        node->unchanged_ms = 0;
        return false;
    }
    node->unchanged_ms += step < NODE_WATCH_STEP_MS ? step : NODE_WATCH_STEP_MS;
    return node->unchanged_ms >= lease_ms;
}

void node_watch_forget(NodeWatch *watch, int64_t before)
{
    int kept = 0;
    for (int i = 0; i < watch->count; i++) {
        if (watch->nodes[i].seen_at >= before) {
            watch->nodes[kept++] = watch->nodes[i];
        }
    }
    watch->count = kept;
}
