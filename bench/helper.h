// SPDX-License-Identifier: MIT
// Helper: a forked process of the measuring side: a raw worker, a listener, a producer.
#ifndef BENCH_HELPER_H
#define BENCH_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct Helper {
    pid_t pid;
    int told_fd; // parent's end: one byte arrives when the helper is ready
    int go_fd;   // parent's end: closing it is the signal to go, or to stop
} Helper;

// In the helper: says it is ready; then waits for the go (true) or looks for it (false).
typedef struct HelperSide {
    int ready_fd;
    int go_fd;
} HelperSide;

// Forks; the helper runs `run` and ends. It dies with this program.
void helper_start(Helper *helper, void (*run)(const HelperSide *side, void *data), void *data);
void helper_wait_ready(const Helper *helper);
void helper_go(Helper *helper);
// Waits for its end; a helper that failed ends the program.
void helper_join(Helper *helper);
// Kills it, if it still lives, and reaps it.
void helper_discard(Helper *helper);

// Lets ready helpers go together and joins them; returns the seconds until the last has ended.
double helpers_run(Helper *helpers, int count);

void helper_ready(const HelperSide *side);
void helper_wait_go(const HelperSide *side);
bool helper_is_told(const HelperSide *side);

#endif
