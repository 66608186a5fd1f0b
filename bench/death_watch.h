// SPDX-License-Identifier: MIT
// Death watch: the instant at which processes die, told by the kernel (pidfd), whoever kills them.
#ifndef BENCH_DEATH_WATCH_H
#define BENCH_DEATH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { DEATH_WATCH_MAX = 8 };

typedef struct WatchedProcess {
    int pidfd;
    int64_t deadline_ns; // what its death is compared with
} WatchedProcess;

typedef struct DeathWatch {
    int count;
    WatchedProcess processes[DEATH_WATCH_MAX];
} DeathWatch;

void death_watch_add(DeathWatch *watch, pid_t pid, int64_t deadline_ns);
// Waits at most a millisecond. True when a process has died: *late_ns is its death minus its deadline.
bool death_watch_next(DeathWatch *watch, int64_t *late_ns);

#endif
