// SPDX-License-Identifier: MIT
// Signal table: every signal gangerd understands, in one place for the loop and for --help.
#ifndef SUPERVISOR_SIGNAL_TABLE_H
#define SUPERVISOR_SIGNAL_TABLE_H

typedef enum SignalWish { // what the sender wants
    WISH_DRAIN,
    WISH_STOP_NOW,
    WISH_RELOAD,
    WISH_REOPEN_LOGS,
    WISH_QUIET,
    WISH_RESUME,
    WISH_REAP
} SignalWish;

typedef struct SignalRow {
    int number;
    const char *name;
    SignalWish wish;
    const char *help; // NULL: not for users
} SignalRow;

extern const SignalRow SIGNAL_TABLE[];
enum { SIGNAL_COUNT = 8 };

#endif
