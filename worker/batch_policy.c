// SPDX-License-Identifier: MIT
// Batch policy: see the header.
#include "worker/batch_policy.h"

#include "common/base/scoreboard.h"

void batch_policy_init(BatchPolicy *policy)
{
    policy->size = 1;
    policy->mean_us = -1;
    policy->mean_bytes = 0;
    policy->wary = 0;
}

int batch_policy_next(const BatchPolicy *policy, int most)
{
    int size = policy->size;
    if (policy->mean_us > 0) {
        double fits = BATCH_BUDGET_US / policy->mean_us;
        if (fits < size) {
            size = (int)fits;
        }
    }
    bool is_wary = policy->mean_us < 0 || policy->wary > 0;
    if (is_wary) {
        size = 1;
    }
    if (size == 1 && !is_wary && policy->mean_us <= BATCH_SHORT_US) {
        size = 2;
    }
    if (policy->mean_bytes * size > BATCH_BYTES) {
        size = (int)(BATCH_BYTES / policy->mean_bytes);
    }
    if (most < 1 || most > SCOREBOARD_BATCH_MAX) {
        most = SCOREBOARD_BATCH_MAX;
    }
    if (size > most) {
        size = most;
    }
    return size < 1 ? 1 : size;
}

void batch_policy_claimed(BatchPolicy *policy, int asked, int got, size_t bytes)
{
    int size = got < asked ? got * 2 : asked * BATCH_GROWTH;
    if (size > SCOREBOARD_BATCH_MAX) {
        size = SCOREBOARD_BATCH_MAX;
    }
    policy->size = size < 1 ? 1 : size;
    if (got > 0) {
        policy->mean_bytes = (double)bytes / got;
    }
}

bool batch_policy_is_over(int64_t elapsed_us)
{
    return elapsed_us >= BATCH_CUT_US;
}

void batch_policy_ran(BatchPolicy *policy, int ran, int64_t elapsed_us, int64_t longest_us)
{
    if (ran < 1) {
        return;
    }
    const double mean = (double)elapsed_us / ran;
    if (longest_us > BATCH_BUDGET_US) {
        policy->wary = BATCH_LONG_MEMORY;
    } else if (policy->wary > 0) {
        policy->wary -= ran < policy->wary ? ran : policy->wary;
    }
    if (policy->mean_us < 0 || mean > policy->mean_us) {
        policy->mean_us = mean;
    } else {
        policy->mean_us += (mean - policy->mean_us) / 2;
    }
}
