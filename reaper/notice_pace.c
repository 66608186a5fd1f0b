// SPDX-License-Identifier: MIT
// Notice pace: see the header.
#include "reaper/notice_pace.h"

int64_t notice_pace_read(NoticePace *pace, int taken, int64_t now)
{
    const int64_t passed_ms = now - pace->since;
    if (passed_ms >= NOTICE_WINDOW_MS) {
        // A flood that goes on is none anew with each window.
        pace->count = passed_ms < INT64_C(2) * NOTICE_WINDOW_MS ? pace->count / 2 : 0;
        pace->since = now;
    }
    pace->count += taken;
    if (pace->count > 2 * NOTICE_FLOOD) {
        pace->count = 2 * NOTICE_FLOOD;
    }
    return pace->count >= NOTICE_FLOOD ? now + NOTICE_PAUSE_MS : 0;
}
