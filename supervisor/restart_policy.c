// SPDX-License-Identifier: MIT
// Restart policy: see restart_policy.h.
#include "supervisor/restart_policy.h"

#include <sys/wait.h>

#include "common/base/backoff.h"
#include "common/base/exit_code.h"

static bool is_refusal(const Death *death, int code);
static bool is_crash_loop(RestartState *state, int64_t now);

ProcessEnd restart_policy_judge(const Death *death)
{
    if (WIFEXITED(death->wait_status)) {
        int code = WEXITSTATUS(death->wait_status);
        if (is_refusal(death, code)) {
            return PROCESS_REFUSED;
        }
        if (!death->in_handler && (code == EXIT_CODE_RECYCLED || code == EXIT_CODE_LEASE_LOST)) {
            return PROCESS_RECYCLED;
        }
        if (death->drained && code == EXIT_CODE_OK) {
            return PROCESS_ASKED;
        }
    }
    switch (death->stopped) {
    case STOP_TIMEOUT:
    case STOP_CANCEL:
    case STOP_SHUTDOWN:
    case STOP_FENCE:
    case STOP_OPERATOR:
        return PROCESS_ASKED;
    case STOP_NONE:
    case STOP_STUCK:
        break;
    }
    return death->reached_idle ? PROCESS_CRASHED : PROCESS_STILLBORN;
}

// One handler that calls exit(78) must not end the node, and the next one, and the next. A worker that was ready
// has accepted configuration and schema; should they have become bad since, its successor says so at its start.
static bool is_refusal(const Death *death, int code)
{
    return code == EXIT_CODE_CONFIG && !(death->has_foreign_code && death->reached_idle);
}

bool restart_policy_note_death(RestartState *state, const Death *death, int64_t now, int64_t cap_ms,
                               uint32_t random)
{
    ProcessEnd kind = restart_policy_judge(death);

    if (death->progress || death->lived_ms >= RESTART_GOOD_MS) {
        (void)restart_policy_note_good(state);
    }
    if (kind == PROCESS_ASKED) {
        return false;
    }
    if (kind == PROCESS_RECYCLED) {
        // A limit that every process exceeds as it is born must not become a fork storm.
        bool fruitless = !death->progress && death->lived_ms < RESTART_FRUITLESS_MS;
        state->fruitless_recycles = fruitless ? state->fruitless_recycles + 1 : 0;
        if (state->fruitless_recycles <= 1) {
            return false;
        }
    }
    // Processes that die together are one failure: only the first of a wave lengthens the pause.
    if (now >= state->next_at) {
        state->next_at = now + backoff_delay_ms(RESTART_BASE_MS, cap_ms, state->failures, random);
        state->failures++;
    }
    if (death->progress) {
        return false;
    }
    state->deaths[state->death_count % RESTART_WINDOW_DEATHS] = now;
    state->death_count++;
    if (!state->degraded && is_crash_loop(state, now)) {
        state->degraded = true;
        return true;
    }
    return false;
}

static bool is_crash_loop(RestartState *state, int64_t now)
{
    if (state->death_count < RESTART_WINDOW_DEATHS) {
        return false;
    }
    int64_t oldest = state->deaths[state->death_count % RESTART_WINDOW_DEATHS];
    return now - oldest <= RESTART_WINDOW_MS;
}

bool restart_policy_note_good(RestartState *state)
{
    bool was_degraded = state->degraded;
    state->failures = 0;
    state->next_at = 0;
    state->death_count = 0;
    state->fruitless_recycles = 0;
    state->degraded = false;
    return was_degraded;
}

int restart_policy_allowed(const RestartState *state, int64_t now, int missing, int unproven)
{
    if (missing <= 0 || now < state->next_at) {
        return 0;
    }
    if (state->degraded) {
        return unproven > 0 ? 0 : 1;
    }
    return missing;
}
