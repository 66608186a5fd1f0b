// SPDX-License-Identifier: MIT
// Obituary: what a dead worker's slot says about the jobs it held. Pure: reads a slot, decides, writes nothing.
#ifndef REAPER_OBITUARY_H
#define REAPER_OBITUARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

typedef struct Obituary {
    int done[SCOREBOARD_BATCH_MAX]; // entries with a recorded result
    int done_count;
    int running; // entry that was running; -1 none
    const char
        *outcome; // of the running one: timeout, cancelled, released, crashed, node_lost; borrowed
    char message[384];
    int exit_code; // of the process; -1 = it did not exit by itself
    int signal;    // 0 = it did
} Obituary;

// `supervisor_gone`: nobody wrote the obituary fields; the running job is charged as lost with its node.
// `lease_until`: of this node; when it has passed, the worker's kernel timer explains a SIGKILL.
void obituary_read(Obituary *out, const Slot *slot, bool supervisor_gone, int64_t lease_until);

#endif
