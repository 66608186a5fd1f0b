// SPDX-License-Identifier: MIT
// Config errors: a bounded list, sorted when it is written.
#include "common/base/config_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUOTED_MAX_BYTES = 80, MESSAGE_MAX_BYTES = 1024 };

static void add(ConfigErrors *errors, ConfigPlace place, bool is_warning, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));

static void add(ConfigErrors *errors, ConfigPlace place, bool is_warning, const char *format,
                va_list args)
{
    errors->error_count += is_warning ? 0 : 1;
    if (config_errors_are_full(errors)) {
        return;
    }
    char text[MESSAGE_MAX_BYTES];
    vsnprintf(text, sizeof text, format, args);
    ConfigMistake *mistake = &errors->items[errors->count];
    mistake->place = place;
    mistake->serial = errors->count;
    mistake->is_warning = is_warning;
    mistake->text = mem_strdup(text);
    errors->count++;
}

void config_error(ConfigErrors *errors, ConfigPlace place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(errors, place, false, format, args);
    va_end(args);
}

void config_warning(ConfigErrors *errors, ConfigPlace place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(errors, place, true, format, args);
    va_end(args);
}

void config_quote(StrBuf *out, const char *text)
{
    strbuf_append_char(out, '\'');
    size_t length = 0;
    for (; text[length] != '\0' && length < QUOTED_MAX_BYTES; length++) {
        unsigned char c = (unsigned char)text[length];
        if (c < 0x20 || c == 0x7f) {
            strbuf_printf(out, "\\x%02x", (unsigned)c);
        } else {
            strbuf_append_char(out, text[length]);
        }
    }
    // Not in the middle of a character.
    while (text[length] != '\0' && ((unsigned char)text[length] & 0xc0) == 0x80) {
        strbuf_append_char(out, text[length++]);
    }
    strbuf_append(out, text[length] == '\0' ? "'" : "...'");
}

static int compare_mistakes(const void *left, const void *right)
{
    const ConfigMistake *a = left;
    const ConfigMistake *b = right;
    if (a->place.line != b->place.line) {
        return a->place.line < b->place.line ? -1 : 1;
    }
    if (a->place.column != b->place.column) {
        return a->place.column < b->place.column ? -1 : 1;
    }
    return a->serial < b->serial ? -1 : 1;
}

void config_errors_write(ConfigErrors *errors, StrBuf *out)
{
    qsort(errors->items, errors->count, sizeof errors->items[0], compare_mistakes);
    for (size_t i = 0; i < errors->count; i++) {
        const ConfigMistake *mistake = &errors->items[i];
        strbuf_append(out, errors->name);
        if (mistake->place.line > 0) {
            strbuf_printf(out, ":%d:%d", mistake->place.line, mistake->place.column);
        }
        strbuf_append(out, mistake->is_warning ? ": warning: " : ": error: ");
        strbuf_append(out, mistake->text);
        strbuf_append_char(out, '\n');
    }
    if (errors->error_count > CONFIG_ERRORS_SHOWN_MAX) {
        strbuf_printf(out, "%s: error: %zu mistakes in all; the first %d found are shown\n",
                      errors->name, errors->error_count, (int)CONFIG_ERRORS_SHOWN_MAX);
    }
}

void config_errors_free(ConfigErrors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->items[i].text);
    }
    errors->count = 0;
}
