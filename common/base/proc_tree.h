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
// a process for good. 0 when there is no such process, one that is dead and not waited for yet, or one that
// /proc hides from this user (hidepid, and it is another's or not dumpable). One's own is always to be read.
uint64_t proc_start_time(pid_t pid);

// Whether there is a process of this number that has not ended: also one that /proc hides. Without /proc a dead
// one that nobody has waited for yet is known as such too.
bool proc_is_alive(pid_t pid);

typedef enum ProcMatch {
    PROC_MATCH_NO, // it has ended; its number may be another's now
    PROC_MATCH_YES,
    PROC_MATCH_UNKNOWN // the number is in use, but /proc hides by whom, or `start_time` is not known
} ProcMatch;

// Whether the process that had this number and this start time (0 = not known) lives.
ProcMatch proc_match(pid_t pid, uint64_t start_time);

#endif
