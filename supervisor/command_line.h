// SPDX-License-Identifier: MIT
// Command line: the options of gangerd and its help.
#ifndef SUPERVISOR_COMMAND_LINE_H
#define SUPERVISOR_COMMAND_LINE_H

#include <stdbool.h>

#include "common/base/exit_code.h"
#include "supervisor/supervisor.h"

typedef struct CommandLine {
    SupervisorOptions options;
    bool check;
    bool is_done; // help or version was printed, or the line was wrong: exit with `code`
    ExitCode code;
} CommandLine;

// Reads the command line; prints help, version or what is wrong with it.
void command_line_read(CommandLine *out, int argc, char **argv);

#endif
