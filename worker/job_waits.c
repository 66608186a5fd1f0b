// SPDX-License-Identifier: MIT
// Waits: see the header.
#include "worker/job_waits.h"

#include <stdlib.h>

#include "common/base/instant.h"
#include "common/base/json_check.h"
#include "common/base/json_line.h"
#include "sql_queries.h"

enum { COMPLETE_TIMEOUT_MS = 10000 };

void job_wait_for(JobContext *context, int64_t ms)
{
    context->wait.kind = JOB_WAIT_FOR;
    context->wait.ms = ms < 0 ? 0 : ms;
}

void job_wait_until(JobContext *context, int64_t unix_ms)
{
    context->wait.kind = JOB_WAIT_UNTIL;
    context->wait.ms = unix_ms;
}

void job_wait_token(JobContext *context, const char *token)
{
    char *old = context->wait.token; // freed last: it may be what `token` points to
    context->wait.kind = JOB_WAIT_TOKEN;
    context->wait.token = mem_strdup(token);
    free(old);
}

static int token_status(JobContext *context, const PGresult *result, const char *token,
                        const char **data)
{
    const char *status = db_text(result, 0, "status");
    if (status == NULL) {
        return job_context_fail(context, "there is no token '%s'", token);
    }
    const char *json = db_text(result, 0, "data");
    if (data != NULL && json != NULL) {
        *data = job_memory_keep(&context->memory, mem_strdup(json));
    }
    if (str_equal(status, "completed")) {
        return GANGER_TOKEN_COMPLETED;
    }
    return str_equal(status, "timed_out") ? GANGER_TOKEN_TIMED_OUT : GANGER_TOKEN_WAITING;
}

int job_wait_for_token(JobContext *context, const char *token, const char **data)
{
    if (data != NULL) {
        *data = NULL;
    }
    if (token == NULL) {
        return job_context_fail(context, "the token is NULL");
    }
    context->wait.kind = JOB_WAIT_NONE;
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, token);
    PGresult *result = NULL;
    if (!job_context_exec(context, &SQL_get_token, &params, &result)) {
        return GANGER_FAILED;
    }
    const int status = token_status(context, result, token, data);
    PQclear(result);
    if (status == GANGER_TOKEN_WAITING) {
        job_wait_token(context, token);
    }
    return status;
}

bool job_wait_is_told(const JobContext *context, const char *token)
{
    const char *waited = context->memory.waited;
    if (waited == NULL || token == NULL) {
        return false;
    }
    char *last = json_member_text(waited, "token");
    char *status = json_member_text(waited, "status");
    const bool is_told =
        last != NULL && str_equal(last, token) && status != NULL && !str_equal(status, "waiting");
    free(last);
    free(status);
    return is_told;
}

bool job_wait_is_new(JobContext *context)
{
    if (context->wait.kind != JOB_WAIT_TOKEN || !job_wait_is_told(context, context->wait.token)) {
        return true;
    }
    char *message = mem_printf("token '%s' has ended, as GANGER_WAITED has told this run: look at "
                               "that first, instead of waiting for it again",
                               context->wait.token);
    job_context_set_error(context, message);
    free(message);
    return false;
}

const char *job_create_token(JobContext *context, int64_t timeout_ms, const char *tags)
{
    if (atomic_load(&context->is_lost)) { // nobody would ever look for it
        (void)job_context_lost(context);
        return NULL;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int_or_null(&params, timeout_ms, timeout_ms >= 0);
    db_param_text(&params, tags);
    db_param_int(&params, context->run->job->id);
    PGresult *result = NULL;
    if (!job_context_exec(context, &SQL_create_token, &params, &result)) {
        return NULL;
    }
    const char *token = job_memory_keep(&context->memory, mem_strdup(db_text(result, 0, "token")));
    PQclear(result);
    return token;
}

int job_complete_token(JobContext *context, const char *token, const char *json)
{
    Db *db = context->run->db;
    const char *why = NULL;
    if (token == NULL) {
        return job_context_fail(context, "the token is NULL");
    }
    if (json != NULL &&
        !json_check(json, strlen(json), &why, NULL)) { // it would end the transaction
        return job_context_fail(context, "the data of the token is not JSON: %s", why);
    }
    if (db == NULL) {
        return job_context_fail(context, "no connection to the database");
    }
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, token);
    db_param_text(&params, json);
    PGresult *result = NULL;
    if (db_exec(db, &SQL_complete_token, &params, COMPLETE_TIMEOUT_MS, &result) != STATUS_OK) {
        return job_context_fail(context, "%s", db_error_message(db));
    }
    const bool done = db_bool(result, 0, "done");
    PQclear(result);
    return done
               ? GANGER_DONE
               : job_context_fail(context,
                                  "token '%s' does not exist, or was completed or timed out before",
                                  token);
}

char *job_wait_body(const JobContext *context)
{
    StrBuf body = {0};
    char instant[INSTANT_TEXT_BYTES];
    switch (context->wait.kind) {
    case JOB_WAIT_NONE:
    case JOB_WAIT_FOR:
        return NULL;
    case JOB_WAIT_UNTIL:
        instant_format(context->wait.ms, instant, sizeof instant);
        return mem_printf("{\"until\": \"%s\"}", instant);
    case JOB_WAIT_TOKEN:
        break;
    }
    strbuf_append(&body, "{\"token\": ");
    strbuf_append_json(&body, context->wait.token);
    strbuf_append_char(&body, '}');
    return strbuf_take(&body);
}
