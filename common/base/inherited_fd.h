// SPDX-License-Identifier: MIT
// The file descriptors a child finds open after exec. Everything else is close-on-exec.
#ifndef COMMON_BASE_INHERITED_FD_H
#define COMMON_BASE_INHERITED_FD_H

enum {
    FD_SCOREBOARD = 3, // memfd of the scoreboard (scoreboard.h)
    FD_LIFELINE = 4,   // read end of a pipe nobody writes to; EOF = the supervisor is gone
    FD_CONFIG = 5,     // sealed memfd with the bytes of the configuration the supervisor accepted
    FD_WAKE = 6,       // own eventfd: "look at the scoreboard" (for a worker also: "there is work")
    FD_SUPERVISOR_WAKE = 7, // eventfd of the supervisor: an earlier deadline, a cancel
    FD_REAPER_WAKE = 8,     // workers only: eventfd of the reaper (WAKE_FULL_BATCH, or 1: "look")
    FD_SLOT_WAKE_BASE = 16  // reaper only: FD_SLOT_WAKE_BASE + slot = that slot's FD_WAKE
};

// Added to the reaper's eventfd by a worker whose claim came back full: there may be work for one more. Its multiples and
// the plain "look" (1) are told apart in the sum the reaper reads.
enum { WAKE_FULL_BATCH = 1 << 20 };

// Child, once it has its configuration and its mapping of the scoreboard: closes both descriptors, as the scoreboard's
// would let handler code write into any slot, and makes the others close-on-exec, so that no program a handler starts
// finds them.
void inherited_fd_settle(void);

#endif
