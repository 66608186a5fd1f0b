// SPDX-License-Identifier: MIT
// The process tree below this process, as the kernel tells it, and how to end it.
#ifndef COMMON_BASE_PROC_TREE_H
#define COMMON_BASE_PROC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Fills `pids` with the direct children of this process (all threads), at most `max`; returns how many.
size_t proc_children(pid_t *pids, size_t max);

// SIGKILLs every direct child for which keep(pid, data) is false, again and again as their own
// children are handed up (this process must be a child subreaper), reaping what dies, until none is
// left or `limit_ms` has passed. Returns the number of strangers still alive (0 = all gone).
// keep == NULL: every child goes. Kept children are never reaped here.
size_t proc_sweep(bool (*keep)(pid_t pid, void *data), void *data, int64_t limit_ms);

// True when this process has no child at all: one system call, for hot paths.
bool proc_has_no_children(void);

// Start time of a process in clock ticks since boot (field 22 of /proc/pid/stat): with the pid it names
// a process for good. 0 when there is no such process, or one that is dead and not waited for yet.
uint64_t proc_start_time(pid_t pid);

#endif
