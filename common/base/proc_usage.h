// SPDX-License-Identifier: MIT
// Process usage: how much processor time and memory a process has, as the kernel tells it.
#ifndef COMMON_BASE_PROC_USAGE_H
#define COMMON_BASE_PROC_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ProcUsage {
    int64_t cpu_us;    // since its start, with the children it has waited for
    int64_t rss_bytes; // of its own memory now
} ProcUsage;

// False: there is no such process, or /proc hides it from this user.
bool proc_usage_read(pid_t pid, ProcUsage *out);

#endif
