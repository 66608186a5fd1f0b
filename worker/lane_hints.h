// SPDX-License-Identifier: MIT
// Lane hints: where in each lane this worker may begin to look, so that it need not walk again over what it
// has just taken. A private, short-lived refinement of ganger.lane.frontier.
//
// A hint may pass over jobs that were locked or not yet committed when the worker went by. Two things keep them from being
// lost: a hint stays LANE_HINT_MARGIN numbers behind (what commits out of order does so within moments), and all
// hints die after LANE_HINT_LIFE_MS, when the worker falls back to the frontier.
#ifndef WORKER_LANE_HINTS_H
#define WORKER_LANE_HINTS_H

#include <stdint.h>

#include "common/db/db_array.h"

enum { LANE_HINT_MAX = 64, LANE_HINT_MARGIN = 1024, LANE_HINT_LIFE_MS = 1000 };

typedef struct LaneHints {
    int count;
    int64_t born_at; // clock_boot_ms
    int64_t lanes[LANE_HINT_MAX];
    int64_t seqs[LANE_HINT_MAX];
} LaneHints;

// Drops all hints when they are too old at `now`.
void lane_hints_expire(LaneHints *hints, int64_t now);
// Notes that the job at `seq` was taken from `lane`. With the table full, further lanes have no hint.
void lane_hints_note(LaneHints *hints, int64_t lane, int64_t seq);
// Fills the two arrays the claim takes.
void lane_hints_bind(const LaneHints *hints, DbArray *lanes, DbArray *seqs);

#endif
