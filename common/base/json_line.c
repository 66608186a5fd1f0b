// SPDX-License-Identifier: MIT
// Flat JSON objects. json_check has accepted the text before it is taken apart, so this code only
// has to find where things begin and end.
#include "common/base/json_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_check.h"
#include "common/base/memory.h"

static void decode_string(const char *text, size_t length, StrBuf *out);

static size_t skip_space(const char *text, size_t at, size_t length)
{
    while (at < length && json_is_space(text[at])) {
        at++;
    }
    return at;
}

// From an opening quote to behind the closing one.
static size_t skip_string(const char *text, size_t at, size_t length)
{
    at++;
    while (at < length && text[at] != '"') {
        at += text[at] == '\\' ? 2 : 1;
    }
    return at < length ? at + 1 : length;
}

// From the start of any value to behind it.
static size_t skip_value(const char *text, size_t at, size_t length)
{
    int depth = 0;
    while (at < length) {
        const char c = text[at];
        if (c == '"') {
            at = skip_string(text, at, length);
        } else if (depth == 0 && (c == ',' || c == '}')) {
            return at;
        } else {
            depth += c == '{' || c == '[' ? 1 : 0;
            depth -= c == '}' || c == ']' ? 1 : 0;
            at++;
        }
    }
    return length;
}

static void set_name(JsonField *field, const char *text, size_t length)
{
    StrBuf name = {0};
    decode_string(text, length, &name);
    strbuf_append(&name, "");
    const size_t bytes = name.length < sizeof field->name ? name.length : sizeof field->name - 1;
    memcpy(field->name, name.text, bytes);
    field->name[bytes] = '\0';
    strbuf_free(&name);
}

// Where the members of a valid object begin. False, with *why, when the text is none.
static bool enter_object(const char *text, size_t length, size_t *at, const char **why)
{
    if (!json_check(text, length, why, NULL)) {
        return false;
    }
    *at = skip_space(text, 0, length);
    if (text[*at] != '{') {
        *why = "not an object";
        return false;
    }
    *at = skip_space(text, *at + 1, length);
    return true;
}

static bool is_at_member(const char *text, size_t at, size_t length)
{
    return at < length && text[at] == '"';
}

// The member that begins at `at`; returns where the next one does.
static size_t read_member(const char *text, size_t at, size_t length, JsonField *field)
{
    size_t end = skip_string(text, at, length);
    set_name(field, text + at, end - at);
    at = skip_space(text, end, length);    // the colon
    at = skip_space(text, at + 1, length); // the value
    end = skip_value(text, at, length);
    field->value = text + at;
    at = end;
    while (end > 0 && json_is_space(text[end - 1])) {
        end--;
    }
    field->length = end - (size_t)(field->value - text);
    return skip_space(text, at < length && text[at] == ',' ? at + 1 : at, length);
}

bool json_line_parse(JsonLine *line, const char *text, size_t length, const char **why)
{
    size_t at = 0;
    line->count = 0;
    if (!enter_object(text, length, &at, why)) {
        return false;
    }
    while (is_at_member(text, at, length)) {
        if (line->count == JSON_LINE_FIELDS_MAX) {
            *why = "too many members";
            return false;
        }
        at = read_member(text, at, length, &line->fields[line->count++]);
    }
    return true;
}

bool json_line_find(const char *text, size_t length, const char *name, JsonField *field)
{
    const char *why = NULL;
    size_t at = 0;
    bool is_found = false;
    if (!enter_object(text, length, &at, &why)) {
        return false;
    }
    while (is_at_member(text, at, length)) {
        JsonField member;
        at = read_member(text, at, length, &member);
        if (str_equal(member.name, name)) {
            *field = member;
            is_found = true;
        }
    }
    return is_found;
}

static unsigned hex4(const char *text)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = text[i];
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value * 16 + (unsigned)digit;
    }
    return value;
}

static void append_utf8(StrBuf *out, unsigned code)
{
    if (code < 0x80) {
        strbuf_append_char(out, (char)code);
    } else if (code < 0x800) {
        strbuf_append_char(out, (char)(0xC0 | (code >> 6)));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        strbuf_append_char(out, (char)(0xE0 | (code >> 12)));
        strbuf_append_char(out, (char)(0x80 | ((code >> 6) & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else {
        strbuf_append_char(out, (char)(0xF0 | (code >> 18)));
        strbuf_append_char(out, (char)(0x80 | ((code >> 12) & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | ((code >> 6) & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    }
}

// `text` is a validated string with its quotes.
static void decode_string(const char *text, size_t length, StrBuf *out)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    for (size_t at = 1; at + 1 < length; at++) {
        if (text[at] != '\\') {
            strbuf_append_char(out, text[at]);
            continue;
        }
        const char escape = text[++at];
        const char *known = memchr(from, escape, sizeof from - 1);
        if (escape == 'u') {
            unsigned code = hex4(text + at + 1);
            at += 4;
            if (code >= 0xD800 && code <= 0xDBFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + (hex4(text + at + 3) - 0xDC00);
                at += 6;
            }
            append_utf8(out, code);
        } else {
            strbuf_append_char(out, known != NULL ? to[known - from] : escape);
        }
    }
}

char *json_field_text(const JsonField *field)
{
    if (field->length < 2 || field->value[0] != '"') {
        return NULL;
    }
    StrBuf out = {0};
    decode_string(field->value, field->length, &out);
    return strbuf_take(&out);
}

char *json_member_text(const char *text, const char *name)
{
    JsonField field;
    bool is_there = text != NULL && json_line_find(text, strlen(text), name, &field);
    return is_there ? json_field_text(&field) : NULL;
}

bool json_field_int(const JsonField *field, int64_t *value)
{
    char digits[32];
    if (field->length == 0 || field->length >= sizeof digits) {
        return false;
    }
    memcpy(digits, field->value, field->length);
    digits[field->length] = '\0';
    char *end = NULL;
    errno = 0;
    const long long number = strtoll(digits, &end, 10);
    if (errno != 0 || end == digits || *end != '\0') {
        return false;
    }
    *value = number;
    return true;
}
