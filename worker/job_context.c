// SPDX-License-Identifier: MIT
// JobContext: the services a running handler may ask for, whatever its kind.
#include "worker/job_context.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/json_check.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "sql_queries.h"
#include "worker/deadman.h"
#include "worker/job_transaction.h"
#include "worker/job_waits.h"

enum {
    MEMORY_TIMEOUT_MS = 10000,  // steps and tokens, without which a handler cannot go on
    MEMORY_SLOW_MS = 1000,      // a failure that took so long is not asked for again at once
    PROGRESS_TIMEOUT_MS = 5000, // a handler must not hang because its progress cannot be written
    AUX_CONNECT_TIMEOUT_MS = 2000,
    AUX_RETRY_MS = 5000 // and it must not spend its time on a database that is away
};

static const int64_t PROLONG_MAX_MS = 365LL * 86400 * 1000; // others add to the deadline

static int write_progress(JobContext *self);
static void note_prolonged(JobContext *self, int64_t ms);
static void write_prolonged(JobContext *self);

void job_context_init(JobContext *self, RunContext *run)
{
    memset(self, 0, sizeof *self);
    self->plugin.struct_size = sizeof self->plugin;
    self->plugin.services = &JOB_SERVICES;
    self->run = run;
    self->retry_after_ms = -1;
    self->snooze_ms = -1;
    self->percent = -1;
    self->progress_sent_at = INT64_MIN / 2;
    self->prolonged_ms = -1;
    self->prolonged_sent_at = INT64_MIN / 2;
}

void job_context_deinit(JobContext *self)
{
    free(self->error);
    free(self->message);
    free(self->stage);
    free(self->wait.token);
    job_memory_free(&self->memory);
    memset(self, 0, sizeof *self);
}

bool job_context_should_stop(const JobContext *self)
{
    return run_should_stop(self->run) || atomic_load_explicit(&self->is_lost, memory_order_relaxed);
}

int64_t job_context_remaining_ms(const JobContext *self)
{
    const int64_t soft_at = atomic_load(&self->run->slot->run_soft_at);
    if (soft_at == 0) {
        return -1;
    }
    const int64_t left = soft_at - clock_boot_ms();
    return left > 0 ? left : 0;
}

int job_context_fail(JobContext *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyser's own mistake
    (void)vsnprintf(self->last_error, sizeof self->last_error, format, args);
    va_end(args);
    return GANGER_FAILED;
}

int job_context_lost(JobContext *self)
{
    atomic_store(&self->is_lost, true);
    (void)job_context_fail(self, "this attempt no longer owns the job");
    return GANGER_LOST;
}

int job_context_prolong(JobContext *self, int64_t ms)
{
    Slot *slot = self->run->slot;
    if (ms < 0) {
        return job_context_fail(self, "a negative time");
    }
    if (run_should_stop(self->run)) {
        (void)job_context_fail(self, "the job has been told to stop");
        return GANGER_LOST;
    }
    const int64_t now = clock_boot_ms();
    const int64_t wanted = now + (ms < PROLONG_MAX_MS ? ms : PROLONG_MAX_MS);
    const int64_t soft_at = atomic_load(&slot->run_soft_at);
    if (soft_at != 0 && wanted > soft_at) {
        if (self->run->deadman != NULL) { // first: it kills for good
            deadman_set_job(self->run->deadman,
                            wanted + atomic_load(&slot->run_grace_ms) + DEADMAN_JOB_SLACK_MS);
        }
        atomic_store(&slot->run_soft_at, wanted);
        job_transaction_update_limits(self);
        note_prolonged(self, ms); // last: it may wait for the database
    }
    return GANGER_DONE;
}

static void replace_text(char **field, const char *text)
{
    if (text == NULL) {
        return;
    }
    free(*field);
    *field = mem_strndup(text, strnlen(text, JOB_ERROR_MAX_BYTES));
    utf8_clean(*field, strlen(*field));
}

int job_context_progress(JobContext *self, int percent, const char *message, const char *stage)
{
    if (percent < -1 || percent > 100) {
        return job_context_fail(self, "progress %d is not within 0..100", percent);
    }
    if (atomic_load(&self->is_lost)) {
        return job_context_lost(self);
    }
    if (percent >= 0) {
        self->percent = percent;
    }
    replace_text(&self->message, message);
    replace_text(&self->stage, stage);
    self->is_progress_unsent = true;
    if (clock_boot_ms() - self->progress_sent_at < JOB_PROGRESS_MIN_MS) {
        return GANGER_DONE;
    }
    return write_progress(self);
}

void job_context_flush(JobContext *self)
{
    if (atomic_load(&self->is_lost)) {
        return;
    }
    if (self->is_progress_unsent) {
        (void)write_progress(self);
    }
    if (self->prolonged_ms >= 0) {
        write_prolonged(self);
    }
}

// Inside the job's transaction nobody would see the progress before its end, and the row would stay
// locked until then; so it goes over a connection of its own. So it does when the worker's is lost,
// which is made anew after the run only. `insist`: also soon after a try that failed.
static Db *connection_beside(JobContext *self, bool insist)
{
    RunContext *run = self->run;
    if (!run->in_transaction && run->db != NULL && !db_is_lost(run->db)) {
        return run->db;
    }
    if (run->aux != NULL && db_is_lost(run->aux)) {
        db_close(run->aux);
        run->aux = NULL;
    }
    const int64_t now = clock_boot_ms();
    const Timeline known = timeline_load(&run->slot->timeline);
    if (run->aux == NULL && run->url != NULL && (insist || now >= self->aux_retry_at) &&
        db_open_at_least(&run->aux, run->url, "ganger-worker progress", AUX_CONNECT_TIMEOUT_MS,
                         false, &known) != STATUS_OK) {
        run->aux = NULL;
        self->aux_retry_at = now + AUX_RETRY_MS;
    }
    return run->aux;
}

static bool exec_beside(JobContext *self, const SqlStatement *statement, const DbParams *params,
                        PGresult **result)
{
    Status status = STATUS_LOST;
    for (int tries = 0; tries < 2 && status == STATUS_LOST; tries++) {
        Db *db = connection_beside(self, true);
        if (db == NULL) {
            (void)job_context_fail(self, "no connection to the database");
            return false;
        }
        status = db_exec(db, statement, params, MEMORY_TIMEOUT_MS, result);
        if (status != STATUS_OK) {
            (void)job_context_fail(self, "%s", db_error_message(db));
        }
    }
    return status == STATUS_OK;
}

// A program writes thousands of lines: were each to wait for a database that does not answer, its run would have no end.
bool job_context_exec(JobContext *self, const SqlStatement *statement, const DbParams *params,
                      PGresult **result)
{
    const int64_t begun = clock_boot_ms();
    if (begun < self->exec_retry_at) {
        (void)job_context_fail(self, "the database does not answer");
        return false;
    }
    const bool done = exec_beside(self, statement, params, result);
    const int64_t now = clock_boot_ms();
    if (!done && now - begun >= MEMORY_SLOW_MS) {
        self->exec_retry_at = now + AUX_RETRY_MS;
    }
    return done;
}

void job_context_begin_params(const JobContext *self, DbParams *params)
{
    const Job *job = self->run->job;
    db_params_init(params);
    db_param_int(params, job->id);
    db_param_binary(params, (const char *)job->lease, sizeof job->lease);
}

static void note_prolonged(JobContext *self, int64_t ms)
{
    self->prolonged_ms = ms;
    if (clock_boot_ms() - self->prolonged_sent_at >= JOB_PROLONGED_MIN_MS &&
        !atomic_load(&self->is_lost)) {
        write_prolonged(self);
    }
}

// Only to let people know: a failure changes nothing.
static void write_prolonged(JobContext *self)
{
    DbParams params;
    job_context_begin_params(self, &params);
    db_param_int(&params, self->prolonged_ms);
    self->prolonged_ms = -1;
    self->prolonged_sent_at = clock_boot_ms();
    Db *db = connection_beside(self, false);
    if (db == NULL ||
        db_exec(db, &SQL_note_prolonged, &params, PROGRESS_TIMEOUT_MS, NULL) != STATUS_OK) {
        log_debug("job.prolong_not_told", "job=%" PRId64, self->run->job->id);
    }
}

static int write_progress(JobContext *self)
{
    self->progress_sent_at = clock_boot_ms();
    Db *db = connection_beside(self, false);
    if (db == NULL) {
        return job_context_fail(self, "no connection to the database");
    }
    DbParams params;
    job_context_begin_params(self, &params);
    if (self->percent >= 0) {
        db_param_int(&params, self->percent);
    } else {
        db_param_null(&params);
    }
    db_param_text(&params, self->message);
    db_param_text(&params, self->stage);
    PGresult *result = NULL;
    if (FAULT_ERROR(note) ||
        db_exec(db, &SQL_set_progress, &params, PROGRESS_TIMEOUT_MS, &result) != STATUS_OK) {
        return job_context_fail(self, "%s", db_error_message(db));
    }
    FAULT_POINT(note_written);
    const bool done = db_bool(result, 0, "done");
    PQclear(result);
    self->is_progress_unsent = false;
    return done ? GANGER_DONE : job_context_lost(self);
}

int job_context_output(JobContext *self, const char *json, size_t length)
{
    const char *why = NULL;
    size_t offset = 0;
    if (length > JOB_OUTPUT_MAX_BYTES) {
        return job_context_fail(self, "the output has %zu bytes, more than %d", length,
                                (int)JOB_OUTPUT_MAX_BYTES);
    }
    if (!json_check(json, length, &why, &offset)) {
        return job_context_fail(self, "the output is not JSON: %s (byte %zu)", why, offset);
    }
    free(self->run->output);
    self->run->output = mem_strndup(json, length);
    return GANGER_DONE;
}

void job_context_log(JobContext *self, const char *text, size_t length)
{
    slot_log_append(self->run->slot, text, length);
    if (length == 0 || text[length - 1] != '\n') {
        slot_log_append(self->run->slot, "\n", 1);
    }
}

char *job_context_copy_log(const JobContext *self)
{
    char *log = slot_log_copy(self->run->slot);
    const size_t length = log != NULL ? strlen(log) : 0;
    if (length > 0 && log[length - 1] == '\n') {
        log[length - 1] = '\0';
    }
    return log;
}

void job_context_set_error(JobContext *self, const char *message)
{
    char *old = self->error; // freed last: it may be what `message` points to
    self->error = NULL;
    replace_text(&self->error, message);
    free(old);
}

void job_context_fill_result(JobContext *self, JobOutcome outcome, RunResult *result)
{
    result->outcome = outcome;
    result->text = NULL;
    result->delay_ms = -1;
    result->exit_code = -1;
    result->signal = 0;
    result->is_in_doubt = self->is_in_doubt && outcome == OUTCOME_ERROR;
    switch (outcome) {
    case OUTCOME_COMPLETED:
        result->text = self->run->output;
        self->run->output = NULL;
        break;
    case OUTCOME_ERROR:
        result->delay_ms = self->retry_after_ms;
        result->text = self->error;
        self->error = NULL;
        break;
    case OUTCOME_CRASHED:
    case OUTCOME_DISCARD:
        result->text = self->error;
        self->error = NULL;
        break;
    case OUTCOME_SNOOZE:
        result->delay_ms = self->snooze_ms >= 0 ? self->snooze_ms : JOB_SNOOZE_DEFAULT_MS;
        break;
    case OUTCOME_WAIT:
        result->delay_ms = self->wait.kind == JOB_WAIT_FOR ? self->wait.ms : -1;
        result->text = job_wait_body(self);
        break;
    case OUTCOME_NONE:
        panic("a run without outcome");
    }
    if (result->delay_ms > JOB_DELAY_MAX_MS) {
        result->delay_ms = JOB_DELAY_MAX_MS;
    }
    free(self->run->output);
    self->run->output = NULL;
}
