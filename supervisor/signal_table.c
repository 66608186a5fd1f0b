// SPDX-License-Identifier: MIT
// Signal table: see signal_table.h.
#include "supervisor/signal_table.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>

const SignalRow SIGNAL_TABLE[] = {
    {SIGTERM, "TERM", WISH_DRAIN, "finish running jobs, then exit; a second one: exit now"},
    {SIGINT, "INT", WISH_DRAIN, "the same"},
    {SIGQUIT, "QUIT", WISH_STOP_NOW, "stop running jobs and exit now; they run again elsewhere"},
    {SIGHUP, "HUP", WISH_RELOAD,
     "check and apply the configuration file; a bad one changes nothing"},
    {SIGUSR1, "USR1", WISH_REOPEN_LOGS,
     "reopen logs (they go to standard error: a mark is written)"},
    {SIGTSTP, "TSTP", WISH_QUIET, "start no new jobs"},
    {SIGCONT, "CONT", WISH_RESUME, "start new jobs again"},
    {SIGCHLD, "CHLD", WISH_REAP, NULL},
};
static_assert(sizeof(SIGNAL_TABLE) / sizeof(SIGNAL_TABLE[0]) == SIGNAL_COUNT, "count the rows");
