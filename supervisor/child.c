// SPDX-License-Identifier: MIT
// Child: see child.h.
#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/signals.h"

static void add_fd(ChildPlan *plan, int from, int to);
static _Noreturn void become(const ChildPlan *plan, pid_t parent);
static bool arrange_streams(const ChildPlan *plan);
static bool arrange_fds(const ChildPlan *plan);
static void close_between(unsigned first, unsigned last);
static void set_oom_score(int score);
static _Noreturn void die(const char *what, const char *program);

void child_plan_fds(ChildPlan *plan, Role role, int slot, const Shared *shared)
{
    plan->role = role;
    plan->fd_count = 0;
    if (role == ROLE_POSTGRES) {
        return;
    }
    add_fd(plan, shared->board_fd, FD_SCOREBOARD);
    add_fd(plan, shared->lifeline_read, FD_LIFELINE);
    add_fd(plan, shared->config_fd, FD_CONFIG);
    add_fd(plan, shared->slot_wake[slot], FD_WAKE);
    add_fd(plan, shared->supervisor_wake, FD_SUPERVISOR_WAKE);
    if (role == ROLE_WORKER) {
        add_fd(plan, shared->slot_wake[0], FD_REAPER_WAKE);
    }
    if (role != ROLE_REAPER) {
        return;
    }
    for (int i = 0; i < shared->slot_count; i++) {
        add_fd(plan, shared->slot_wake[i], FD_SLOT_WAKE_BASE + i);
    }
}

static void add_fd(ChildPlan *plan, int from, int to)
{
    plan->fds[plan->fd_count++] = (ChildFd){from, to};
}

pid_t child_spawn(const ChildPlan *plan)
{
    sigset_t all;
    sigset_t before;
    pid_t parent = getpid();

    // Our handlers must not run in the child: what is sent to it now waits until it has its own.
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int error = errno;
    if (pid == 0) {
        become(plan, parent);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        log_error("child.fork", "program=\"%s\" error=\"%s\"", plan->program, strerror(error));
        return -1;
    }
    // Both sides do it: whoever comes first, a kill of the group finds it. EACCES: it has exec'ed and
    // has therefore done it itself.
    (void)setpgid(pid, pid);
    return pid;
}

static void become(const ChildPlan *plan, pid_t parent)
{
    (void)setpgid(0, 0);
    if (plan->role == ROLE_POSTGRES) {
        signals_reset_for_exec();
    } else {
        signals_reset_for_child(plan->role != ROLE_WORKER);
    }
    if (!arrange_streams(plan) || !arrange_fds(plan)) {
        die("fds", plan->program);
    }
    set_oom_score(plan->oom_score_adj);
    if (setrlimit(RLIMIT_NOFILE, plan->files) != 0) {
        die("setrlimit", plan->program);
    }
    if (!user_become(plan->user)) {
        die("setuid", plan->program);
    }
    // After the change of user, which clears it; and it says nothing about a parent that is already gone.
    if (prctl(PR_SET_PDEATHSIG, plan->death_signal) != 0) {
        die("prctl", plan->program);
    }
    if (getppid() != parent) {
        _exit(EXIT_CODE_INTERNAL);
    }
    // It comes with the configuration. The environment of a process is open to all processes of its user.
    (void)unsetenv("DATABASE_URL");
    execv(plan->program, plan->argv);
    die("exec", plan->program);
}

static bool arrange_streams(const ChildPlan *plan)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0) {
        return false;
    }
    if (plan->output_path == NULL) {
        return true;
    }
    int file =
        open(plan->output_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return errno == EACCES || errno == ENOENT; // ours will do
    }
    if (geteuid() == 0 && plan->user->is_set &&
        fchown(file, plan->user->uid, plan->user->gid) != 0) {
        return false;
    }
    return dup2(file, STDOUT_FILENO) >= 0 && dup2(file, STDERR_FILENO) >= 0;
}

static bool arrange_fds(const ChildPlan *plan)
{
    unsigned next = STDERR_FILENO + 1;

    for (int i = 0; i < plan->fd_count; i++) {
        if (dup2(plan->fds[i].from, plan->fds[i].to) < 0) {
            return false;
        }
    }
    for (int i = 0; i < plan->fd_count; i++) {
        unsigned kept = (unsigned)plan->fds[i].to;
        if (next < kept) {
            close_between(next, kept - 1);
        }
        next = kept + 1;
    }
    close_between(next, ~0U);
    return true;
}

// Ours are close-on-exec anyway; this is for what our own parent left open. A kernel that refuses it
// changes nothing about ours.
static void close_between(unsigned first, unsigned last)
{
    (void)close_range(first, last, 0);
}

static void set_oom_score(int score)
{
    char text[16];

    if (score == 0) {
        return;
    }
    // After a change of user our own /proc files belong to root until the next exec.
    (void)prctl(PR_SET_DUMPABLE, 1);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        int length = snprintf(text, sizeof text, "%d\n", score);
        // A sandbox may forbid it; the worker is then merely not the first to go.
        ssize_t ignored = write(fd, text, (size_t)length);
        (void)ignored;
        close(fd);
    }
}

static void die(const char *what, const char *program)
{
    log_error("child.exec", "call=%s program=\"%s\" error=\"%s\"", what, program, strerror(errno));
    _exit(EXIT_CODE_INTERNAL);
}
