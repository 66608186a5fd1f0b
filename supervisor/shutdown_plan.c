// SPDX-License-Identifier: MIT
// Shutdown plan: see shutdown_plan.h.
#include "supervisor/shutdown_plan.h"

#include <assert.h>
#include <stddef.h>

typedef enum LeftOver {
    LEFT_WORKERS,
    LEFT_OBITUARIES,
    LEFT_API,
    LEFT_REAPER,
    LEFT_POSTGRES
} LeftOver;
enum { LIMIT_SHUTDOWN_TIMEOUT = -1, LIMIT_KILL_GRACE = -2 };

typedef struct PlanRow {
    const char *name;
    LeftOver waits_for; // the phase is over when none of these is left
    ShutdownPhase when_gone;
    int limit_ms;       // or a LIMIT_ of the configuration
    int hurry_limit_ms; // the same in a hurry
    ShutdownPhase when_late;
} PlanRow;

// A killed worker that does not die hangs in the kernel: nothing more can be done for it, so the plan goes on.
static const PlanRow PLAN[] = {
    [SHUTDOWN_NONE] = {"running", LEFT_WORKERS, SHUTDOWN_NONE, 0, 0, SHUTDOWN_NONE},
    [SHUTDOWN_DRAIN] = {"drain", LEFT_WORKERS, SHUTDOWN_SETTLE, LIMIT_SHUTDOWN_TIMEOUT, 0,
                        SHUTDOWN_STOP},
    [SHUTDOWN_STOP] = {"stop", LEFT_WORKERS, SHUTDOWN_SETTLE, LIMIT_KILL_GRACE, 0, SHUTDOWN_KILL},
    [SHUTDOWN_KILL] = {"kill", LEFT_WORKERS, SHUTDOWN_SETTLE, 10000, 10000, SHUTDOWN_SETTLE},
    [SHUTDOWN_SETTLE] = {"settle", LEFT_OBITUARIES, SHUTDOWN_API, 5000, 2000, SHUTDOWN_API},
    [SHUTDOWN_API] = {"api", LEFT_API, SHUTDOWN_REAPER, 2000, 500, SHUTDOWN_API_KILL},
    [SHUTDOWN_API_KILL] = {"api_kill", LEFT_API, SHUTDOWN_REAPER, 1000, 1000, SHUTDOWN_REAPER},
    [SHUTDOWN_REAPER] = {"reaper", LEFT_REAPER, SHUTDOWN_POSTGRES, 5000, 1000,
                         SHUTDOWN_REAPER_KILL},
    [SHUTDOWN_REAPER_KILL] = {"reaper_kill", LEFT_REAPER, SHUTDOWN_POSTGRES, 1000, 1000,
                              SHUTDOWN_POSTGRES},
    [SHUTDOWN_POSTGRES] = {"postgres", LEFT_POSTGRES, SHUTDOWN_DONE, 20000, 5000,
                           SHUTDOWN_POSTGRES_QUIT},
    [SHUTDOWN_POSTGRES_QUIT] = {"postgres_quit", LEFT_POSTGRES, SHUTDOWN_DONE, 5000, 5000,
                                SHUTDOWN_DONE},
    [SHUTDOWN_DONE] = {"done", LEFT_WORKERS, SHUTDOWN_DONE, 0, 0, SHUTDOWN_DONE},
};
static_assert(sizeof(PLAN) / sizeof(PLAN[0]) == SHUTDOWN_PHASE_COUNT, "a row for every phase");

static bool is_left(LeftOver what, const ShutdownView *view);
static int64_t limit_of(const PlanRow *row, const ShutdownView *view);

ShutdownStep shutdown_plan_step(ShutdownPhase phase, const ShutdownView *view)
{
    const PlanRow *row = &PLAN[phase];

    if (phase == SHUTDOWN_NONE || phase == SHUTDOWN_DONE) {
        return (ShutdownStep){phase, INT64_MAX};
    }
    if (!is_left(row->waits_for, view)) {
        return (ShutdownStep){row->when_gone, view->now};
    }
    // In a hurry nobody is asked twice: the soft stop is left out.
    if (view->hurry && (phase == SHUTDOWN_DRAIN || phase == SHUTDOWN_STOP)) {
        return (ShutdownStep){SHUTDOWN_KILL, view->now};
    }
    int64_t ends_at = view->since + limit_of(row, view);
    if (view->now >= ends_at) {
        return (ShutdownStep){row->when_late, view->now};
    }
    return (ShutdownStep){phase, ends_at};
}

const char *shutdown_plan_name(ShutdownPhase phase)
{
    return PLAN[phase].name;
}

static bool is_left(LeftOver what, const ShutdownView *view)
{
    switch (what) {
    case LEFT_WORKERS:
        return view->workers > 0;
    case LEFT_OBITUARIES:
        return view->unsettled > 0;
    case LEFT_API:
        return view->api;
    case LEFT_REAPER:
        return view->reaper;
    case LEFT_POSTGRES:
        return view->postgres;
    }
    return false;
}

static int64_t limit_of(const PlanRow *row, const ShutdownView *view)
{
    if (view->hurry) {
        return row->hurry_limit_ms;
    }
    if (row->limit_ms == LIMIT_SHUTDOWN_TIMEOUT) {
        return view->shutdown_timeout_ms;
    }
    if (row->limit_ms == LIMIT_KILL_GRACE) {
        return view->kill_grace_ms;
    }
    return row->limit_ms;
}
