// SPDX-License-Identifier: MIT
// Finish: brings results from the slot into the database.
#ifndef WORKER_FINISH_H
#define WORKER_FINISH_H

#include "worker/worker.h"

// The completed, not yet written entries of a batch as parameters of one statement.
typedef struct FinishBatch {
    int count;
    int entries[SCOREBOARD_BATCH_MAX];
    DbArray ids;
    DbArray leases;
    DbArray outputs;
    DbArray ran_us;
    DbArray ago_us;
    DbArray cpu_us;
    DbArray max_rss;
    DbArray logs;
} FinishBatch;

void finish_batch_collect(FinishBatch *batch, const Worker *self);
MUST_CHECK Status finish_batch_add(FinishBatch *batch, Db *db);
// After the commit: marks the entries written and names in the log what was not accepted.
void finish_batch_written(FinishBatch *batch, Worker *self, const PGresult *answer);
void finish_batch_free(FinishBatch *batch);

// How one attempt ended, beyond what its entry says.
typedef struct FinishDetail {
    const char *
        outcome; // the word for ganger._settle_result (job_outcome_word, or what a stop made of it)
    const char *text; // output or message; may be NULL
    int exit_code;    // -1 = none
    int signal;       // 0 = none
    bool is_in_doubt; // refused, it need not be lost: the completion may have been committed
} FinishDetail;

// Writes entry `index` by itself, whatever its outcome, with its log if it is the one that ran last. What PostgreSQL does not
// accept is written as an error that says why, without log and delay, as one of them may be the reason.
// STATUS_OK also when the lease turned out stale: the result is dropped, and the log says so; of one in doubt, that its
// completion may have been committed before.
MUST_CHECK Status finish_entry(Worker *self, int index, const FinishDetail *detail);

// Every recorded result by itself.
MUST_CHECK Status finish_one_by_one(Worker *self);

// Gives unstarted entries back uncounted, and those the reaper has begun to give back.
MUST_CHECK Status finish_release_unstarted(Worker *self, const char *reason);

#endif
