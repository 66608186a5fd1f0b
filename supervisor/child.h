// SPDX-License-Identifier: MIT
// Child: the birth of a process: fork, arrange what it inherits, exec.
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/service_table.h"
#include "supervisor/shared.h"
#include "supervisor/user.h"
#include "supervisor/watchdog_policy.h"

enum { CHILD_FIXED_FDS = 8, CHILD_FDS_MAX = SCOREBOARD_SLOT_MAX + CHILD_FIXED_FDS };

typedef enum ChildLife {
    CHILD_NONE,
    CHILD_ALIVE,
    CHILD_REAPED // waited for, but something it left behind may still live: no obituary yet
} ChildLife;

// What the supervisor knows of one process, in its own memory: no child can spoil it.
typedef struct Child {
    ChildLife life;
    pid_t pid;
    unsigned generation;
    Role role;
    int slot;    // -1: postgres has none
    int service; // row of the service table; -1: its pool is no longer in the configuration
    int config_version;
    int64_t spawned_at;
    int64_t node_id; // incarnation of the node it was started for
    bool is_draining;
    bool is_ready;          // has been past SLOT_STARTING
    bool is_proven;         // has finished a job or lived a good minute
    bool is_unwanted;       // seen that an operator wants it ended
    int64_t unwanted_since; // and that it is in no handler; 0: not both
    LifeSign sign;
    StopRecord stop;      // soft stop under way
    StopCause killed;     // why SIGKILL was sent
    int64_t killed_at;    // for the first time
    int64_t kill_sent_at; // for the last time
    int64_t
        leave_by; // it was told to leave, and is killed then; 0: it was not, or has all the time
    int64_t reaped_at;
    int wait_status;
    int64_t cpu_us;
    int64_t max_rss_bytes;
} Child;

typedef struct ChildFd {
    int from;
    int to;
} ChildFd;

typedef struct ChildPlan { // everything is ready before fork, but for a user's environment
    const char *program;
    char *const *argv;
    Role role;
    ChildFd fds[CHILD_FDS_MAX]; // ascending by `to`
    int fd_count;
    int death_signal;
    int oom_score_adj;
    const struct rlimit *files;
    const User *user;
    const char *output_path; // standard output and error go there; NULL: as ours
} ChildPlan;

// Sets the role, and the fds a worker, the reaper or the API finds, for `slot`.
void child_plan_fds(ChildPlan *plan, Role role, int slot, const Shared *shared);
// Forks and execs. -1 (logged) when the kernel has no process left. A failed exec ends the child with
// EXIT_CODE_INTERNAL.
pid_t child_spawn(const ChildPlan *plan);

#endif
