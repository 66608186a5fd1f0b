// SPDX-License-Identifier: MIT
// What a program says on fd 3: one JSON object per line.
#include "worker/exec_protocol.h"

#include <stdlib.h>

#include "common/base/duration.h"
#include "common/base/instant.h"
#include "common/base/json_line.h"

static void read_field(ExecMessage *message, const JsonField *field);
static void check_pairs(ExecMessage *message);
static void token_free(ExecToken *token);

// The first problem of a line is the one worth reading.
static void set_problem(ExecMessage *message, char *text)
{
    if (message->problem == NULL) {
        message->problem = text;
    } else {
        free(text);
    }
}

static void set_failure(ExecMessage *message, char *text)
{
    if (message->failure == NULL) {
        message->failure = text;
    } else {
        free(text);
    }
}

// A line that cannot be read, but speaks of what the program relies on: taken as if it had said nothing, a job that wants to
// wait would complete.
static bool is_promising(const char *line, size_t length)
{
    static const char *const keys[] = {"\"step\"",       "\"wait\"",         "\"wait_until\"",
                                       "\"wait_token\"", "\"create_token\"", "\"output\""};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (memmem(line, length, keys[i], strlen(keys[i])) != NULL) {
            return true;
        }
    }
    return false;
}

void exec_message_parse(ExecMessage *message, const char *line, size_t length)
{
    *message = (ExecMessage){.percent = -1, .prolong_ms = -1, .snooze_ms = -1};
    JsonLine object;
    const char *why = NULL;
    if (!json_line_parse(&object, line, length, &why)) {
        char *text = mem_printf("a line that is not a JSON object (%s)", why);
        (is_promising(line, length) ? set_failure : set_problem)(message, text);
        return;
    }
    for (size_t i = 0; i < object.count; i++) {
        read_field(message, &object.fields[i]);
    }
    check_pairs(message);
}

void exec_message_deinit(ExecMessage *message)
{
    free(message->message);
    free(message->stage);
    free(message->output);
    free(message->log);
    free(message->step);
    free(message->result);
    free(message->wait_token);
    token_free(message->create_token);
    free(message->failure);
    free(message->problem);
    *message = (ExecMessage){0};
}

static void read_text(ExecMessage *message, const JsonField *field, char **to)
{
    char *text = json_field_text(field);
    if (text == NULL) {
        set_problem(message, mem_printf("'%s' must be a string", field->name));
        return;
    }
    free(*to);
    *to = text;
}

static void read_percent(ExecMessage *message, const JsonField *field)
{
    int64_t percent = 0;
    if (json_field_int(field, &percent) && percent >= 0 && percent <= 100) {
        message->percent = (int)percent;
    } else {
        set_problem(message, mem_printf("'%s' must be a whole number from 0 to 100", field->name));
    }
}

static void read_duration(ExecMessage *message, const JsonField *field, int64_t *to)
{
    char *text = json_field_text(field);
    const char *why = "it must be a string";
    int64_t ms = 0;
    if (text != NULL && duration_parse(text, &ms, &why) == STATUS_OK) {
        *to = ms;
    } else {
        set_problem(message,
                    mem_printf("'%s' must be a duration like \"30s\": %s", field->name, why));
    }
    free(text);
}

static bool to_duration(const JsonField *field, const char *what, int64_t *to, char **failure)
{
    char *text = json_field_text(field);
    const char *why = "it must be a string";
    const bool ok = text != NULL && duration_parse(text, to, &why) == STATUS_OK;
    free(text);
    if (!ok && *failure == NULL) {
        *failure = mem_printf("'%s' must be a duration like \"5m\": %s", what, why);
    }
    return ok;
}

static void read_wait(ExecMessage *message, const JsonField *field)
{
    if (field->length == 4 && strncmp(field->value, "true", 4) == 0) {
        message->wait = EXEC_WAIT_CREATED;
    } else if (to_duration(field, "wait", &message->wait_ms, &message->failure)) {
        message->wait = EXEC_WAIT_FOR;
    }
}

static void read_wait_until(ExecMessage *message, const JsonField *field)
{
    char *text = json_field_text(field);
    const char *why = "it must be a string";
    if (text != NULL && instant_parse(text, &message->wait_ms, &why) == STATUS_OK) {
        message->wait = EXEC_WAIT_UNTIL;
    } else {
        set_failure(
            message,
            mem_printf("'wait_until' must be an instant like \"2026-01-31T12:00:00Z\": %s", why));
    }
    free(text);
}

static char *read_name(ExecMessage *message, const JsonField *field, const char *what)
{
    char *text = json_field_text(field);
    if (text == NULL || text[0] == '\0') {
        set_failure(message, mem_printf("'%s' must be a string that is not empty", what));
        free(text);
        return NULL;
    }
    return text;
}

static void read_wait_token(ExecMessage *message, const JsonField *field)
{
    free(message->wait_token);
    message->wait_token = read_name(message, field, "wait_token");
    if (message->wait_token != NULL) {
        message->wait = EXEC_WAIT_TOKEN;
    }
}

static void token_free(ExecToken *token)
{
    if (token != NULL) {
        free(token->step);
        free(token->tags);
        free(token);
    }
}

static void read_token_field(ExecMessage *message, ExecToken *token, const JsonField *field)
{
    if (str_equal(field->name, "step")) {
        free(token->step);
        token->step = read_name(message, field, "create_token.step");
    } else if (str_equal(field->name, "timeout")) {
        (void)to_duration(field, "create_token.timeout", &token->timeout_ms, &message->failure);
    } else if (str_equal(field->name, "tags")) {
        free(token->tags);
        token->tags = field->value[0] == '[' ? mem_strndup(field->value, field->length) : NULL;
        if (token->tags == NULL) {
            set_failure(message, mem_strdup("'create_token.tags' must be an array of strings"));
        }
    } else {
        set_failure(message, mem_printf("unknown key 'create_token.%s'", field->name));
    }
}

static void read_create_token(ExecMessage *message, const JsonField *field)
{
    JsonLine object;
    const char *why = NULL;
    token_free(message->create_token);
    message->create_token = NULL;
    if (!json_line_parse(&object, field->value, field->length, &why)) {
        set_failure(message, mem_printf("'create_token' must be an object with a 'step': %s", why));
        return;
    }
    ExecToken *token = mem_alloc(sizeof *token);
    token->timeout_ms = -1;
    for (size_t i = 0; i < object.count; i++) {
        read_token_field(message, token, &object.fields[i]);
    }
    if (token->step == NULL) {
        set_failure(message, mem_strdup("'create_token' has no 'step' to keep the token in"));
    }
    message->create_token = token;
}

// What is of no use without the other.
static void check_pairs(ExecMessage *message)
{
    if (message->result != NULL && message->step == NULL) {
        set_failure(message, mem_strdup("'result' without a 'step'"));
    }
    if (message->wait == EXEC_WAIT_CREATED && message->create_token == NULL) {
        set_failure(message, mem_strdup("'wait': true without a 'create_token'"));
    }
}

typedef void (*FieldReader)(ExecMessage *message, const JsonField *field);

static void read_step(ExecMessage *message, const JsonField *field)
{
    free(message->step);
    message->step = read_name(message, field, "step");
}

static void read_result(ExecMessage *message, const JsonField *field)
{
    free(message->result);
    message->result = mem_strndup(field->value, field->length);
}

static void read_output(ExecMessage *message, const JsonField *field)
{
    free(message->output);
    message->output = mem_strndup(field->value, field->length);
}

static void read_message(ExecMessage *message, const JsonField *field)
{
    read_text(message, field, &message->message);
}

static void read_stage(ExecMessage *message, const JsonField *field)
{
    read_text(message, field, &message->stage);
}

static void read_log(ExecMessage *message, const JsonField *field)
{
    read_text(message, field, &message->log);
}

static void read_prolong(ExecMessage *message, const JsonField *field)
{
    read_duration(message, field, &message->prolong_ms);
}

static void read_snooze(ExecMessage *message, const JsonField *field)
{
    read_duration(message, field, &message->snooze_ms);
}

static void read_field(ExecMessage *message, const JsonField *field)
{
    static const struct {
        const char *name;
        FieldReader read;
    } members[] = {
        {"progress", read_percent},
        {"message", read_message},
        {"stage", read_stage},
        {"output", read_output},
        {"log", read_log},
        {"prolong", read_prolong},
        {"snooze", read_snooze},
        {"step", read_step},
        {"result", read_result},
        {"wait", read_wait},
        {"wait_until", read_wait_until},
        {"wait_token", read_wait_token},
        {"create_token", read_create_token},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (str_equal(field->name, members[i].name)) {
            members[i].read(message, field);
            return;
        }
    }
    set_problem(message, mem_printf("unknown key '%s'", field->name));
}

// --- lines

static void end_line(ExecLines *lines, ExecLineFunction on_line, void *data)
{
    if (lines->is_too_long) {
        on_line(data, NULL, 0);
    } else if (lines->partial.length > 0) {
        on_line(data, lines->partial.text, lines->partial.length);
    }
    strbuf_clear(&lines->partial);
    lines->is_too_long = false;
}

void exec_lines_feed(ExecLines *lines, const char *bytes, size_t length, ExecLineFunction on_line,
                     void *data)
{
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        const size_t part = newline == NULL ? length : (size_t)(newline - bytes);
        if (lines->is_too_long || lines->partial.length + part > EXEC_LINE_MAX_BYTES) {
            lines->is_too_long = true;
            strbuf_clear(&lines->partial);
        } else {
            strbuf_append_bytes(&lines->partial, bytes, part);
        }
        if (newline == NULL) {
            return;
        }
        end_line(lines, on_line, data);
        bytes += part + 1;
        length -= part + 1;
    }
}

void exec_lines_end(ExecLines *lines, ExecLineFunction on_line, void *data)
{
    end_line(lines, on_line, data);
}

void exec_lines_free(ExecLines *lines)
{
    strbuf_free(&lines->partial);
}
