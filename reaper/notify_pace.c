// SPDX-License-Identifier: MIT
// Notify pace: see the header.
#include "reaper/notify_pace.h"

int64_t notify_pace_read(NotifyPace *pace, int taken, int64_t now)
{
    const int64_t passed_ms = now - pace->since;
    if (passed_ms >= NOTIFY_WINDOW_MS) {
        // A flood that goes on is none anew with each window.
        pace->count = passed_ms < INT64_C(2) * NOTIFY_WINDOW_MS ? pace->count / 2 : 0;
        pace->since = now;
    }
    pace->count += taken;
    if (pace->count > 2 * NOTIFY_FLOOD) {
        pace->count = 2 * NOTIFY_FLOOD;
    }
    return pace->count >= NOTIFY_FLOOD ? now + NOTIFY_PAUSE_MS : 0;
}
