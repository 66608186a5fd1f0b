// SPDX-License-Identifier: MIT
// ProcessState: what belongs to the whole process and a plugin may have changed. It is put back where that is possible; where it is
// not, no other job may run in this process.
#ifndef WORKER_PROCESS_STATE_H
#define WORKER_PROCESS_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROCESS_STATE_FILES_PERCENT = 80, // of its limit open: the next job might find none
    PROCESS_STATE_RARE_US = 1000      // limits no neighbour fails by at once are looked at so often
};

// Before the first run, once: this is what every run starts with.
void process_state_take(void);

// After a run: environment and locale, which can be changed without a system call.
void process_state_put_back_memory(void);
// After a run that may have made one: working directory, umask, signal mask, alarm, resource limits; and user, group and the number
// of open files are looked at. `files_limit`: of that run, 0 = that of the process. Of the limits, those of processor time, memory,
// files and processes each time, the others (core dumps, locked memory, signals, message queues, priorities) once in
// PROCESS_STATE_RARE_US: at once after a run as long as that, else by process_state_spoiled.
void process_state_put_back(int64_t files_limit);

// Why this process is to be replaced before another job runs in it; NULL = it is as it was. To be asked before each run.
const char *process_state_spoiled(void);

// Are the descriptors there that a worker lives by, and what they were? A handler that closes what it has not opened takes them away.
bool process_state_has_own_files(void);

#endif
