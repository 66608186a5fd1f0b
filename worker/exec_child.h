// SPDX-License-Identifier: MIT
// Starts a child program: found in PATH, in its own process group, with a clean environment and
// four open files, beside the texts it is handed.
#ifndef WORKER_EXEC_CHILD_H
#define WORKER_EXEC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/config.h"
#include "common/base/memory.h"
#include "worker/job.h"

// Beside stdin, stdout and stderr.
enum {
    EXEC_FD_COMMANDS = 3, // where the program writes its lines
    EXEC_FD_STEPS = 4,    // what it reads: the steps of its job,
    EXEC_FD_WAITED = 5    // and the token it has waited for
};

typedef struct ExecChild {
    pid_t pid;
    int pidfd;
    int in;       // write end of its stdin
    int out;      // read end of its stdout
    int err;      // read end of its stderr
    int commands; // read end of its fd 3
    int held[3];  // write ends of out, err and commands, see exec_child_let_go
} ExecChild;

// Finds `name` as execvp does: with a slash as it stands, else in PATH. *path (may be NULL; caller
// frees) is where. False: `why` has the reason.
bool exec_find_program(const char *name, char **path, StrBuf *why);

// The environment of a job's program: PATH, HOME, LANG, TZ and GANGER_...; nothing of the worker's
// own else. `has_waited`: there is something to read on EXEC_FD_WAITED. One allocation; caller frees.
char **exec_environment(const Job *job, bool has_waited);

// What a program is started with; all borrowed.
typedef struct ExecStart {
    const StringList *argv;
    char *const *environment;
    const HandlerLimits *limits;
    bool has_sandbox; // see sandbox.h
    int steps;        // becomes its EXEC_FD_STEPS; see exec_text.h
    int waited;       // becomes its EXEC_FD_WAITED; -1 = none
} ExecStart;

// Starts it. All ends are non-blocking and close-on-exec. Its end is reaped by the caller (wait4
// on pid). False: nothing is left behind, `why` has the reason.
bool exec_child_start(ExecChild *child, const ExecStart *start, StrBuf *why);
// To be called at the program's end, before the rest of what it wrote is read. Until then the pipes it writes to have no end, which would
// wake whoever waits for the program once for each: so its own end does, once.
void exec_child_let_go(ExecChild *child);
// Closes what is still open.
void exec_child_close(ExecChild *child);

#endif
