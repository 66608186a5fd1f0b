// SPDX-License-Identifier: MIT
// A /proc as `hidepid` makes it: others' processes are not there, nor one's own that may not be looked into.
#ifndef TESTS_SUPPORT_HIDDEN_PROC_H
#define TESTS_SUPPORT_HIDDEN_PROC_H

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HIDDEN_PROC_NOBODY = 65534 };

static inline bool hidden_proc_become_nobody(void)
{
    return setgroups(0, NULL) == 0 && setgid(HIDDEN_PROC_NOBODY) == 0 &&
           setuid(HIDDEN_PROC_NOBODY) == 0;
}

// Whether another user sees nothing of init.
static inline bool hidden_proc_hides(void)
{
    const pid_t child = fork();
    if (child == 0) {
        _exit(hidden_proc_become_nobody() && access("/proc/self/stat", R_OK) == 0 &&
                      access("/proc/1/stat", F_OK) != 0
                  ? 0
                  : 1);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

// For this process and those it starts; nobody else's /proc is changed. false: this machine does not let us, and
// standard error has why.
static inline bool hidden_proc_enter(void)
{
    if (geteuid() != 0) {
        (void)fprintf(stderr, "only root can mount /proc with hidepid\n");
        return false;
    }
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") != 0) {
        (void)fprintf(stderr, "/proc cannot be mounted with hidepid here: %s\n", strerror(errno));
        return false;
    }
    if (!hidden_proc_hides()) {
        (void)fprintf(stderr, "this kernel has one /proc for all mounts: hidepid has no effect\n");
        return false;
    }
    return true;
}

#endif
