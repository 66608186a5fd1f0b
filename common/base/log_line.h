// SPDX-License-Identifier: MIT
// Log line: makes one line of bytes out of an event and its printf-style fields. Pure, and without the heap.
#ifndef COMMON_BASE_LOG_LINE_H
#define COMMON_BASE_LOG_LINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"

enum { LOG_LINE_BYTES = 4096 }; // PIPE_BUF: one write of so much is not torn between processes

typedef struct LogContext {
    LogFormat style; // not LOG_FORMAT_AUTO
    bool journal;    // stderr is the journal: <N> in front, no time
    LogLevel level;
    const char *role;
    int process;
    int slot;       // -1 none
    int64_t job_id; // 0 none
    int64_t wall_us;
    const char *event;
} LogContext;

// Writes the line, newline included, into `out` of LOG_LINE_BYTES; returns its length. The format's own
// text gives the structure (key=value, key="value"); arguments are data and cannot add to it. Text
// without a key becomes the field `msg`. What does not fit is cut with "...".
size_t log_line_build(char *out, const LogContext *context, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
