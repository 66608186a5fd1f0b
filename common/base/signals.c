// SPDX-License-Identifier: MIT
// Signals: see the header.
#include "common/base/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

// Those that are not at their default, once they are known.
static struct {
    bool is_known;
    sigset_t numbers;
} changed;

static void ignore(int number)
{
    struct sigaction action = {0};
    action.sa_handler = SIG_IGN;
    (void)sigaction(number, &action, NULL);
    (void)sigaddset(&changed.numbers, number);
}

void signals_ignore_pipe(void)
{
    ignore(SIGPIPE);
}

void signals_ignore_unused(void)
{
    ignore(SIGUSR2);
    ignore(SIGTTIN);
    ignore(SIGTTOU);
}

static void reset_dispositions(void)
{
    struct sigaction action = {0};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) {
        if (!changed.is_known || sigismember(&changed.numbers, number) == 1) {
            // Fails for KILL, STOP and those the C library keeps to itself; they need no reset.
            (void)sigaction(number, &action, NULL);
        }
    }
}

void signals_know_changed(void)
{
    struct sigaction action;
    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) {
            (void)sigaddset(&changed.numbers, number);
        }
    }
    changed.is_known = true;
}

void signals_reset_for_exec(void)
{
    reset_dispositions();
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void fill_held(sigset_t *held)
{
    (void)sigemptyset(held);
    (void)sigaddset(held, SIGHUP);
    (void)sigaddset(held, SIGTERM);
}

// The mask is set in one go: what has been sent since the fork must not come through in between.
void signals_reset_for_child(bool is_held)
{
    sigset_t held;

    reset_dispositions();
    ignore(SIGINT);
    (void)sigemptyset(&held);
    if (is_held) {
        fill_held(&held);
    } else {
        ignore(SIGHUP);
    }
    (void)sigprocmask(SIG_SETMASK, &held, NULL);
}

void signals_release(void)
{
    sigset_t held;
    fill_held(&held);
    (void)sigprocmask(SIG_UNBLOCK, &held, NULL);
}
