// SPDX-License-Identifier: MIT
// Runs a job whose only task is to call the on_error hook of a plugin for another job, one that has failed for good. Its payload
// tells of that job; it is made by ganger._call_hooks.
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/json_line.h"
#include "worker/cpu_meter.h"
#include "worker/job_context.h"
#include "worker/job_transaction.h"
#include "worker/plugin_run.h"
#include "worker/process_guard.h"
#include "worker/runner.h"

typedef struct FailedJob {
    ganger_job job;
    char *texts[7]; // what its pointers lead to
    char *message;
} FailedJob;

enum {
    TEXT_JOB_TYPE,
    TEXT_QUEUE,
    TEXT_PAYLOAD,
    TEXT_TAGS,
    TEXT_OWNER,
    TEXT_METADATA,
    TEXT_GROUP_KEY
};

static bool is_null(const JsonField *field)
{
    return field->length == 4 && strncmp(field->value, "null", 4) == 0;
}

static void read_field(FailedJob *failed, const JsonField *field)
{
    static const struct {
        const char *name;
        bool is_json;
    } texts[] = {
        [TEXT_JOB_TYPE] = {"job_type", false},   [TEXT_QUEUE] = {"queue", false},
        [TEXT_PAYLOAD] = {"payload", true},      [TEXT_TAGS] = {"tags", true},
        [TEXT_OWNER] = {"owner", false},         [TEXT_METADATA] = {"metadata", true},
        [TEXT_GROUP_KEY] = {"group_key", false},
    };
    int64_t number = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (str_equal(field->name, texts[i].name)) {
            free(failed->texts[i]);
            failed->texts[i] = !texts[i].is_json ? json_field_text(field)
                               : is_null(field) && i != TEXT_PAYLOAD
                                   ? NULL
                                   : mem_strndup(field->value, field->length);
            return;
        }
    }
    if (str_equal(field->name, "message")) {
        free(failed->message);
        failed->message = json_field_text(field);
    } else if (json_field_int(field, &number)) {
        if (str_equal(field->name, "id")) {
            failed->job.id = number;
        } else if (str_equal(field->name, "attempt")) {
            failed->job.attempt = (int32_t)number;
        } else if (str_equal(field->name, "max_attempts")) {
            failed->job.max_attempts = (int32_t)number;
        } else if (str_equal(field->name, "priority")) {
            failed->job.priority = (int32_t)number;
        }
    }
}

// False: the payload does not tell of a failed job, as somebody else has made it.
static bool read_failed_job(FailedJob *failed, const Job *job)
{
    JsonLine line;
    const char *why = NULL;
    if (!json_line_parse(&line, job->payload, job->payload_length, &why)) {
        return false;
    }
    for (size_t i = 0; i < line.count; i++) {
        read_field(failed, &line.fields[i]);
    }
    char *const *texts = failed->texts;
    failed->job.struct_size = sizeof failed->job;
    failed->job.job_type = texts[TEXT_JOB_TYPE];
    failed->job.queue = texts[TEXT_QUEUE];
    failed->job.payload = texts[TEXT_PAYLOAD];
    failed->job.payload_length = texts[TEXT_PAYLOAD] != NULL ? strlen(texts[TEXT_PAYLOAD]) : 0;
    failed->job.tags = texts[TEXT_TAGS];
    failed->job.owner = texts[TEXT_OWNER];
    failed->job.metadata = texts[TEXT_METADATA];
    failed->job.group_key = texts[TEXT_GROUP_KEY];
    return failed->job.id > 0 && failed->job.job_type != NULL && failed->job.queue != NULL &&
           failed->job.payload != NULL;
}

static void forget_failed_job(FailedJob *failed)
{
    for (size_t i = 0; i < sizeof failed->texts / sizeof failed->texts[0]; i++) {
        free(failed->texts[i]);
    }
    free(failed->message);
}

static JobOutcome call(const Handler *handler, JobContext *context, const FailedJob *failed)
{
    const ganger_handler *entry = handler->plugin_entry;
    ProcessGuard guard;
    process_guard_begin(&guard, &handler->config->limits);
    entry->on_error(&failed->job, &context->plugin, failed->message != NULL ? failed->message : "");
    if (!process_guard_end(&guard)) {
        plugin_check_files(context->run);
    }
    return context->error == NULL ? OUTCOME_COMPLETED : OUTCOME_ERROR; // it may say so by set_error
}

void run_hook(const Handler *handler, RunContext *run, RunResult *result)
{
    JobContext context;
    FailedJob failed = {0};
    job_context_init(&context, run);
    run->settled = false;
    const int64_t cpu_start_us = cpu_meter_at(clock_boot_us());
    JobOutcome outcome = OUTCOME_DISCARD;
    if (read_failed_job(&failed, run->job)) {
        outcome = call(handler, &context, &failed);
    } else {
        job_context_set_error(&context, "its payload does not tell of a failed job");
    }
    job_context_flush(&context);
    outcome = plugin_end_transaction(&context, outcome);
    job_context_fill_result(&context, outcome, result);
    result->cpu_us = cpu_meter_since(cpu_start_us, clock_boot_us());
    result->max_rss_bytes = -1;
    forget_failed_job(&failed);
    job_context_deinit(&context);
}
