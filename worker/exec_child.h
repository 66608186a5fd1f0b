// SPDX-License-Identifier: MIT
// Starts a child program: found in PATH, in its own process group, with a clean environment and
// four open files.
#ifndef WORKER_EXEC_CHILD_H
#define WORKER_EXEC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/config.h"
#include "common/base/memory.h"
#include "worker/job.h"

enum { EXEC_FD_COMMANDS = 3 }; // where the program writes its lines

typedef struct ExecChild {
    pid_t pid;
    int pidfd;
    int in;       // write end of its stdin
    int out;      // read end of its stdout
    int err;      // read end of its stderr
    int commands; // read end of its fd 3
} ExecChild;

// Finds `name` as execvp does: with a slash as it stands, else in PATH. *path (may be NULL; caller
// frees) is where. False: `why` has the reason.
bool exec_find_program(const char *name, char **path, StrBuf *why);

// The environment of a job's program: PATH, HOME, LANG, TZ and GANGER_...; nothing of the worker's
// own else. One allocation; caller frees.
char **exec_environment(const Job *job);

// Starts argv. All ends are non-blocking and close-on-exec. Its end is reaped by the caller (wait4
// on pid). False: nothing is left behind, `why` has the reason.
bool exec_child_start(ExecChild *child, const StringList *argv, char *const *environment,
                      const HandlerLimits *limits, StrBuf *why);
// Closes what is still open.
void exec_child_close(ExecChild *child);

#endif
