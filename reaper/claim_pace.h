// SPDX-License-Identifier: MIT
// Claim pace: should workers wait a moment between claims, so that jobs which come one by one go by many? Pure.
//
// A claim and a finish cost much the same for one job and for twenty. Where jobs are enqueued without end, each claim finds the few
// that came during the one before, and the workers take processor time from those who enqueue. A pause gathers them, but only if
// they come from elsewhere: in a chain, each job comes of the end of the one before, and a pause just delays it. No count tells
// one from the other, so it is tried, and stays unless two windows in a row show fewer jobs done with it than without.
#ifndef REAPER_CLAIM_PACE_H
#define REAPER_CLAIM_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CLAIM_PACE_MS = 5, // from claim to claim, when the former brought less than it asked for
    CLAIM_PACE_WINDOW_MS = 100,
    CLAIM_PACE_JOBS = 3,           // so many jobs at least come in a pace, for one to be worth it
    CLAIM_PACE_HOLD_MS = 2000,     // after a try that cost jobs; doubled each time,
    CLAIM_PACE_HOLD_MAX_MS = 60000 // up to this
};

typedef struct ClaimPace {
    int64_t since; // begin of this window; 0 = none has begun
    uint64_t jobs; // of all workers, then
    uint64_t claims;
    double rate;        // jobs in a millisecond, of the last window that was not poor
    bool is_on;         // workers pause
    bool is_proven;     // a window with pauses was not poor
    int poor;           // so many in a row were, with pauses: fewer jobs than in those before
    int64_t hold_ms;    // after the last try that cost jobs; 0 = none did
    int64_t hold_until; // no other try before
} ClaimPace;

// Is a window over?
bool claim_pace_is_due(const ClaimPace *pace, int64_t now);

// With the numbers of jobs done and claims made by all workers up to `now`. True when the answer, is_on, has changed.
bool claim_pace_look(ClaimPace *pace, uint64_t jobs, uint64_t claims, int64_t now);

#endif
