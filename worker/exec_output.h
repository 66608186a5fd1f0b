// SPDX-License-Identifier: MIT
// What is made of a program's stdout, stderr and end: output JSON, an error message, an outcome.
// Pure.
#ifndef WORKER_EXEC_OUTPUT_H
#define WORKER_EXEC_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/memory.h"
#include "common/base/scoreboard.h"

enum {
    EXEC_STDOUT_MAX_BYTES = 1024 * 1024, // kept of stdout
    EXEC_FLOOD_KEEP_BYTES = 64 * 1024,   // kept when there was more than that
    EXEC_LAST_LINE_BYTES = 500,          // of stderr, for the error message

    EXEC_EXIT_RETRY = 75, // EX_TEMPFAIL
    EXEC_EXIT_SNOOZE = 99,
    EXEC_EXIT_DISCARD = 100
};

// stdout as the job's output (caller frees): as it stands when it is JSON, else as a JSON string
// without its last newline; NULL when there is nothing. `total` counts what was written, kept or
// not.
char *exec_output_json(const char *text, size_t length, size_t total);

// Was what is kept JSON, had it not been cut? `total` counts what was written.
bool exec_output_is_cut_json(const char *text, size_t length, size_t total);

// What a wait status means. `asked`: what the program asked for in a line on fd 3 and gets with exit code 0: OUTCOME_SNOOZE,
// OUTCOME_WAIT; else OUTCOME_COMPLETED.
JobOutcome exec_outcome(int wait_status, JobOutcome asked);

// The last line of stderr that is not blank: a ring of the last bytes.
typedef struct ExecLastLine {
    char current[EXEC_LAST_LINE_BYTES];
    size_t length;
    char last[EXEC_LAST_LINE_BYTES]; // NUL-terminated
} ExecLastLine;

void exec_last_line_feed(ExecLastLine *line, const char *bytes, size_t length);
void exec_last_line_end(ExecLastLine *line);

// "killed by SIGSEGV", "exit code 3: no such file". Caller frees.
char *exec_error_message(int wait_status, const char *last_line);

#endif
