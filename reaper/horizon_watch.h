// SPDX-License-Identifier: MIT
// Horizon watch: who keeps dead rows from being removed: a transaction, slot or standby that has been there for long. The elected reaper
// looks once a minute at most, and tells the log when it is somebody else.
#ifndef REAPER_HORIZON_WATCH_H
#define REAPER_HORIZON_WATCH_H

#include <stdint.h>

#include "common/base/status.h"

struct Reaper;

enum {
    HORIZON_NAME_BYTES = 512
}; // a prepared transaction's name may have 200 bytes, quoted twice that

typedef struct HorizonWatch {
    char seen[HORIZON_NAME_BYTES]; // the oldest, with what it still sees
    int64_t seen_at;               // since then
    char told[HORIZON_NAME_BYTES]; // of whom the log knows; empty nobody
} HorizonWatch;

// How long the holder named `seen` has been there at `now`: as the server says, where it does (`held_ms` not negative), else since it was
// first seen with this very horizon. Pure.
int64_t horizon_held_ms(HorizonWatch *self, const char *seen, int64_t held_ms, int64_t now);

MUST_CHECK Status horizon_look(struct Reaper *self, int64_t now);

#endif
