// SPDX-License-Identifier: MIT
// Batch policy: see the header.
#include "worker/batch_policy.h"

#include "common/base/scoreboard.h"

void batch_policy_init(BatchPolicy *policy)
{
    policy->size = 1;
    policy->mean_us = -1;
    policy->mean_bytes = 0;
}

int batch_policy_next(const BatchPolicy *policy, int most)
{
    int size = policy->size;
    if (policy->mean_us > 0) {
        double fits = BATCH_BUDGET_US / policy->mean_us;
        if (fits < size) {
            size = (int)fits;
        }
    } else if (policy->mean_us < 0) {
        size = 1;
    }
    if (size == 1 && policy->mean_us >= 0 && policy->mean_us <= BATCH_SHORT_US) {
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
    double mean = (double)elapsed_us / ran;
    // One long job among short ones says that the next batch may hold another: slow to forget, quick to learn.
    if (longest_us > BATCH_BUDGET_US && mean < (double)longest_us / 2) {
        mean = (double)longest_us / 2;
    }
    if (policy->mean_us < 0 || mean > policy->mean_us) {
        policy->mean_us = mean;
    } else {
        policy->mean_us += (mean - policy->mean_us) / 2;
    }
}
