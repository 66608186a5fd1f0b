// SPDX-License-Identifier: MIT
// SyscallWatch: tells for certain that a handler made no system call, without making one itself. Such a handler has changed nothing
// but memory: it has no child, working directory, umask, alarm or signal mask that would have to be put back.
//
// The kernel's syscall user dispatch (Linux 5.11, x86-64) raises SIGSYS instead of the first system call of the thread while a byte
// says so; the signal's handler changes the byte and lets the call be made. That first call costs a signal (about 2 us), so after
// runs that made one the watch looks away for a while. Where the kernel (or an emulator) does not have it, where threads other than the worker's
// own exist, and where a signal's handler would hold SIGSYS back, it never claims anything.
#ifndef WORKER_SYSCALL_WATCH_H
#define WORKER_SYSCALL_WATCH_H

#include <stdbool.h>

enum {
    SYSCALL_WATCH_SKIP_MIN = 15,   // runs not watched after one with a system call,
    SYSCALL_WATCH_SKIP_MAX = 1023, // doubling up to this
    SYSCALL_WATCH_TRUST = 64,      // until so many in a row made none
    SYSCALL_WATCH_OWN_THREADS = 2  // that of the handlers, and the deadman's
};

// Once before the first run, when all plugins are loaded: tries in a child process whether it works, which the first run would do
// otherwise.
void syscall_watch_prepare(void);

// Around a run, on the thread that runs handlers. end: true = no system call was made since begin; false = there may have been some.
void syscall_watch_begin(void);
bool syscall_watch_end(void);

#endif
