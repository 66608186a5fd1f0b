// SPDX-License-Identifier: MIT
// Claim pace: see the header.
#include "reaper/claim_pace.h"

// Claims nearer to each other than this are worth a pause: there are fewer of them then.
static const double CROWDED_CLAIMS = 1.5;
// Of the rate before. Jobs that come of each other come at a third of it and less; rates of 100 ms vary by themselves.
static const double KEPT_RATE = 0.6;
// One window may be poor because the machine was busy with something else.
enum { POOR_WINDOWS = 2 };

bool claim_pace_is_due(const ClaimPace *pace, int64_t now)
{
    return now - pace->since >= CLAIM_PACE_WINDOW_MS;
}

static void begin_window(ClaimPace *pace, uint64_t jobs, uint64_t claims, int64_t now)
{
    pace->since = now;
    pace->jobs = jobs;
    pace->claims = claims;
}

static void hold(ClaimPace *pace, int64_t now)
{
    pace->hold_ms = pace->hold_ms == 0 ? CLAIM_PACE_HOLD_MS : pace->hold_ms * 2;
    if (pace->hold_ms > CLAIM_PACE_HOLD_MAX_MS) {
        pace->hold_ms = CLAIM_PACE_HOLD_MAX_MS;
    }
    pace->hold_until = now + pace->hold_ms;
}

static bool is_crowded(double rate, double claims)
{
    return rate * CLAIM_PACE_MS >= CLAIM_PACE_JOBS && claims * CLAIM_PACE_MS >= CROWDED_CLAIMS;
}

// After a window with pauses: do they go on?
static bool stays(ClaimPace *pace, double rate, int64_t now)
{
    if (rate * CLAIM_PACE_MS < 1) {
        return false; // a worker that is called at once is better
    }
    if (rate < pace->rate * KEPT_RATE) {
        if (++pace->poor < POOR_WINDOWS) {
            return true;
        }
        if (!pace->is_proven) {
            hold(pace, now);
        }
        return false;
    }
    pace->poor = 0;
    pace->is_proven = true;
    pace->hold_ms = 0;
    return true;
}

bool claim_pace_look(ClaimPace *pace, uint64_t jobs, uint64_t claims, int64_t now)
{
    const bool was_on = pace->is_on;
    if (pace->since == 0 || jobs < pace->jobs || claims < pace->claims) { // a worker was replaced
        begin_window(pace, jobs, claims, now);
        return false;
    }
    const double length = (double)(now - pace->since);
    const double rate = (double)(jobs - pace->jobs) / length;
    const double claim_rate = (double)(claims - pace->claims) / length;
    if (was_on) {
        pace->is_on = stays(pace, rate, now);
    } else if (now >= pace->hold_until && is_crowded(rate, claim_rate)) {
        pace->is_on = true;
        pace->is_proven = false;
        pace->poor = 0;
    }
    if (!pace->is_on || pace->poor == 0) {
        pace->rate = rate;
    }
    begin_window(pace, jobs, claims, now);
    return pace->is_on != was_on;
}
