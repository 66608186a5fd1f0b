// SPDX-License-Identifier: MIT
// Lane hints: see the header.
#include "worker/lane_hints.h"

#include <string.h>

void lane_hints_drop(LaneHints *hints)
{
    hints->count = 0;
    hints->seen[0] = '\0';
}

void lane_hints_expire(LaneHints *hints, int64_t now, unsigned passes)
{
    if (passes != hints->passes || now - hints->born_at >= LANE_HINT_LIFE_MS) {
        lane_hints_drop(hints);
        hints->born_at = now;
        hints->passes = passes;
    }
}

void lane_hints_note(LaneHints *hints, int64_t lane, int64_t seq)
{
    for (int i = 0; i < hints->count; i++) {
        if (hints->lanes[i] == lane) {
            if (seq > hints->seqs[i]) {
                hints->seqs[i] = seq;
            }
            return;
        }
    }
    if (hints->count < LANE_HINT_MAX) {
        hints->lanes[hints->count] = lane;
        hints->seqs[hints->count] = seq;
        hints->count++;
    }
}

void lane_hints_note_seen(LaneHints *hints, const char *seen, size_t length)
{
    if (length >= sizeof hints->seen) {
        length = 0;
    }
    memcpy(hints->seen, seen, length);
    hints->seen[length] = '\0';
}

bool lane_hints_has_seen(const LaneHints *hints)
{
    return hints->seen[0] != '\0';
}

const char *lane_hints_seen(const LaneHints *hints)
{
    return lane_hints_has_seen(hints) ? hints->seen : "{}";
}

void lane_hints_bind(const LaneHints *hints, DbArray *lanes, DbArray *seqs)
{
    db_array_begin(lanes, DB_ELEMENT_INT8);
    db_array_begin(seqs, DB_ELEMENT_INT8);
    for (int i = 0; i < hints->count; i++) {
        db_array_add_int8(lanes, hints->lanes[i]);
        db_array_add_int8(seqs, hints->seqs[i] + 1 - LANE_HINT_MARGIN);
    }
}
