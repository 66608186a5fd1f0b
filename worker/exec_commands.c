// SPDX-License-Identifier: MIT
// ExecCommands: see the header.
#include "worker/exec_commands.h"

#include <stdlib.h>

#include "common/base/json_line.h"
#include "common/base/log.h"
#include "worker/job_steps.h"
#include "worker/job_waits.h"

void exec_commands_init(ExecCommands *self, JobContext *context)
{
    *self = (ExecCommands){.context = context, .asked = OUTCOME_COMPLETED};
}

void exec_commands_free(ExecCommands *self)
{
    exec_lines_free(&self->lines);
    free(self->failure);
    self->failure = NULL;
}

static void note(ExecCommands *self, const char *what)
{
    char *line = mem_printf("ganger: fd 3: %s", what);
    job_context_log(self->context, line, strlen(line));
    free(line);
}

static void fail(ExecCommands *self, char *why)
{
    note(self, why);
    if (self->failure == NULL) {
        self->failure = why;
    } else {
        free(why);
    }
}

static void put_step(ExecCommands *self, const char *name, const char *json)
{
    if (job_steps_put(self->context, name, json, strlen(json)) == GANGER_FAILED) {
        fail(self, mem_printf("step '%.*s' was not stored: %s", (int)JOB_STEP_NAME_MAX_BYTES, name,
                              self->context->last_error));
    }
}

// *token is what the step keeps, NULL when there is no such step (caller frees). False: said why.
static bool find_token(ExecCommands *self, const char *step, char **token)
{
    const char *json = NULL;
    if (job_steps_get(self->context, step, &json) != GANGER_DONE) {
        fail(self, mem_printf("step '%.*s' was not read: %s", (int)JOB_STEP_NAME_MAX_BYTES, step,
                              self->context->last_error));
        return false;
    }
    if (json == NULL) {
        return true;
    }
    *token = json_field_text(&(JsonField){.value = json, .length = strlen(json)});
    if (*token == NULL) {
        fail(self, mem_printf("step '%s' keeps no token", step));
    }
    return *token != NULL;
}

// The token of an earlier run, if it made one: a program may say the same thing in every run. NULL: said why, or the lease is
// lost. Caller frees.
static char *create_token(ExecCommands *self, const ExecToken *wanted)
{
    JobContext *context = self->context;
    char *kept = NULL;
    if (!find_token(self, wanted->step, &kept)) {
        return NULL;
    }
    if (kept != NULL) {
        return kept;
    }
    const char *token = job_create_token(context, wanted->timeout_ms, wanted->tags);
    if (token == NULL) {
        fail(self, mem_printf("the token was not created: %s", context->last_error));
        return NULL;
    }
    StrBuf json = {0};
    strbuf_append_json(&json, token);
    put_step(self, wanted->step, json.text);
    strbuf_free(&json);
    return mem_strdup(token);
}

static void suspend(ExecCommands *self, const ExecMessage *message, const char *created)
{
    switch (message->wait) {
    case EXEC_WAIT_NONE:
        return;
    case EXEC_WAIT_FOR:
        job_wait_for(self->context, message->wait_ms);
        break;
    case EXEC_WAIT_UNTIL:
        job_wait_until(self->context, message->wait_ms);
        break;
    case EXEC_WAIT_TOKEN:
        job_wait_token(self->context, message->wait_token);
        break;
    case EXEC_WAIT_CREATED:
        if (created != NULL) {
            job_wait_token(self->context, created);
        }
        break;
    }
    self->asked = OUTCOME_WAIT;
}

static void show_progress(ExecCommands *self, const ExecMessage *message)
{
    if ((message->percent >= 0 || message->message != NULL || message->stage != NULL) &&
        job_context_progress(self->context, message->percent, message->message, message->stage) ==
            GANGER_FAILED) {
        log_debug("job.progress_failed", "reason=\"%s\"", self->context->last_error);
    }
}

static void remember(ExecCommands *self, const ExecMessage *message)
{
    char *created = NULL;
    if (message->step != NULL) {
        put_step(self, message->step, message->result != NULL ? message->result : "null");
    }
    if (message->create_token != NULL) {
        created = create_token(self, message->create_token);
    }
    suspend(self, message, created);
    free(created);
}

static void obey(ExecCommands *self, ExecMessage *message)
{
    JobContext *context = self->context;
    if (message->log != NULL) {
        job_context_log(context, message->log, strlen(message->log));
    }
    if (message->output != NULL) {
        free(
            context->run->output); // the line was checked as JSON, and it is shorter than the limit
        context->run->output = message->output;
        message->output = NULL;
    }
    // Before all that may wait for the database.
    if (message->prolong_ms >= 0 &&
        job_context_prolong(context, message->prolong_ms) != GANGER_DONE) {
        note(self, context->last_error);
    }
    show_progress(self, message);
    if (message->snooze_ms >= 0) {
        context->snooze_ms = message->snooze_ms;
        self->asked = OUTCOME_SNOOZE;
    }
    if (message->failure == NULL) { // else the line says something that is not meant
        remember(self, message);
    } else {
        fail(self, message->failure);
        message->failure = NULL;
    }
}

static void on_line(void *data, const char *line, size_t length)
{
    ExecCommands *self = data;
    if (line == NULL) { // it may have been the output, or a step
        fail(self, mem_strdup("a line longer than 1 MiB was dropped"));
        return;
    }
    ExecMessage message;
    exec_message_parse(&message, line, length);
    obey(self, &message);
    if (message.problem != NULL) {
        note(self, message.problem);
    }
    exec_message_deinit(&message);
}

void exec_commands_feed(ExecCommands *self, const char *bytes, size_t length)
{
    exec_lines_feed(&self->lines, bytes, length, on_line, self);
}

void exec_commands_end(ExecCommands *self)
{
    exec_lines_end(&self->lines, on_line, self);
}
