// SPDX-License-Identifier: MIT
// Record: see the header.
#include "worker/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/duration.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "worker/counts.h"
#include "worker/finish.h"
#include "worker/link.h"

static const char NODE_LOST[] = "node_lost";
static const char CRASHED[] = "crashed";

enum { WRITE_TRIES = 12 }; // with the pauses between them about half a minute

static bool is_told_to_stop(const Worker *self)
{
    return atomic_load(&self->slot->stop_serial) == atomic_load(&self->slot->run_serial);
}

// What a stop makes of the handler's answer: a job that ended well has ended well; one that gave up because it was told to is
// charged to whoever told it. Past its deadline a job may well have failed before the supervisor got to say so.
static const char *stopped_outcome(const Worker *self, const RunResult *result, bool is_late)
{
    bool gave_up = result->outcome == OUTCOME_ERROR || result->outcome == OUTCOME_CRASHED ||
                   (result->outcome == OUTCOME_SNOOZE && deadman_is_orphaned(self->deadman));
    if (!gave_up) {
        return NULL;
    }
    if (deadman_is_fenced(self->deadman)) {
        return NODE_LOST; // its processes were ended under it
    }
    const char *if_late = is_late ? "timeout" : NULL;
    if (!is_told_to_stop(self)) {
        return if_late;
    }
    switch ((StopCause)atomic_load(&self->slot->stop_cause)) {
    case STOP_TIMEOUT:
        return "timeout";
    case STOP_CANCEL:
        return "cancelled";
    case STOP_SHUTDOWN:
    case STOP_FENCE:
    case STOP_STUCK:
        return "released";
    case STOP_OPERATOR:
        return CRASHED;
    case STOP_NONE:
        break;
    }
    return if_late;
}

// From here on the result survives this process.
static bool keep(Worker *self, BatchEntry *entry, const char *text)
{
    if (!slot_store_text(self->slot, entry, text, text == NULL ? 0 : strlen(text))) {
        return false;
    }
    entry_set_state(entry, ENTRY_DONE);
    return true;
}

// Leaving the job as it is would hold it for as long as this worker lives. So the worker ends, and its settling writes what the
// slot keeps: the result, or for want of room that it could not be written.
static void give_up(Worker *self, int index, Status status)
{
    BatchEntry *entry = &self->slot->batch[index];
    log_error("job.not_written", "job=%" PRId64 " status=%s", entry->job_id, status_name(status));
    self->has_given_up = true;
    if (entry_state(entry) != ENTRY_RUNNING || is_told_to_stop(self)) {
        return; // kept, or known by its stop
    }
    char *why = mem_printf("its result could not be written: %s",
                           self->db != NULL ? db_error_message(self->db) : "no connection");
    entry->outcome = OUTCOME_ERROR;
    entry->delay_ms = -1;
    (void)keep(self, entry, why);
    free(why);
}

static void write_now(Worker *self, int index, const FinishDetail *detail)
{
    Status status = STATUS_OK;
    deadman_set_job(self->deadman, 0); // this may take a while
    for (int failures = 0; failures < WRITE_TRIES; failures++) {
        link_drop_if_old(self);
        if (self->db == NULL) {
            status = link_connect(self, LINK_FOR_RESULTS);
            if (status != STATUS_OK) {
                break;
            }
        }
        status = finish_entry(self, index, detail);
        if (status == STATUS_OK) {
            return;
        }
        counter_add(&self->slot->counters.finish_failures, 1);
        if (status == STATUS_FATAL) {
            break; // the schema does not fit: no other try will do
        }
        if (status == STATUS_LOST) {
            link_drop(self);
        }
        link_sleep(self, (int)backoff_delay_ms(LINK_RETRY_BASE_MS, LINK_RETRY_CAP_MS, failures,
                                               backoff_random()));
    }
    if (!self->is_lease_lost) {
        give_up(self, index, status);
    }
}

// What the handler's own words do not say. Caller frees; NULL = they will do.
static char *message_of_stop(const char *stopped, const Job *job, const char *text)
{
    if (stopped != NULL && str_equal(stopped, NODE_LOST)) {
        return mem_strdup("ended because its node could not renew its lease");
    }
    if (stopped != NULL && str_equal(stopped, CRASHED)) {
        return mem_printf("its worker was ended by an operator%s%s", text != NULL ? ": " : "",
                          text != NULL ? text : "");
    }
    if (stopped == NULL || !str_equal(stopped, "timeout")) {
        return NULL;
    }
    char limit[32];
    duration_format(job->timeout_ms, limit, sizeof limit);
    return mem_printf("stopped at its timeout of %s: %s", limit, text != NULL ? text : "");
}

void record_result(Worker *self, int index, const RunResult *result, int64_t started_us,
                   bool is_late)
{
    BatchEntry *entry = &self->slot->batch[index];
    entry->outcome = (int32_t)result->outcome;
    entry->delay_ms = result->delay_ms;
    entry->started_us = started_us;
    entry->ended_us = clock_boot_us();
    entry->cpu_us = result->cpu_us;
    entry->max_rss_bytes = result->max_rss_bytes;
    FAULT_POINT(result_before_slot);
    const char *stopped = stopped_outcome(self, result, is_late);
    // A death from here on is put down to the stop or the fence, if there is one: the slot has no word for that.
    bool is_ended = stopped != NULL && (is_told_to_stop(self) || str_equal(stopped, NODE_LOST));
    bool is_kept = !is_ended && keep(self, entry, result->text);
    FAULT_POINT(result_in_slot);
    size_t length = result->text == NULL ? 0 : strlen(result->text);
    if (is_kept && result->outcome == OUTCOME_COMPLETED && length <= SCOREBOARD_RESULT_INLINE &&
        atomic_load(&self->slot->log_length) == 0) {
        counts_finished(self, index, RUN_COMPLETED);
        return;
    }
    char *message = message_of_stop(stopped, &self->jobs[index], result->text);
    write_now(self, index,
              &(FinishDetail){.outcome = stopped != NULL ? stopped
                                                         : job_outcome_word((int)result->outcome),
                              .text = message != NULL ? message : result->text,
                              .exit_code = result->exit_code,
                              .signal = result->signal,
                              .is_in_doubt = result->is_in_doubt});
    free(message);
    if (entry_state(entry) != ENTRY_RUNNING) { // else the reaper settles it
        counts_finished(self, index,
                        stopped != NULL ? run_outcome_of(stopped)
                                        : counts_outcome(result->outcome));
    }
    if (entry_state(entry) == ENTRY_WRITTEN) {
        slot_drop_text(self->slot, entry); // its room is for the results to come
    }
}
