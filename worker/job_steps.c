// SPDX-License-Identifier: MIT
// Steps: see the header. Beside the handler's transaction, so that they outlive its end and this process.
#include "worker/job_steps.h"

#include <stdlib.h>

#include "common/base/json_check.h"
#include "sql_queries.h"

int job_steps_load(JobContext *context)
{
    JobMemory *memory = &context->memory;
    if (memory->is_loaded) {
        return GANGER_DONE;
    }
    if (context->run->job->is_first_start) {
        memory->is_loaded = true;
        return GANGER_DONE;
    }
    DbParams params;
    job_context_begin_params(context, &params);
    PGresult *result = NULL;
    if (!job_context_exec(context, &SQL_load_memory, &params, &result)) {
        return GANGER_FAILED;
    }
    // The rows have each name once; to look for it among thousands would take a square of the time.
    void (*const remember)(JobMemory *, const char *, char *) =
        memory->count == 0 ? job_memory_add : job_memory_put;
    for (int row = 0; row < PQntuples(result); row++) {
        const char *name = db_text(result, row, "name");
        const char *json = db_text(result, row, "result");
        if (name != NULL) {
            remember(memory, name, mem_strdup(json));
        } else if (json != NULL) {
            memory->waited = mem_strdup(json);
        }
    }
    const bool is_ours = PQntuples(result) > 0;
    PQclear(result);
    memory->is_loaded = is_ours;
    return is_ours ? GANGER_DONE : job_context_lost(context);
}

static bool is_named(JobContext *context, const char *name)
{
    const size_t length = name == NULL ? 0 : strlen(name);
    if (length >= 1 && length <= JOB_STEP_NAME_MAX_BYTES) {
        return true;
    }
    (void)job_context_fail(context, "the name of a step has 1 to %d bytes, not %zu",
                           (int)JOB_STEP_NAME_MAX_BYTES, length);
    return false;
}

int job_steps_get(JobContext *context, const char *name, const char **json)
{
    if (json == NULL) {
        return job_context_fail(context, "there is no place for the result");
    }
    *json = NULL;
    if (!is_named(context, name)) {
        return GANGER_FAILED;
    }
    const int answer = job_steps_load(context);
    if (answer == GANGER_DONE) {
        *json = job_memory_find(&context->memory, name);
    }
    return answer;
}

static bool is_sound(JobContext *context, const char *name, const char *json, size_t length)
{
    const char *why = NULL;
    size_t offset = 0;
    if (!is_named(context, name)) {
        return false;
    }
    if (json == NULL || length > JOB_OUTPUT_MAX_BYTES) {
        (void)job_context_fail(context, "the result of step '%s' has %zu bytes, more than %d", name,
                               json == NULL ? 0 : length, (int)JOB_OUTPUT_MAX_BYTES);
        return false;
    }
    if (!json_check(json, length, &why, &offset)) {
        (void)job_context_fail(context, "the result of step '%s' is not JSON: %s (byte %zu)", name,
                               why, offset);
        return false;
    }
    return true;
}

int job_steps_put(JobContext *context, const char *name, const char *json, size_t length)
{
    if (!is_sound(context, name, json, length)) {
        return GANGER_FAILED;
    }
    if (atomic_load(&context->is_lost)) {
        return job_context_lost(context);
    }
    char *text = mem_strndup(json, length);
    DbParams params;
    job_context_begin_params(context, &params);
    db_param_text(&params, name);
    db_param_text(&params, text);
    PGresult *result = NULL;
    if (!job_context_exec(context, &SQL_put_step, &params, &result)) {
        free(text);
        return GANGER_FAILED;
    }
    const bool done = db_bool(result, 0, "done");
    PQclear(result);
    if (!done) {
        free(text);
        return job_context_lost(context);
    }
    // What is read later comes over it: a step that was put is never asked for again.
    job_memory_put(&context->memory, name, text);
    return GANGER_DONE;
}
