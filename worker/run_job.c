// SPDX-License-Identifier: MIT
// Run job: see the header.
#include "worker/run_job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "worker/counts.h"
#include "worker/cpu_meter.h"
#include "worker/link.h"
#include "worker/record.h"
#include "worker/runner.h"

enum { SHORT_RUN_MS = 1 }; // a run up to so long leaves its timer to the next one

// When the kernel kills a run that begins at `now`; 0 = never.
static int64_t hard_limit(const Job *job, int64_t now)
{
    return job->timeout_ms > 0 ? now + job->timeout_ms + job->kill_grace_ms + DEADMAN_JOB_SLACK_MS
                               : 0;
}

// Takes entry `index` over into ENTRY_RUNNING. The serial is raised first: a SIGKILL meant for the run before may still be on its
// way, and whoever reads the slot after it must find another run than the one it was meant for. In between the serial has no
// deadline (run_soft_at is 0), and no entry is running under it. The kernel's timer of the run before goes before the entry runs, too.
static bool begin_run(Worker *self, int index, const Job *job, int64_t now_us)
{
    Slot *slot = self->slot;
    atomic_fetch_add(&slot->run_serial, 1);
    slot_log_clear(slot); // before run_index, whose log it is
    atomic_store(&slot->run_index, index);
    atomic_store(&slot->run_started_at, now_us / 1000);
    (void)cpu_meter_at(now_us);
    atomic_store(&slot->run_cpu_us, cpu_meter_last_us());
    atomic_store(&slot->run_grace_ms, job->kill_grace_ms);
    deadman_set_job(self->deadman, hard_limit(job, now_us / 1000));
    (void)!str_copy(slot->job_type, sizeof slot->job_type, job->job_type); // cut: it is for logs
    if (!entry_move(&slot->batch[index], ENTRY_UNSTARTED, ENTRY_RUNNING)) {
        return false;
    }
    FAULT_POINT(entry_running);
    return true;
}

// The deadline comes last, and with it the supervisor: grace and serial are in place.
static void publish_deadline(Worker *self, const Job *job)
{
    Slot *slot = self->slot;
    int64_t soft_at =
        job->timeout_ms > 0 ? atomic_load(&slot->run_started_at) + job->timeout_ms : 0;
    atomic_store(&slot->run_soft_at, soft_at);
    worker_set_state(self, SLOT_RUNNING);
    if (soft_at == 0) {
        return;
    }
    if (soft_at < atomic_load(&self->header->supervisor_wakes_at)) {
        const uint64_t one = 1;
        (void)!write(FD_SUPERVISOR_WAKE, &one, sizeof one);
    }
}

static void call_handler(const Handler *handler, RunContext *context, RunResult *result)
{
    switch (handler->config->kind) {
    case HANDLER_PLUGIN:
        (handler->is_hook ? run_hook : run_plugin)(handler, context, result);
        return;
    case HANDLER_EXEC:
        run_exec(handler, context, result);
        return;
    case HANDLER_SQL:
        run_sql(handler, context, result);
        return;
    case HANDLER_HTTP:
        run_http(handler, context, result);
        return;
    }
}

// True when the run's deadline has passed. From here on there is none; who does not go on to the next job at once takes the timer
// away (run_batch, record.c).
static bool end_deadline(Worker *self)
{
    int64_t soft_at = atomic_load(&self->slot->run_soft_at);
    if (soft_at == 0) {
        return false;
    }
    int64_t now = clock_boot_ms();
    bool is_late = now >= soft_at;
    atomic_store(&self->slot->run_soft_at, 0);
    if (now - atomic_load(&self->slot->run_started_at) > SHORT_RUN_MS) {
        deadman_set_job(self->deadman, 0);
    }
    return is_late;
}

static bool reconnect(RunContext *context)
{
    Worker *self = context->worker;
    const bool is_back = link_connect(self, LINK_FOR_RESULTS) == STATUS_OK;
    context->db = self->db;
    return is_back;
}

int64_t run_job(Worker *self, int index)
{
    BatchEntry *entry = &self->slot->batch[index];
    const Job *job = &self->jobs[index];
    const int64_t started_us = clock_boot_us();
    if (!begin_run(self, index, job, started_us)) {
        return -1;
    }
    publish_deadline(self, job);
    FAULT_POINT(deadline_published);
    log_set_job(job->id);
    RunContext context = {
        .config = self->config,
        .url = self->config->database_url,
        .slot = self->slot,
        .db = self->db,
        .aux = self->aux,
        .job = job,
        .deadman = self->deadman,
        .reconnect = reconnect,
        .worker = self,
    };
    RunResult result = {.outcome = OUTCOME_ERROR,
                        .delay_ms = -1,
                        .cpu_us = -1,
                        .max_rss_bytes = -1,
                        .exit_code = -1};
    entry->started_us = started_us;
    counts_started(self, job, started_us);
    // Every job in the batch has a handler: the claim asked for no other types.
    call_handler(handler_table_find(self->handlers, job->job_type), &context, &result);
    self->aux = context.aux;
    free(context.output);
    FAULT_POINT(handler_returned);

    bool is_late = end_deadline(self);
    if (context.settled) {
        entry->ended_us = clock_boot_us();
        entry_set_state(entry, ENTRY_WRITTEN);
        counts_finished(self, index, counts_outcome(result.outcome));
    } else {
        record_result(self, index, &result, started_us, is_late);
    }
    free(result.text);
    self->jobs_done++;
    atomic_store(&self->slot->jobs_done, self->jobs_done);
    log_set_job(0);
    return entry->ended_us - started_us;
}
