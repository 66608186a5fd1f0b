// SPDX-License-Identifier: MIT
// What a program says on fd 3: one JSON object per line. Pure: bytes in, messages out.
#ifndef WORKER_EXEC_PROTOCOL_H
#define WORKER_EXEC_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

enum {
    EXEC_LINE_MAX_BYTES = 1024 * 1024 // an output and its key; a longer line fails the attempt
};

typedef enum ExecWait {
    EXEC_WAIT_NONE,
    EXEC_WAIT_FOR,
    EXEC_WAIT_UNTIL,
    EXEC_WAIT_TOKEN,
    EXEC_WAIT_CREATED // for the token that the same line creates
} ExecWait;

typedef struct ExecToken { // a token to be created, and the step that keeps its name
    char *step;
    int64_t timeout_ms; // -1 = never
    char *tags;         // JSON array or NULL
} ExecToken;

typedef struct ExecMessage { // what one line asks for; texts are owned
    int percent;             // -1 = not given
    char *message;
    char *stage;
    char *output; // JSON
    char *log;
    int64_t prolong_ms; // -1 = not given
    int64_t snooze_ms;  // -1 = not given
    char *step;
    char *result; // JSON; NULL = not given
    ExecWait wait;
    int64_t wait_ms;         // EXEC_WAIT_FOR: how long; EXEC_WAIT_UNTIL: since 1970
    char *wait_token;        // EXEC_WAIT_TOKEN
    ExecToken *create_token; // NULL = not given
    char *failure;           // what the program must not be taken to have said: the attempt fails
    char *problem; // what else was wrong with the line, for the log; the rest of it counts
} ExecMessage;

// Reads one line (without its newline).
void exec_message_parse(ExecMessage *message, const char *line, size_t length);
void exec_message_deinit(ExecMessage *message);

// Cuts a stream into lines. Zero-initialise; exec_lines_free when done.
typedef struct ExecLines {
    StrBuf partial;
    bool is_too_long; // the line being read is dropped
} ExecLines;

// Called with each complete line; `line` is NULL for one that was too long.
typedef void (*ExecLineFunction)(void *data, const char *line, size_t length);
void exec_lines_feed(ExecLines *lines, const char *bytes, size_t length, ExecLineFunction on_line,
                     void *data);
// The end of the stream: a last line may lack its newline.
void exec_lines_end(ExecLines *lines, ExecLineFunction on_line, void *data);
void exec_lines_free(ExecLines *lines);

#endif
