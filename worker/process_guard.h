// SPDX-License-Identifier: MIT
// ProcessGuard: what a plugin may have changed in this process, put back after its run.
#ifndef WORKER_PROCESS_GUARD_H
#define WORKER_PROCESS_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/base/config.h"

enum { PROCESS_GUARD_LIMITS = 4 };

typedef struct ProcessGuard {
    bool has_limits;
    struct rlimit limits[PROCESS_GUARD_LIMITS];
    int64_t files_limit; // 0 = none of the handler's own
} ProcessGuard;

// Sets the handler's limits around its run: soft limits, counted on top of what the worker uses by
// itself.
void process_guard_begin(ProcessGuard *guard, const HandlerLimits *limits);
// Puts the limits back, and the process as it was before its first run (process_state.h); ends what child processes, of any depth,
// the run has left behind. True: the run is known to have made no system call (syscall_watch.h); so it needed little of that, and cannot
// have touched anything else outside memory either.
bool process_guard_end(const ProcessGuard *guard);

typedef struct ProcessMemory { // 0 = it cannot be read
    int64_t virtual_bytes;
    int64_t resident_bytes;
} ProcessMemory;

// What this process uses now.
ProcessMemory process_memory(void);

// The limits of a child program, soft and hard alike. Async-signal-safe. False when one was
// refused.
bool process_limits_apply(const HandlerLimits *limits);

#endif
