// SPDX-License-Identifier: MIT
// Clock watch: see the header.
#include "reaper/clock_watch.h"

#include <stdlib.h>

ClockNews clock_watch_note(ClockWatch *self, int64_t asked_us, int64_t took_us, int64_t server_us)
{
    if (took_us < 0 || took_us > CLOCK_WATCH_DOUBT_US || server_us == 0) {
        return CLOCK_NEWS_NONE;
    }
    self->offset_us = asked_us + took_us / 2 - server_us;
    self->is_known = true;
    bool is_off = llabs(self->offset_us) > CLOCK_WATCH_LIMIT_US + took_us / 2;
    // At the limit it is not told again and again.
    bool is_right = llabs(self->offset_us) < CLOCK_WATCH_LIMIT_US / 2;
    if (is_off && !self->is_told) {
        self->is_told = true;
        return CLOCK_NEWS_OFF;
    }
    if (is_right && self->is_told) {
        self->is_told = false;
        return CLOCK_NEWS_RIGHT;
    }
    return CLOCK_NEWS_NONE;
}
