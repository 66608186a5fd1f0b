// SPDX-License-Identifier: MIT
// Process statistics: what the kernel tells of a process. Works without the heap.
#ifndef COMMON_BASE_PROC_STAT_H
#define COMMON_BASE_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ProcStat {
    char state; // as in /proc/PID/stat: 'Z' has ended
    pid_t parent;
    uint64_t start_ticks; // since the machine was started, sysconf(_SC_CLK_TCK) a second
    int64_t cpu_us;       // since its start, with the children it has waited for
    int64_t rss_bytes;    // of its own memory now
} ProcStat;

// False: there is no such process, or /proc hides it from this user.
bool proc_stat_read(pid_t pid, ProcStat *out);
// -1: there is no such process, or this user may not look.
int proc_count_fds(pid_t pid);

#endif
