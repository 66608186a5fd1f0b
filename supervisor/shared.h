// SPDX-License-Identifier: MIT
// Shared: what the supervisor makes once and hands down to every child: scoreboard, lifeline,
// configuration, wake-up eventfds.
#ifndef SUPERVISOR_SHARED_H
#define SUPERVISOR_SHARED_H

#include <sys/resource.h>

#include "common/base/config.h"
#include "common/base/scoreboard.h"
#include "common/base/status.h"

// The fds below stand above every number a child expects something at, so that none is overwritten by
// the dup2 of another.
typedef struct Shared {
    Scoreboard *board;
    int board_fd;
    int config_fd;
    int lifeline_read;
    int lifeline_write; // nobody but gangerd ever holds it
    int supervisor_wake;
    int *slot_wake; // one eventfd per slot; slot 0 is the reaper's
    int slot_count;
    int high_fd;         // the lowest number used for these
    struct rlimit files; // limit we were started with, for children
} Shared;

MUST_CHECK Status shared_create(Shared *out, int slot_count);
void shared_destroy(Shared *shared);
// Replaces what later children get as FD_CONFIG.
MUST_CHECK Status shared_set_config(Shared *shared, const Config *config);
// Wakes whoever waits on an eventfd; never blocks.
void shared_wake(int eventfd);
// Forgets wake-ups nobody has taken. True when there were some.
bool shared_take_wakes(int eventfd);

#endif
