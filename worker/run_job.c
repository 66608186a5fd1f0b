// SPDX-License-Identifier: MIT
// Run job: see the header.
#include "worker/run_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/duration.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "worker/finish.h"
#include "worker/link.h"
#include "worker/runner.h"

// The slot tells the supervisor what runs and until when. Everything is in place before run_serial names the new run, so
// that no reader joins one job's deadline to another's serial.
static void publish_start(Worker *self, int index, const Job *job)
{
    Slot *slot = self->slot;
    int64_t now = clock_boot_ms();
    int64_t soft_at = job->timeout_ms > 0 ? now + job->timeout_ms : 0;
    slot_log_clear(slot);
    (void)!str_copy(slot->job_type, sizeof slot->job_type, job->job_type); // cut: it is for logs
    atomic_store(&slot->run_index, index);
    atomic_store(&slot->run_started_at, now);
    atomic_store(&slot->run_cpu_us, clock_cpu_us());
    atomic_store(&slot->run_soft_at, soft_at);
    atomic_store(&slot->run_grace_ms, job->kill_grace_ms);
    atomic_fetch_add(&slot->run_serial, 1);
    worker_set_state(self, SLOT_RUNNING);
    if (soft_at == 0) {
        return;
    }
    deadman_set_job(self->deadman, soft_at + job->kill_grace_ms + DEADMAN_JOB_SLACK_MS);
    if (soft_at < atomic_load(&self->header->supervisor_wakes_at)) {
        const uint64_t one = 1;
        (void)!write(FD_SUPERVISOR_WAKE, &one, sizeof one);
    }
}

static void call_handler(const Handler *handler, RunContext *context, RunResult *result)
{
    switch (handler->config->kind) {
    case HANDLER_PLUGIN:
        run_plugin(handler, context, result);
        return;
    case HANDLER_EXEC:
        run_exec(handler, context, result);
        return;
    case HANDLER_SQL:
        run_sql(handler, context, result);
        return;
    }
}

// What a stop makes of the handler's answer: a job that ended well has ended well; one that gave up because it was told to is
// charged to whoever told it.
static const char *stopped_outcome(const Worker *self, const RunResult *result)
{
    const Slot *slot = self->slot;
    bool gave_up = result->outcome == OUTCOME_ERROR ||
                   (result->outcome == OUTCOME_SNOOZE && deadman_is_orphaned(self->deadman));
    if (!gave_up || atomic_load(&slot->stop_serial) != atomic_load(&slot->run_serial)) {
        return NULL;
    }
    switch ((StopCause)atomic_load(&slot->stop_cause)) {
    case STOP_TIMEOUT:
        return "timeout";
    case STOP_CANCEL:
        return "cancelled";
    case STOP_SHUTDOWN:
    case STOP_FENCE:
    case STOP_STUCK:
        return "released";
    case STOP_NONE:
        break;
    }
    return NULL;
}

static bool is_small_success(const Worker *self, const RunResult *result)
{
    return result->outcome == OUTCOME_COMPLETED &&
           (result->text == NULL || strlen(result->text) <= SCOREBOARD_RESULT_INLINE) &&
           atomic_load(&self->slot->log_length) == 0;
}

// Writes one result, whatever it takes: only the end of this worker's claim on the job ends the trying.
static void write_now(Worker *self, int index, const FinishDetail *detail)
{
    FinishDetail known = *detail;
    char *refusal = NULL;
    for (int failures = 0; !self->is_lease_lost; failures++) {
        if (self->db == NULL && link_connect(self) != STATUS_OK) {
            break;
        }
        Status status = finish_entry(self, index, &known);
        if (status == STATUS_OK) {
            break;
        }
        if (status == STATUS_LOST) {
            link_drop(self);
        } else if (status == STATUS_REFUSED && refusal == NULL) {
            refusal =
                mem_printf("PostgreSQL does not accept the result: %s", db_error_message(self->db));
            known = (FinishDetail){.outcome = "error", .text = refusal, .exit_code = -1};
        } else if (failures > 10) {
            log_error("job.not_written", "job=%" PRId64 " status=%s", self->jobs[index].id,
                      status_name(status));
            break; // the settling of this worker will charge the job
        } else {
            link_sleep(self, (int)backoff_delay_ms(LINK_RETRY_BASE_MS, LINK_RETRY_CAP_MS, failures,
                                                   backoff_random()));
        }
    }
    free(refusal);
}

static void record(Worker *self, int index, RunResult *result, int64_t started_us)
{
    BatchEntry *entry = &self->slot->batch[index];
    const Job *job = &self->jobs[index];
    entry->outcome = (int32_t)result->outcome;
    entry->delay_ms = result->delay_ms;
    entry->started_us = started_us;
    entry->ended_us = clock_boot_us();
    entry->cpu_us = result->cpu_us;
    entry->max_rss_bytes = result->max_rss_bytes;
    FAULT_POINT("result_before_slot");
    bool is_kept = is_small_success(self, result) || result->outcome != OUTCOME_COMPLETED;
    size_t length = result->text == NULL ? 0 : strlen(result->text);
    is_kept = is_kept && slot_store_text(self->slot, entry, result->text, length);
    const char *stopped = stopped_outcome(self, result);
    if (is_kept && stopped == NULL) {
        atomic_store(&entry->state, ENTRY_DONE); // from here on the result survives this process
    }
    FAULT_POINT("result_in_slot");
    if (is_kept && is_small_success(self, result)) {
        return;
    }
    char *message = NULL;
    if (stopped != NULL && str_equal(stopped, "timeout")) {
        char limit[32];
        duration_format(job->timeout_ms, limit, sizeof limit);
        message = mem_printf("stopped at its timeout of %s: %s", limit,
                             result->text != NULL ? result->text : "");
    }
    write_now(self, index,
              &(FinishDetail){.outcome = stopped,
                              .text = message != NULL ? message : result->text,
                              .exit_code = result->exit_code,
                              .signal = result->signal});
    free(message);
}

int64_t run_job(Worker *self, int index)
{
    BatchEntry *entry = &self->slot->batch[index];
    const Job *job = &self->jobs[index];
    if (!entry_move(entry, ENTRY_UNSTARTED, ENTRY_RUNNING)) {
        return -1;
    }
    publish_start(self, index, job);
    log_set_job(job->id);
    RunContext context = {
        .config = self->config,
        .url = self->config->database_url,
        .slot = self->slot,
        .db = self->db,
        .aux = self->aux,
        .job = job,
        .deadman = self->deadman,
    };
    RunResult result = {.outcome = OUTCOME_ERROR,
                        .delay_ms = -1,
                        .cpu_us = -1,
                        .max_rss_bytes = -1,
                        .exit_code = -1};
    int64_t started_us = clock_boot_us();
    entry->started_us = started_us;
    // Every job in the batch has a handler: the claim asked for no other types.
    call_handler(handler_table_find(self->handlers, job->job_type), &context, &result);
    self->aux = context.aux;
    free(context.output);

    atomic_store(&self->slot->run_soft_at, 0);
    deadman_set_job(self->deadman, 0);
    if (context.settled) {
        entry->ended_us = clock_boot_us();
        atomic_store(&entry->state, ENTRY_WRITTEN);
    } else {
        record(self, index, &result, started_us);
    }
    free(result.text);
    self->jobs_done++;
    atomic_store(&self->slot->jobs_done, self->jobs_done);
    log_set_job(0);
    return entry->ended_us - started_us;
}
