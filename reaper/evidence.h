// SPDX-License-Identifier: MIT
// Evidence: what a dead worker's slot says about its jobs, as parameters of the statements that settle them.
#ifndef REAPER_EVIDENCE_H
#define REAPER_EVIDENCE_H

#include "common/db/db.h"
#include "common/db/db_array.h"
#include "reaper/obituary.h"

// Recorded results as the parallel arrays of settle_worker.sql.
typedef struct DoneArrays {
    DbArray ids;
    DbArray leases;
    DbArray outcomes;
    DbArray bodies;
    DbArray delays;
    DbArray ran_us;
    DbArray ago_us;
    DbArray cpu_us;
    DbArray max_rss;
    DbArray logs;
} DoneArrays;

void evidence_done_begin(DoneArrays *done);
void evidence_done_add(DoneArrays *done, const Slot *slot, const BatchEntry *entry);
void evidence_done_bind(DoneArrays *done, DbParams *params);
void evidence_done_free(DoneArrays *done);

// The running job and how it ended, for settle_worker.sql; nulls when none ran. `log` may be NULL.
void evidence_bind_running(DbParams *params, const Slot *slot, const Obituary *obituary,
                           const char *log);
// One recorded result for settle_result.sql; `text` and `log` are borrowed.
void evidence_bind_result(DbParams *params, const BatchEntry *entry, const char *outcome,
                          const char *text, int64_t delay_ms, const char *log);
// What the attempt of an entry has logged, if the slot still has it: it keeps one log, of the entry that ran last. Caller frees.
char *evidence_log_of(const Slot *slot, const BatchEntry *entry);

#endif
