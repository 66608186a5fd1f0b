// SPDX-License-Identifier: MIT
// Counts: see the header.
#include "worker/counts.h"

static uint64_t not_below_zero(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static HandlerCounters *row_of(Worker *self, const Job *job)
{
    return &self->slot->counters.handlers[job->counter_row];
}

void counts_claimed(Worker *self, int got, int64_t took_us)
{
    WorkerCounters *counters = &self->slot->counters;
    histogram_add(&counters->claim_us, COUNTER_CLAIM_BOUNDS_US, not_below_zero(took_us));
    if (got > 0) {
        histogram_add(&counters->claim_jobs, COUNTER_BATCH_BOUNDS, (uint64_t)got);
    } else {
        counter_add(&counters->empty_claims, 1);
    }
}

void counts_started(Worker *self, const Job *job, int64_t started_us)
{
    HandlerCounters *row = row_of(self, job);
    counter_add(&row->started, 1);
    if (job->is_first_start) {
        histogram_add(&row->wait, COUNTER_JOB_BOUNDS_US, not_below_zero(started_us - job->due_us));
    }
}

void counts_finished(Worker *self, int index, RunOutcome outcome)
{
    const BatchEntry *entry = &self->slot->batch[index];
    HandlerCounters *row = row_of(self, &self->jobs[index]);
    counter_add(&row->finished[outcome], 1);
    histogram_add(&row->duration, COUNTER_JOB_BOUNDS_US,
                  not_below_zero(entry->ended_us - entry->started_us));
}

RunOutcome counts_outcome(JobOutcome outcome)
{
    switch (outcome) {
    case OUTCOME_COMPLETED:
        return RUN_COMPLETED;
    case OUTCOME_DISCARD:
        return RUN_DISCARDED;
    case OUTCOME_SNOOZE:
        return RUN_SNOOZED;
    case OUTCOME_CRASHED:
        return RUN_CRASHED;
    case OUTCOME_WAIT:
        return RUN_WAITING;
    case OUTCOME_NONE:
    case OUTCOME_ERROR:
        break;
    }
    return RUN_ERROR;
}
