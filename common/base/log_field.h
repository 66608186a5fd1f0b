// SPDX-License-Identifier: MIT
// Log field: appends key=value pairs to a line of fixed size, escaped for the line's style.
#ifndef COMMON_BASE_LOG_FIELD_H
#define COMMON_BASE_LOG_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/log.h"

typedef struct LogLine {
    char *out;
    size_t size;
    size_t length;
    LogFormat style;
    bool is_full; // nothing is added any more
} LogLine;

// Bytes as they are: for what this module's callers make themselves.
void log_line_put(LogLine *line, const char *bytes, size_t length);
// One field. `number`: the value is a number and needs no quotes. `cut`: it was longer; is marked.
void log_line_put_field(LogLine *line, const char *key, size_t key_length, const char *value,
                        size_t length, bool number, bool cut);
// Closes the line with its newline; room for this is always kept.
void log_line_end(LogLine *line);

#endif
