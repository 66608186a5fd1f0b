// SPDX-License-Identifier: MIT
// Run program: a program run to its end, with a clean environment, as another user when asked.
#ifndef CLI_RUN_PROGRAM_H
#define CLI_RUN_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/memory.h"

typedef struct RunAs {
    bool is_changed; // drop to uid and gid
    uid_t uid;
    gid_t gid;
} RunAs;

// Runs argv[0] (a path) with no environment but LC_ALL=C, PATH and HOME, in the folder /. stdout and
// stderr go to `output_fd`, or to `output` (all of it) when that is not NULL.
// Returns the exit code, 128 + signal, or 127 when it could not be started.
int run_program(char *const *argv, const RunAs *as, int output_fd, StrBuf *output);

// True when this user may enter the folder and write there.
bool run_can_use_folder(const char *dir, const RunAs *as);

#endif
