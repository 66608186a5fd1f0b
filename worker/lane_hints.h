// SPDX-License-Identifier: MIT
// Lane hints: where in each lane this worker may begin to look, so that it need not walk again over what it
// has just taken. A private, short-lived refinement of ganger.lane.frontier.
//
// A hint may pass over jobs that were locked or not yet committed when the worker went by. Two things keep them from being
// lost: a hint stays LANE_HINT_MARGIN numbers behind (what commits out of order does so within moments), and all
// hints die when this node's reaper has been over the frontiers, to which the worker then falls back: most of what was drained
// lies behind them now, and is not gone through again. Where another node's does that (the elected one), or none, they die after
// LANE_HINT_LIFE_MS, which is longer than it mostly takes to come round.
//
// Where there are many lanes, claims tell in one value, `seen`, up to which lane and number they have found all empty, and what else the
// next one needs to find what has come since (ganger._tell_seen). It is the claim's own, handed to the next one as it is.
#ifndef WORKER_LANE_HINTS_H
#define WORKER_LANE_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db/db_array.h"

enum { LANE_HINT_MAX = 64, LANE_HINT_MARGIN = 1024, LANE_HINT_LIFE_MS = 1500, LANE_SEEN_MAX = 256 };

typedef struct LaneHints {
    int count;
    int64_t born_at; // clock_boot_ms
    unsigned passes; // ScoreboardHeader.lane_passes then
    int64_t lanes[LANE_HINT_MAX];
    int64_t seqs[LANE_HINT_MAX];
    char seen[LANE_SEEN_MAX]; // "" = nothing
} LaneHints;

// Drops all hints.
void lane_hints_drop(LaneHints *hints);
// The same, when they are too old at `now`, or the frontiers have been gone over since. passes: ScoreboardHeader.lane_passes.
void lane_hints_expire(LaneHints *hints, int64_t now, unsigned passes);
// Notes that the job at `seq` was taken from `lane`. With the table full, further lanes have no hint.
void lane_hints_note(LaneHints *hints, int64_t lane, int64_t seq);
// Notes what a claim has told; one that is too long is none.
void lane_hints_note_seen(LaneHints *hints, const char *seen, size_t length);
// Fills the two arrays the claim takes.
void lane_hints_bind(const LaneHints *hints, DbArray *lanes, DbArray *seqs);
// Will the next claim be told that lanes are empty?
bool lane_hints_has_seen(const LaneHints *hints);
// The value of `seen` the claim takes, as JSON.
const char *lane_hints_seen(const LaneHints *hints);

#endif
