// SPDX-License-Identifier: MIT
// Sandbox: system calls that a job's program has no business making are refused to it by the kernel.
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>

// False where the kernel cannot do it. To be asked once before any of those below: it gets the filter ready.
bool sandbox_is_available(void);

// From now on, for this thread and all that it starts, these fail with EPERM: what mounts, makes or enters namespaces, loads code into
// the kernel, looks into other processes or traces them, keeps keys, sets clocks, restarts the machine, types into a terminal.
// No way back. Needs no rights; async-signal-safe. False: errno says why.
bool sandbox_enter(void);

// The same for this thread of a process whose others start nothing: its programs need not go in by themselves then. False: they have to;
// errno says why (ENOSYS also where the address sanitizer could not do its work).
bool sandbox_enter_process(void);
// True once that was done.
bool sandbox_holds_process(void);

#endif
