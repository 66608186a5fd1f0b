// SPDX-License-Identifier: MIT
// HTTP callback: see the header. The token is remembered as a step of the job.
#include "worker/http_callback.h"

#include <stdlib.h>

#include "common/base/json_line.h"
#include "worker/job_steps.h"
#include "worker/job_waits.h"

static const char STEP[] = "callback_token";

static HttpCallback make(JobContext *context, int64_t timeout_ms, const char **token)
{
    *token = job_create_token(context, timeout_ms, NULL);
    if (*token == NULL) {
        return HTTP_CALLBACK_FAILED;
    }
    StrBuf json = {0};
    strbuf_append_json(&json, *token);
    const int put = job_steps_put(context, STEP, json.text, json.length);
    strbuf_free(&json);
    return put == GANGER_DONE ? HTTP_CALLBACK_OPEN : HTTP_CALLBACK_FAILED;
}

// The wait was one attempt's; told once, so that the next one asks again.
static HttpCallback give_up(JobContext *context)
{
    static const char nothing[] = "null";
    return job_steps_put(context, STEP, nothing, sizeof nothing - 1) == GANGER_DONE
               ? HTTP_CALLBACK_TIMED_OUT
               : HTTP_CALLBACK_FAILED;
}

// The token that earlier attempts have offered; NULL: none, or one that has timed out.
static bool find(JobContext *context, const char **token)
{
    const char *json = NULL;
    *token = NULL;
    if (job_steps_get(context, STEP, &json) != GANGER_DONE) {
        return false;
    }
    if (json != NULL) {
        const JsonField field = {.value = json, .length = strlen(json)};
        char *text = json_field_text(&field);
        *token = text != NULL ? job_memory_keep(&context->memory, text) : NULL;
    }
    return true;
}

HttpCallback http_callback_begin(JobContext *context, int64_t timeout_ms, const char **token,
                                 const char **data)
{
    *data = NULL;
    if (!find(context, token)) {
        return HTTP_CALLBACK_FAILED;
    }
    if (*token == NULL) {
        return make(context, timeout_ms, token);
    }
    switch (job_wait_for_token(context, *token, data)) {
    case GANGER_TOKEN_COMPLETED:
        return HTTP_CALLBACK_DONE;
    case GANGER_TOKEN_WAITING:
        return HTTP_CALLBACK_OPEN;
    case GANGER_TOKEN_TIMED_OUT:
        return job_wait_is_told(context, *token) ? give_up(context)
                                                 : make(context, timeout_ms, token);
    default:
        return HTTP_CALLBACK_FAILED;
    }
}
