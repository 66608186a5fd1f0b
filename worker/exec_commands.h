// SPDX-License-Identifier: MIT
// ExecCommands: does what a program asks for on fd 3.
#ifndef WORKER_EXEC_COMMANDS_H
#define WORKER_EXEC_COMMANDS_H

#include "worker/exec_protocol.h"
#include "worker/job_context.h"

typedef struct ExecCommands {
    JobContext *context;
    ExecLines lines;
    JobOutcome asked; // OUTCOME_SNOOZE or OUTCOME_WAIT for exit code 0; OUTCOME_COMPLETED: nothing
    char *
        failure; // the first thing that could not be done, or may have been lost: the attempt is no success
} ExecCommands;

void exec_commands_init(ExecCommands *self, JobContext *context);
void exec_commands_feed(ExecCommands *self, const char *bytes, size_t length);
void exec_commands_end(ExecCommands *self); // a last line may lack its newline
void exec_commands_free(ExecCommands *self);

#endif
