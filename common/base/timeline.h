// SPDX-License-Identifier: MIT
// Timeline: which life of a PostgreSQL cluster a server is in, so that an old primary is told from the one that has taken over.
//
// A promotion begins a new timeline, with a higher number. An old primary that comes back has the old one, takes writes, and looks
// like the real one in every other respect. Pure, but for timeline_load and timeline_store.
#ifndef COMMON_BASE_TIMELINE_H
#define COMMON_BASE_TIMELINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Timeline {
    uint64_t system_id; // of the cluster, the same in all its copies; 0 not known
    uint32_t number;    // 0 not known
} Timeline;

// The same in shared memory, with one writer.
typedef struct SharedTimeline {
    atomic_ullong system_id;
    atomic_uint number;
} SharedTimeline;

// Do both speak of the same cluster, as far as is known?
bool timeline_is_same_system(Timeline a, Timeline b);
// Is `met` an earlier life of the cluster of `known`? What is not known, and another cluster, is no earlier life.
bool timeline_is_old(Timeline known, Timeline met);
// What is known after `met` was heard of: the later one of the same cluster; another cluster changes nothing.
Timeline timeline_raise(Timeline known, Timeline met);
// What is known after a connection to `met` was made: as above, but another cluster is the one that counts from now on.
Timeline timeline_follow(Timeline known, Timeline met);

Timeline timeline_load(const SharedTimeline *shared);
void timeline_store(SharedTimeline *shared, Timeline timeline);

#endif
