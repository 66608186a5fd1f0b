// SPDX-License-Identifier: MIT
// Batch policy: how many jobs to claim at once. Pure.
//
// One, until handlers have shown themselves short; then as many as keep a batch under
// BATCH_BUDGET_US of work and BATCH_BYTES of memory, at most BATCH_GROWTH times as many as before per full claim; and when a
// claim comes back short, twice what it got, so that a worker does not hoard while others idle. Two at least, where jobs are
// short: one that is alone comes back as one of two, so it is known to be alone, and no other worker is woken to look for more.
// After a long job one at a time for a while, as the next one may be long, too: what is claimed with it, or comes more urgent than
// that, would have to wait. (Where one in twenty is long, one run of 64 in 27 has none.)
#ifndef WORKER_BATCH_POLICY_H
#define WORKER_BATCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BATCH_BUDGET_US = 40000, // a batch is meant to take no longer
    BATCH_CUT_US = 50000,    // one that did begins no other job: a more urgent one may be there
    BATCH_BYTES = 8 * 1024 * 1024, // its jobs, payloads and all, take about so much memory
    BATCH_GROWTH = 4,
    BATCH_LONG_MEMORY = 64, // jobs after one longer than the budget
    BATCH_SHORT_US = 1000 // a job waits for one so short no longer than for another worker's claim
};

typedef struct BatchPolicy {
    int size;          // what the next claim asks for
    double mean_us;    // of recent jobs; negative = nothing known
    double mean_bytes; // of the jobs claimed last; 0 = nothing known
    int wary;          // so many jobs more are claimed one by one
} BatchPolicy;

void batch_policy_init(BatchPolicy *policy);

// `most`: the pool's prefetch, or SCOREBOARD_BATCH_MAX.
int batch_policy_next(const BatchPolicy *policy, int most);

// After a claim: asked for and got, and the memory that takes.
void batch_policy_claimed(BatchPolicy *policy, int asked, int got, size_t bytes);

// Has a batch that has run for `elapsed_us` taken so long that the rest of it is to go back?
bool batch_policy_is_over(int64_t elapsed_us);

// After a batch: `ran` jobs took `elapsed_us` in all, the longest `longest_us`.
void batch_policy_ran(BatchPolicy *policy, int ran, int64_t elapsed_us, int64_t longest_us);

#endif
