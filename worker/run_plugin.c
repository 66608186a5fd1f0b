// SPDX-License-Identifier: MIT
// Runs a job through a function of a shared object, in this process.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/log.h"
#include "worker/cpu_meter.h"
#include "worker/job_context.h"
#include "worker/job_transaction.h"
#include "worker/plugin_run.h"
#include "worker/process_guard.h"
#include "worker/process_state.h"
#include "worker/runner.h"

static JobOutcome outcome_of(JobContext *context, enum ganger_result returned);

static ganger_job public_job(const Job *job)
{
    return (ganger_job){
        .struct_size = sizeof(ganger_job),
        .id = job->id,
        .attempt = job->attempt,
        .max_attempts = job->max_attempts,
        .job_type = job->job_type,
        .queue = job->queue,
        .payload = job->payload,
        .payload_length = job->payload_length,
        .tags = job->tags,
        .owner = job->owner,
        .metadata = job->metadata,
        .group_key = job->group_key,
        .priority = job->priority,
    };
}

void run_plugin(const Handler *handler, RunContext *run, RunResult *result)
{
    const ganger_handler *entry = handler->plugin_entry;
    const ganger_job job = public_job(run->job);
    JobContext context;
    job_context_init(&context, run);
    run->settled = false;

    const int64_t cpu_start_us = cpu_meter_at(clock_boot_us());
    ProcessGuard guard;
    process_guard_begin(&guard, &handler->config->limits);
    const enum ganger_result returned = entry->run(&job, &context.plugin);
    if (!process_guard_end(&guard)) {
        plugin_check_files(run);
    }

    JobOutcome outcome = outcome_of(&context, returned);
    job_context_flush(&context);
    outcome = plugin_end_transaction(&context, outcome);
    job_context_fill_result(&context, outcome, result);
    result->cpu_us = cpu_meter_since(cpu_start_us, clock_boot_us());
    result->max_rss_bytes = -1;
    job_context_deinit(&context);
}

// Without its lifeline and its wake-up a worker is none: nothing it says of this run, or writes by numbers that may be other files
// by now, can be trusted. The run has crashed, and the supervisor starts another worker.
void plugin_check_files(const RunContext *run)
{
    if (process_state_has_own_files()) {
        return;
    }
    static const char why[] = "the handler closed files of its worker";
    memcpy(run->slot->note, why, sizeof why);
    log_error("worker.files_closed", "job=%" PRId64, run->job->id);
    _exit(EXIT_CODE_FAILED);
}

static JobOutcome outcome_of(JobContext *context, enum ganger_result returned)
{
    switch (returned) {
    case GANGER_OK:
        return OUTCOME_COMPLETED;
    case GANGER_ERROR:
    case GANGER_DISCARD:
        if (context->error == NULL) {
            job_context_set_error(context, "the handler reported an error without a message");
        }
        return returned == GANGER_ERROR ? OUTCOME_ERROR : OUTCOME_DISCARD;
    case GANGER_SNOOZE:
        return OUTCOME_SNOOZE;
    case GANGER_WAIT:
        if (context->wait.kind == JOB_WAIT_NONE) {
            job_context_set_error(context,
                                  "the handler returned GANGER_WAIT and did not say what for");
            return OUTCOME_ERROR;
        }
        return OUTCOME_WAIT;
    }
    // Not an enumerator: the handler is compiled by others.
    char *message = mem_printf("the handler returned %d, which is no ganger_result", (int)returned);
    job_context_set_error(context, message);
    free(message);
    return OUTCOME_ERROR;
}

JobOutcome plugin_end_transaction(JobContext *context, JobOutcome outcome)
{
    RunContext *run = context->run;
    if (!run->in_transaction) {
        return outcome;
    }
    if (outcome != OUTCOME_COMPLETED) {
        // One that must not be tried again must not for this either.
        return job_transaction_abandon(context) || outcome == OUTCOME_DISCARD ? outcome
                                                                              : OUTCOME_ERROR;
    }
    switch (job_transaction_commit(context)) {
    case JOB_TRANSACTION_COMMITTED:
        run->settled = true;
        return OUTCOME_COMPLETED;
    case JOB_TRANSACTION_LOST:
        log_warn("job.lease_lost", "job=%" PRId64 " attempt=%d transaction=rolled_back",
                 run->job->id, run->job->attempt);
        atomic_store(&context->is_lost, true);
        job_context_set_error(context, "this attempt no longer owned the job");
        return OUTCOME_ERROR;
    case JOB_TRANSACTION_FAILED:
        break;
    }
    return OUTCOME_ERROR;
}
