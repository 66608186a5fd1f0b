// SPDX-License-Identifier: MIT
// Supervisor: the loop that starts, watches and stops the other processes of this node.
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "supervisor/child.h"
#include "supervisor/sd_notify.h"
#include "supervisor/service_table.h"
#include "supervisor/shared.h"
#include "supervisor/shutdown_plan.h"
#include "supervisor/signal_table.h"
#include "supervisor/user.h"

enum {
    SUPERVISOR_STATUS_BYTES = 256,
    SUPERVISOR_TICK_MS = 1000,   // deadlines are looked at so often even if nobody says anything
    SUPERVISOR_BURIAL_MS = 5000, // an obituary waits so long for what a dead child left behind
    SUPERVISOR_SOON_MS = 10,     // pace of waiting for something that takes milliseconds
    SUPERVISOR_START_FAST_MS = 10000, // this long after a start things are looked at at that pace
    SUPERVISOR_RESERVE_BYTES =
        16 << 20, // set aside for a reload, which is given up rather than gangerd
    SUPERVISOR_EXTEND_MS =
        30000, // until ready, systemd is asked at every tick for so much more time
    SUPERVISOR_POSTGRES_MS = 10000, // the reaper waits so long for the private server to be ready
    SUPERVISOR_API_READY_MS = 5000, // being ready waits so long for an API that has been started
    SUPERVISOR_API_LEAVE_MS =
        15000 // for its last answers, when it is replaced or not wanted any more
};

typedef struct PostgresOptions { // the private server of `ganger dev`
    const char *bin;             // folder of the server's programs; NULL: no private server
    const char *data;
    const char *socket;
    const char *user; // NULL: ours
} PostgresOptions;

typedef struct SupervisorOptions {
    const char *config_path;
    PostgresOptions postgres;
} SupervisorOptions;

typedef struct Wishes { // what signals have asked for since the last step
    bool reap;
    bool reload;
    bool reopen_logs;
    bool stop_now;
    int drains;
    bool quiet;
    bool resume;
} Wishes;

typedef struct Supervisor {
    SupervisorOptions options;
    Config *config;     // owned
    int config_version; // grows with every accepted reload
    Shared shared;
    ServiceTable services;
    Child *children; // one per slot, then postgres
    int child_count;
    pid_t *inherited; // owned; our children from before we were gangerd
    size_t inherited_count;
    ChildPlan plan;                 // scratch of the next spawn
    char *role_program[ROLE_COUNT]; // owned; NULL: of a role that is not wanted, and not there
    User user;                      // of reaper, workers and API
    User postgres_user;
    SdNotify notify;

    struct ev_loop *loop;
    ev_signal signals[SIGNAL_COUNT];
    ev_io wake;
    ev_timer timer;
    Wishes wishes;
    int64_t look_at; // earliest moment the next step is needed

    bool is_quiet;
    bool is_ready;                        // has been ready to work
    bool owes_ready;                      // READY=1 is to be said, for the first time or again
    bool is_fenced;                       // said in the log
    int64_t fed_at;                       // last WATCHDOG=1
    int64_t extended_at;                  // last EXTEND_TIMEOUT_USEC=
    char status[SUPERVISOR_STATUS_BYTES]; // last STATUS=
    ShutdownPhase phase;
    int64_t phase_since;
    bool hurry;
    ExitCode exit_code;
} Supervisor;

// Makes everything the supervisor will ever need. `config` is taken over. STATUS_REFUSED or
// STATUS_FATAL, logged.
MUST_CHECK Status supervisor_create(Supervisor **out, Config *config,
                                    const SupervisorOptions *options, const User *user);
// Runs until told to stop and everything is gone.
ExitCode supervisor_run(Supervisor *self);
void supervisor_destroy(Supervisor *self);

// One pass over everything: reap, obey, watch, start; then arms the timer. The loop calls it after every event.
void supervisor_step(Supervisor *self);

// --- for the other files of this folder

// The loop is to look again at `at` or earlier.
void supervisor_look_by(Supervisor *self, int64_t at);
// Starts to go down (or, in a hurry, faster). The first reason decides the exit code.
void supervisor_begin_shutdown(Supervisor *self, const char *reason, bool hurry, ExitCode code);
// The child's slot; NULL for postgres.
Slot *supervisor_slot(Supervisor *self, const Child *child);
// The id of the job a worker is, or was, running; 0 = none.
int64_t supervisor_job_of(Supervisor *self, const Child *child);
// The child of a role that exists once; NULL when it is not alive.
Child *supervisor_find_role(Supervisor *self, Role role);
// The API's place among the children; it has the last slot.
Child *supervisor_api(Supervisor *self);
// Name of the child's pool or role, for logs.
const char *supervisor_child_name(const Supervisor *self, const Child *child);
// True while the node is registered and holds its lease: workers may run.
bool supervisor_may_work(Supervisor *self, int64_t now);

#endif
