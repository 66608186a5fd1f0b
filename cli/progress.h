// SPDX-License-Identifier: MIT
// Progress: one line on a terminal that is redrawn while long work goes on; silent elsewhere.
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

typedef struct Progress {
    bool is_shown;      // stderr is a terminal
    size_t width;       // of the terminal
    const char *unit;   // "jobs"
    int64_t started_at; // CLOCK_BOOTTIME ms
    int64_t drawn_at;
} Progress;

// `done_bytes` of `total_bytes` (0 = not known) stand for the share; `count` is what is said.
// Pure: the line for the given moment, at most `width` columns.
void progress_line(StrBuf *out, size_t width, const char *unit, int64_t count, int64_t done_bytes,
                   int64_t total_bytes, int64_t elapsed_ms);

void progress_begin(Progress *progress, bool is_shown, size_t width, const char *unit);
// Redraws at most ten times a second.
void progress_update(Progress *progress, int64_t count, int64_t done_bytes, int64_t total_bytes);
// Wipes the line.
void progress_end(Progress *progress);

#endif
