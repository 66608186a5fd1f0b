// SPDX-License-Identifier: MIT
// Signals: what a process needs before it runs, and a child before exec.
#ifndef COMMON_BASE_SIGNALS_H
#define COMMON_BASE_SIGNALS_H

#include <stdbool.h>

// Every main() first: a closed pipe or socket shall be an error of write(), not the end of us.
void signals_ignore_pipe(void);

// gangerd: signals that mean nothing to it, and by default would end or stop it (USR2, TTIN, TTOU).
void signals_ignore_unused(void);

// Between fork and exec: all dispositions to default (ignored ones too, which exec would keep), none
// blocked. Async-signal-safe.
void signals_reset_for_exec(void);

// From now on nobody but this module changes dispositions here: of the sixty-four only those are reset that are not at their default now.
void signals_know_changed(void);

// The same for a child of gangerd, which has yet to set its handlers: what it is going to ignore (INT, a worker HUP
// too) is ignored at once, and with `is_held` (the reaper) HUP and TERM wait for signals_release.
void signals_reset_for_child(bool is_held);
void signals_release(void);

#endif
