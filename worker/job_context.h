// SPDX-License-Identifier: MIT
// JobContext: the services a running handler may ask for, whatever its kind. One per run.
#ifndef WORKER_JOB_CONTEXT_H
#define WORKER_JOB_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "handlers/ganger/handler.h"
#include "worker/job_memory.h"
#include "worker/runner.h"

enum {
    JOB_OUTPUT_MAX_BYTES = 1024 * 1024, // of one job's output
    JOB_ERROR_MAX_BYTES = 4000,         // of an error message; fits SCOREBOARD_RESULT_INLINE
    JOB_PROGRESS_MIN_MS = 100,          // progress is written at most so often
    JOB_PROLONGED_MIN_MS = 1000,        // and the event of a prolong
    JOB_SNOOZE_DEFAULT_MS = 60000
};

// A job is put off by at most 100 years, the bound of the SQL API (a year has 360 days where intervals are compared).
#define JOB_DELAY_MAX_MS (100 * 360LL * 24 * 60 * 60 * 1000)

typedef enum JobWaitKind {
    JOB_WAIT_NONE,
    JOB_WAIT_FOR,
    JOB_WAIT_UNTIL,
    JOB_WAIT_TOKEN
} JobWaitKind;

typedef struct JobWait { // what OUTCOME_WAIT waits for (job_waits.h)
    JobWaitKind kind;
    int64_t ms;  // JOB_WAIT_FOR: how long; JOB_WAIT_UNTIL: since 1970
    char *token; // JOB_WAIT_TOKEN
} JobWait;

typedef struct JobContext {
    struct ganger_context plugin; // first: plugins hold a pointer to it
    RunContext *run;
    char *error;            // message of the failure to come
    char last_error[512];   // why the last service failed
    int64_t retry_after_ms; // -1 = by the job's rule
    int64_t snooze_ms;      // -1 = not asked for
    atomic_bool is_lost;    // the database said the lease is gone
    bool is_in_doubt;       // the job's completion was sent, and may have been committed
    // Progress: what is known, and whether the database knows it too.
    int percent; // -1 = never set
    char *message;
    char *stage;
    bool is_progress_unsent;
    int64_t progress_sent_at; // clock_boot_ms
    JobWait wait;
    JobMemory memory;
    int64_t prolonged_ms; // that no event tells of yet; -1 = none
    int64_t prolonged_sent_at;
    int64_t aux_retry_at;  // no second connection before that: the last try failed
    int64_t exec_retry_at; // no job_context_exec before that: the last one has waited in vain
} JobContext;

void job_context_init(JobContext *self, RunContext *run);
void job_context_deinit(JobContext *self);

// Supervisor's stop or lost lease. Any thread.
bool job_context_should_stop(const JobContext *self);
// -1 = no timeout. Any thread.
int64_t job_context_remaining_ms(const JobContext *self);

// The following answer GANGER_DONE, GANGER_FAILED or GANGER_LOST, with the reason in last_error.
int job_context_prolong(JobContext *self, int64_t ms);
// percent -1, message NULL, stage NULL: unchanged. Written at once, or kept for the next call or
// flush.
int job_context_progress(JobContext *self, int percent, const char *message, const char *stage);
// At the end of a run: what was kept for later, of progress and prolongs.
void job_context_flush(JobContext *self);
int job_context_output(JobContext *self, const char *json, size_t length);

// One line or more; a newline is added where it is missing.
void job_context_log(JobContext *self, const char *text, size_t length);
// The log so far as ganger.log() wants it, which adds the last newline; caller frees; NULL: nothing was said.
char *job_context_copy_log(const JobContext *self);
void job_context_set_error(JobContext *self,
                           const char *message); // copied and cleaned; NULL removes it
// For services: keeps the reason and returns GANGER_FAILED.
int job_context_fail(JobContext *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The same for a lease that is gone: GANGER_LOST, now and for all that comes.
int job_context_lost(JobContext *self);
// Begins the parameters of a statement about the job: its id and lease.
void job_context_begin_params(const JobContext *self, DbParams *params);
// Runs a statement about the job beside the handler's transaction: it is committed when this returns. A connection that breaks is
// replaced once, so the statement may have been run twice. False: last_error says why; after one that has waited in vain the next
// ones fail at once, for some seconds.
bool job_context_exec(JobContext *self, const SqlStatement *statement, const DbParams *params,
                      PGresult **result);

// Turns what the handler asked for into the result; takes run->output and the error over.
void job_context_fill_result(JobContext *self, JobOutcome outcome, RunResult *result);

// The table a plugin gets (job_services.c).
extern const ganger_services JOB_SERVICES;

#endif
