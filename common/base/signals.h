// SPDX-License-Identifier: MIT
// Signals: what a process needs before it runs, and a child before exec.
#ifndef COMMON_BASE_SIGNALS_H
#define COMMON_BASE_SIGNALS_H

// Every main() first: a closed pipe or socket shall be an error of write(), not the end of us.
void signals_ignore_pipe(void);

// Between fork and exec: all dispositions to default (ignored ones too, which exec would keep), none
// blocked. Async-signal-safe.
void signals_reset_for_exec(void);

#endif
