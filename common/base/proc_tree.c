// SPDX-License-Identifier: MIT
// Process tree: see the header. Works without the heap, as the supervisor allocates nothing after start.
#include "common/base/proc_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"

enum {
    DIRENT_BUFFER_BYTES = 8192,
    CHILDREN_READ_BYTES = 4096,
    PATH_BYTES = 64,
    SWEEP_STEP_MS = 20,     // at most so long is one stranger's end waited for before looking again
    SWEEP_CLEAN_PASSES = 2, // a child that comes up during a pass may be missed by that pass
    SWEEP_LATE_PASSES = 4   // past the limit, as long as each pass finds only dead ones to reap
};

// Called for each child; false ends the walk.
typedef bool (*PidVisitor)(pid_t pid, void *data);

static pid_t parse_pid_name(const char *name)
{
    char *end = NULL;
    if (*name < '1' || *name > '9') {
        return 0;
    }
    long number = strtol(name, &end, 10);
    return *end == '\0' ? (pid_t)number : 0;
}

// Walks the numeric entries of a folder of /proc; false when it cannot be read.
static bool walk_numbers(const char *path, PidVisitor visit, void *data)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    _Alignas(struct dirent64) char buffer[DIRENT_BUFFER_BYTES];
    bool going = true;
    while (going) {
        ssize_t filled = getdents64(fd, buffer, sizeof buffer);
        if (filled <= 0) {
            break;
        }
        for (ssize_t at = 0; going && at < filled;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
            pid_t number = parse_pid_name(entry->d_name);
            if (number > 0) {
                going = visit(number, data);
            }
            at += entry->d_reclen;
        }
    }
    (void)close(fd);
    return true;
}

uint64_t proc_start_time(pid_t pid)
{
    ProcStat stat = {0};
    bool is_there = proc_stat_read(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
    return is_there ? stat.start_ticks : 0;
}

// A process descriptor tells the living from the dead whatever /proc shows. A kernel or a filter may refuse it.
bool proc_is_alive(pid_t pid)
{
    if (pid <= 0) {
        return false;
    }
    int fd = pidfd_open(pid, 0);
    if (fd >= 0) {
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        int count = poll(&ended, 1, 0);
        (void)close(fd);
        return count <= 0;
    }
    ProcStat stat = {0};
    if (errno != ESRCH && proc_stat_read(pid, &stat)) {
        return stat.state != 'Z' && stat.state != 'X';
    }
    return kill(pid, 0) == 0 || errno != ESRCH;
}

ProcMatch proc_match(pid_t pid, uint64_t start_time)
{
    uint64_t found = proc_start_time(pid);
    if (found != 0 && start_time != 0) {
        return found == start_time ? PROC_MATCH_YES : PROC_MATCH_NO;
    }
    return proc_is_alive(pid) ? PROC_MATCH_UNKNOWN : PROC_MATCH_NO;
}

typedef struct ChildWalk {
    PidVisitor visit;
    void *data;
    pid_t self;
    bool stopped;
} ChildWalk;

// Reads one thread's list of children: numbers and blanks, in pieces.
static bool visit_thread(pid_t thread, void *data)
{
    ChildWalk *walk = data;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return true; // the thread has ended
    }
    char text[CHILDREN_READ_BYTES];
    ssize_t length = 0;
    pid_t number = 0;
    while (!walk->stopped && (length = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < length && !walk->stopped; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                number = number * 10 + (text[i] - '0');
            } else if (number > 0) {
                walk->stopped = !walk->visit(number, walk->data);
                number = 0;
            }
        }
    }
    if (number > 0 && !walk->stopped) {
        walk->stopped = !walk->visit(number, walk->data);
    }
    (void)close(fd);
    return !walk->stopped;
}

static bool visit_process(pid_t pid, void *data)
{
    const ChildWalk *walk = data;
    ProcStat stat = {0};
    if (proc_stat_read(pid, &stat) && stat.parent == walk->self) {
        return walk->visit(pid, walk->data);
    }
    return true;
}

// The list per thread is a kernel option; without it every process is asked for its parent.
static void walk_children(PidVisitor visit, void *data)
{
    ChildWalk walk = {.visit = visit, .data = data, .self = getpid()};
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)walk.self);
    if (access(path, R_OK) == 0) {
        (void)walk_numbers("/proc/self/task", visit_thread, &walk);
    } else {
        (void)walk_numbers("/proc", visit_process, &walk);
    }
}

typedef struct PidArray {
    pid_t *pids;
    size_t max;
    size_t count;
} PidArray;

static bool collect_pid(pid_t pid, void *data)
{
    PidArray *array = data;
    if (array->count == array->max) {
        return false;
    }
    array->pids[array->count++] = pid;
    return true;
}

size_t proc_children(pid_t *pids, size_t max)
{
    PidArray array = {.max = max};
    array.pids = pids;
    walk_children(collect_pid, &array);
    return array.count;
}

bool proc_has_no_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD;
}

typedef struct Sweep {
    bool (*keep)(pid_t pid, void *data);
    void *data;
    size_t seen;
    size_t alive;
    pid_t survivor; // one of those still alive
} Sweep;

// A stranger is our unreaped child, so its pid cannot have passed to another process.
static bool sweep_child(pid_t pid, void *data)
{
    Sweep *sweep = data;
    if (sweep->keep != NULL && sweep->keep(pid, sweep->data)) {
        return true;
    }
    sweep->seen++;
    (void)kill(pid, SIGKILL);
    if (waitpid(pid, NULL, WNOHANG | __WALL) == 0) {
        sweep->alive++;
        sweep->survivor = pid;
    }
    return true;
}

// Waits until `pid` has ended (it stays unreaped) or `limit_ms` has passed. pid 0: just that long.
static void await_end(pid_t pid, int64_t limit_ms)
{
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    struct pollfd ended = {.fd = fd, .events = POLLIN}; // a negative fd is ignored
    (void)poll(&ended, 1, (int)limit_ms);
    if (fd >= 0) {
        (void)close(fd);
    }
}

size_t proc_sweep(bool (*keep)(pid_t pid, void *data), void *data, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;
    int clean_passes = 0;
    int late_passes = 0;
    for (;;) {
        if (keep == NULL && proc_has_no_children()) {
            return 0;
        }
        Sweep sweep = {.keep = keep, .data = data};
        walk_children(sweep_child, &sweep);
        if (keep == NULL && sweep.seen == 0 && !proc_has_no_children()) {
            sweep.alive = 1; // hidden from this user's /proc, but there
        }
        clean_passes = sweep.seen == 0 && sweep.alive == 0 ? clean_passes + 1 : 0;
        if (clean_passes == SWEEP_CLEAN_PASSES) {
            return 0;
        }
        int64_t left = until - clock_boot_ms();
        if (left <= 0 && (sweep.alive > 0 || late_passes++ == SWEEP_LATE_PASSES)) {
            return sweep.alive > 0 ? sweep.alive : sweep.seen;
        }
        if (sweep.alive > 0) {
            await_end(sweep.survivor, left < SWEEP_STEP_MS ? left : SWEEP_STEP_MS);
        }
    }
}
