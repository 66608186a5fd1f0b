// SPDX-License-Identifier: MIT
// Log field: see the header.
#include "common/base/log_field.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

enum { LINE_RESERVE_BYTES = 8 }; // ..."}\n

static const char CUT_MARK[] = "...";

void log_line_put(LogLine *line, const char *bytes, size_t length)
{
    if (line->is_full || length > line->size - LINE_RESERVE_BYTES - line->length) {
        line->is_full = true;
        return;
    }
    memcpy(line->out + line->length, bytes, length);
    line->length += length;
}

// Into the room that log_line_put leaves.
static void put_reserved(LogLine *line, const char *text)
{
    size_t length = strlen(text);
    memcpy(line->out + line->length, text, length);
    line->length += length;
}

static bool is_plain(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return length > 0;
}

static void put_escape(LogLine *line, unsigned char c)
{
    char text[8];
    int length = 0;
    switch (c) {
    case '"':
    case '\\':
        length = snprintf(text, sizeof text, "\\%c", c);
        break;
    case '\n':
        length = snprintf(text, sizeof text, "\\n");
        break;
    case '\t':
        length = snprintf(text, sizeof text, "\\t");
        break;
    default:
        length = snprintf(text, sizeof text, line->style == LOG_FORMAT_JSON ? "\\u%04x" : "\\x%02x",
                          (unsigned)c);
        break;
    }
    log_line_put(line, text, (size_t)length);
}

// A byte that is no UTF-8 has no escape in JSON: there it becomes the replacement character.
static void put_invalid(LogLine *line, unsigned char c)
{
    if (line->style == LOG_FORMAT_JSON) {
        log_line_put(line, "\\ufffd", 6);
    } else {
        put_escape(line, c);
    }
}

static void put_escaped(LogLine *line, const char *value, size_t length)
{
    size_t at = 0;
    while (at < length && !line->is_full) {
        size_t step = utf8_sequence_length(value + at, length - at);
        unsigned char c = (unsigned char)value[at];
        unsigned char second = step == 2 ? (unsigned char)value[at + 1] : 0xff;
        if (step == 0) {
            put_invalid(line, c);
            step = 1;
        } else if (step == 1 && (c < 0x20 || c == 0x7f || c == '"' || c == '\\')) {
            put_escape(line, c);
        } else if (c == 0xc2 && second < 0xa0) {
            put_escape(line, second); // C1 controls: terminals obey them
        } else {
            log_line_put(line, value + at, step);
        }
        at += step;
    }
}

static void put_quoted(LogLine *line, const char *value, size_t length, bool cut)
{
    log_line_put(line, "\"", 1);
    if (line->is_full) {
        return;
    }
    put_escaped(line, value, length);
    if (line->is_full) {
        put_reserved(line, CUT_MARK);
        put_reserved(line, "\"");
        return;
    }
    if (cut) {
        log_line_put(line, CUT_MARK, sizeof CUT_MARK - 1);
    }
    if (line->is_full) {
        put_reserved(line, CUT_MARK);
        put_reserved(line, "\"");
        return;
    }
    log_line_put(line, "\"", 1);
    if (line->is_full) {
        put_reserved(line, "\"");
    }
}

static void put_key(LogLine *line, const char *key, size_t length)
{
    bool json = line->style == LOG_FORMAT_JSON;
    bool first = line->length == 0 || line->out[line->length - 1] == '{' ||
                 line->out[line->length - 1] == '>';
    if (!first) {
        log_line_put(line, json ? "," : " ", 1);
    }
    if (json) {
        log_line_put(line, "\"", 1);
    }
    log_line_put(line, key, length);
    log_line_put(line, json ? "\":" : "=", json ? 2 : 1);
}

void log_line_put_field(LogLine *line, const char *key, size_t key_length, const char *value,
                        size_t length, bool number, bool cut)
{
    size_t start = line->length;
    bool bare = !cut && (number || (line->style != LOG_FORMAT_JSON && is_plain(value, length)));
    put_key(line, key, key_length);
    size_t value_start = line->length;
    if (line->is_full) {
        line->length = start;
        return;
    }
    if (bare) {
        log_line_put(line, value, length);
    } else {
        put_quoted(line, value, length, cut);
    }
    // A key without a value would spoil the line.
    if (line->length == value_start) {
        line->length = start;
    }
}

void log_line_end(LogLine *line)
{
    if (line->style == LOG_FORMAT_JSON) {
        put_reserved(line, "}");
    }
    put_reserved(line, "\n");
}
