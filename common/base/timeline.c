// SPDX-License-Identifier: MIT
// Timeline: see the header.
#include "common/base/timeline.h"

bool timeline_is_same_system(Timeline a, Timeline b)
{
    return a.system_id == 0 || b.system_id == 0 || a.system_id == b.system_id;
}

bool timeline_is_old(Timeline known, Timeline met)
{
    return met.number != 0 && met.number < known.number && timeline_is_same_system(known, met);
}

Timeline timeline_raise(Timeline known, Timeline met)
{
    bool is_later = met.number > known.number && timeline_is_same_system(known, met);
    if (!is_later) {
        return known;
    }
    // A number alone does not make one forget the cluster.
    return met.system_id != 0 ? met
                              : (Timeline){.system_id = known.system_id, .number = met.number};
}

Timeline timeline_follow(Timeline known, Timeline met)
{
    if (met.number == 0) {
        return known;
    }
    if (!timeline_is_same_system(known, met)) {
        return met;
    }
    Timeline raised = timeline_raise(known, met);
    raised.system_id = raised.system_id != 0 ? raised.system_id : met.system_id;
    return raised;
}

Timeline timeline_load(const SharedTimeline *shared)
{
    const uint32_t number = atomic_load(&shared->number);
    const uint64_t system_id = atomic_load(&shared->system_id);
    const bool is_whole = atomic_load(&shared->number) == number;
    return (Timeline){.system_id = system_id, .number = is_whole ? number : 0};
}

// The number goes first, and comes back last: who reads in between finds nothing known, as timeline_load looks at it twice.
void timeline_store(SharedTimeline *shared, Timeline timeline)
{
    if (atomic_load(&shared->system_id) != timeline.system_id) {
        atomic_store(&shared->number, 0);
        atomic_store(&shared->system_id, timeline.system_id);
    }
    atomic_store(&shared->number, timeline.number);
}
