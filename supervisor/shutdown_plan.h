// SPDX-License-Identifier: MIT
// Shutdown plan: the phases of going down as a table over what is left and the time that has passed. Pure.
#ifndef SUPERVISOR_SHUTDOWN_PLAN_H
#define SUPERVISOR_SHUTDOWN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ShutdownPhase {
    SHUTDOWN_NONE,          // running
    SHUTDOWN_DRAIN,         // workers finish the job in hand
    SHUTDOWN_STOP,          // soft stop of every running job
    SHUTDOWN_KILL,          // SIGKILL to every worker
    SHUTDOWN_SETTLE,        // the reaper settles the last obituaries
    SHUTDOWN_API,           // SIGTERM to the HTTP API: it has answered until now
    SHUTDOWN_API_KILL,      // SIGKILL to the API
    SHUTDOWN_REAPER,        // SIGTERM to the reaper
    SHUTDOWN_REAPER_KILL,   // SIGKILL to the reaper
    SHUTDOWN_POSTGRES,      // SIGINT (fast) to the private server
    SHUTDOWN_POSTGRES_QUIT, // SIGQUIT (immediate)
    SHUTDOWN_DONE,
    SHUTDOWN_PHASE_COUNT
} ShutdownPhase;

typedef struct ShutdownView {
    int64_t since; // when the phase began
    int64_t now;
    int workers;   // alive or not yet buried
    int unsettled; // obituaries the reaper has not settled
    bool api;      // alive
    bool reaper;   // alive
    bool postgres; // alive
    bool hurry;    // second TERM or INT, or QUIT
    int64_t shutdown_timeout_ms;
    int64_t kill_grace_ms;
} ShutdownView;

typedef struct ShutdownStep {
    ShutdownPhase phase; // to be in now; differs from the given one when it is time to move on
    int64_t look_at;     // when the phase ends by itself
} ShutdownStep;

// One step at most; call again after entering a new phase.
ShutdownStep shutdown_plan_step(ShutdownPhase phase, const ShutdownView *view);
const char *shutdown_plan_name(ShutdownPhase phase);

#endif
