// SPDX-License-Identifier: MIT
// Signals: see the header.
#include "common/base/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_ignore_pipe(void)
{
    struct sigaction action = {0};
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

void signals_reset_for_exec(void)
{
    struct sigaction action = {0};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) {
        // Fails for KILL, STOP and those the C library keeps to itself; they need no reset.
        (void)sigaction(number, &action, NULL);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
