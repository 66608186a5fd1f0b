// SPDX-License-Identifier: MIT
// A wall clock of a test's own, for programs that run with clock_shim.so: ahead or behind, and it may jump while they run.
#ifndef TESTS_SUPPORT_WALL_CLOCK_H
#define TESTS_SUPPORT_WALL_CLOCK_H

#include <stdint.h>

typedef struct WallClock WallClock;

// Shows the right time. The program ends with a message when it cannot be made.
WallClock *wall_clock_create(void);
void wall_clock_destroy(WallClock *clock);

// By how much it is ahead (below 0: behind) of the machine's clock, from now on and for all who run with it.
void wall_clock_set(WallClock *clock, int64_t ahead_ms);
// For $GANGER_TEST_CLOCK; valid as long as the clock.
const char *wall_clock_path(const WallClock *clock);
// The library for LD_PRELOAD. Programs built with a sanitizer want ASAN_OPTIONS=verify_asan_link_order=0 beside it.
const char *wall_clock_library(void);

#endif
