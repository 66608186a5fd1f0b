// SPDX-License-Identifier: MIT
// What a program says on fd 3: one JSON object per line.
#include "worker/exec_protocol.h"

#include <stdlib.h>

#include "common/base/duration.h"
#include "common/base/json_line.h"

static void read_field(ExecMessage *message, const JsonField *field);

// The first problem of a line is the one worth reading.
static void set_problem(ExecMessage *message, char *text)
{
    if (message->problem == NULL) {
        message->problem = text;
    } else {
        free(text);
    }
}

void exec_message_parse(ExecMessage *message, const char *line, size_t length)
{
    *message = (ExecMessage){.percent = -1, .prolong_ms = -1, .snooze_ms = -1};
    JsonLine object;
    const char *why = NULL;
    if (!json_line_parse(&object, line, length, &why)) {
        set_problem(message, mem_printf("a line that is not a JSON object (%s)", why));
        return;
    }
    for (size_t i = 0; i < object.count; i++) {
        read_field(message, &object.fields[i]);
    }
}

void exec_message_deinit(ExecMessage *message)
{
    free(message->message);
    free(message->stage);
    free(message->output);
    free(message->log);
    free(message->unsupported);
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

static bool is_unsupported(const char *name)
{
    static const char *const names[] = {"wait", "wait_until", "wait_token", "step", "result"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void read_field(ExecMessage *message, const JsonField *field)
{
    if (str_equal(field->name, "progress")) {
        read_percent(message, field);
    } else if (str_equal(field->name, "message")) {
        read_text(message, field, &message->message);
    } else if (str_equal(field->name, "stage")) {
        read_text(message, field, &message->stage);
    } else if (str_equal(field->name, "output")) {
        free(message->output);
        message->output = mem_strndup(field->value, field->length);
    } else if (str_equal(field->name, "log")) {
        read_text(message, field, &message->log);
    } else if (str_equal(field->name, "prolong")) {
        read_duration(message, field, &message->prolong_ms);
    } else if (str_equal(field->name, "snooze")) {
        read_duration(message, field, &message->snooze_ms);
    } else if (is_unsupported(field->name)) {
        if (message->unsupported == NULL) {
            message->unsupported = mem_strdup(field->name);
        }
    } else {
        set_problem(message, mem_printf("unknown key '%s'", field->name));
    }
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
