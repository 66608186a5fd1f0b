// SPDX-License-Identifier: MIT
// Restart policy: when a dead child is followed by a new one. Pure: clock and random number are parameters.
//
// One RestartState per service (a pool, the reaper, postgres), as its processes are interchangeable.
#ifndef SUPERVISOR_RESTART_POLICY_H
#define SUPERVISOR_RESTART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

enum {
    RESTART_BASE_MS = 100,       // first pause; doubles from there
    RESTART_CAP_MS = 60 * 1000,  // longest pause of a pool
    RESTART_GOOD_MS = 60 * 1000, // a process that lived so long was a good one
    RESTART_WINDOW_MS =
        60 * 1000, // RESTART_WINDOW_DEATHS within this, nothing finished: a crash loop
    RESTART_WINDOW_DEATHS = 5,
    RESTART_FRUITLESS_MS = 1000 // a recycled process that lived less and did nothing is suspicious
};

typedef struct RestartState {
    int failures;                          // in a row, without progress between them
    int64_t next_at;                       // nothing is started before
    int64_t deaths[RESTART_WINDOW_DEATHS]; // ring of the last fruitless deaths
    int death_count;
    int fruitless_recycles; // in a row
    bool degraded;          // crash loop: one process at a time is tried
} RestartState;

typedef struct Death {
    int wait_status;   // as wait4() gave it
    StopCause stopped; // what the supervisor did to it, STOP_NONE: nothing
    bool drained;      // was told to drain
    bool progress; // the service has finished a job (or otherwise proved good) since the last death
    bool reached_idle;     // it had been ready
    bool has_foreign_code; // a worker: handler code may have called exit()
    bool in_handler;       // it died while a handler ran
    int64_t lived_ms;
} Death;

ProcessEnd restart_policy_judge(const Death *death);

// Records the death and sets next_at (or clears it: at once). `cap_ms` bounds the pause.
// Returns true when this death makes the service degraded (report it once).
bool restart_policy_note_death(RestartState *state, const Death *death, int64_t now, int64_t cap_ms,
                               uint32_t random);
// A process finished a job or lived a good minute. Returns true when the service was degraded.
bool restart_policy_note_good(RestartState *state);
// How many processes may be started now, given how many are missing and how many of the live ones
// have not proved good yet.
int restart_policy_allowed(const RestartState *state, int64_t now, int missing, int unproven);

#endif
