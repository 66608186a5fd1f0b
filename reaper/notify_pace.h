// SPDX-License-Identifier: MIT
// Notify pace: when are notifications to be read? Pure.
//
// Anybody may notify, as often as he likes. A reading, and the turn of the loop after it, costs the same for one notification and for
// thousands. So where they come in a flood they are not read as they come, but after a pause.
#ifndef REAPER_NOTIFY_PACE_H
#define REAPER_NOTIFY_PACE_H

#include <stdint.h>

enum {
    NOTIFY_FLOOD = 100,     // so many within
    NOTIFY_WINDOW_MS = 100, // are a flood;
    NOTIFY_PAUSE_MS = 20    // then they are read so often
};

typedef struct NotifyPace {
    int count;     // of this window, and what is left of the one before; not beyond twice a flood
    int64_t since; // begin of this window
} NotifyPace;

// `taken` notifications were read at `now`. Until when no others need be read; 0: they are read as they come.
int64_t notify_pace_read(NotifyPace *pace, int taken, int64_t now);

#endif
