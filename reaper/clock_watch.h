// SPDX-License-Identifier: MIT
// Clock watch: how far this machine's wall clock is off the server's. Nothing goes by that clock but the log: it is for people. Pure.
#ifndef REAPER_CLOCK_WATCH_H
#define REAPER_CLOCK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CLOCK_WATCH_LIMIT_US = 2000000, // off by more is told
    CLOCK_WATCH_DOUBT_US = 1000000  // an answer that took longer tells nothing
};

typedef struct ClockWatch {
    int64_t offset_us; // before the server's
    bool is_known;
    bool is_told; // that it is off
} ClockWatch;

typedef enum ClockNews { CLOCK_NEWS_NONE, CLOCK_NEWS_OFF, CLOCK_NEWS_RIGHT } ClockNews;

// The server was asked at `asked_us` by the wall clock, and answered after `took_us`, by a clock that nobody sets, with the time
// by its own, which it has read half way between.
ClockNews clock_watch_note(ClockWatch *self, int64_t asked_us, int64_t took_us, int64_t server_us);

#endif
