// SPDX-License-Identifier: MIT
// Text: short forms of durations, ages and counts for people, and the width of text on a terminal.
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

enum { TEXT_SHORT_BYTES = 32 };

// Three digits at most: 0ms, 12ms, 1.2s, 59.9s, 3m12s, 2h05m, 4d06h.
void text_duration(int64_t ms, char *out, size_t size);
// One unit: "5s ago", "3m ago", "4d ago"; an instant to come is "in 5s".
void text_age(int64_t ms, char *out, size_t size);
// 950, 12.3k, 4.5M
void text_count(int64_t count, char *out, size_t size);

// Columns the text takes on a terminal: wide characters two, combining ones none.
size_t text_width(const char *text);
// Appends at most `width` columns of `text`, ending in "…" when it had to be cut.
void text_append_cut(StrBuf *out, const char *text, size_t width);
// Appends `text` in lines of at most `width` columns, broken at spaces where there are any; every line but
// the first begins with `indent` spaces, which do not count. No newline at the end.
void text_append_wrapped(StrBuf *out, const char *text, size_t width, size_t indent);
// Appends `text` so that it cannot move the cursor, start an escape sequence or turn what stands around it: control bytes become
// spaces or \xNN, marks of direction and other invisible ones \uNNNN, broken UTF-8 becomes '?'. `keep_lines` lets newlines and tabs through.
void text_append_safe(StrBuf *out, const char *text, bool keep_lines);

// Why an attempt ended, in words: "killed by SIGSEGV (signal 11)". Arguments as in the view
// ganger.attempts; signal and exit_code are -1 when null. The first line of `error` stands in for what
// these do not tell. Caller frees.
char *text_cause(const char *outcome, int64_t signal, int64_t exit_code, const char *error);

#endif
