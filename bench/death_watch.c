// SPDX-License-Identifier: MIT
// Death watch: see the header.
#include "bench/death_watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench.h"

void death_watch_add(DeathWatch *watch, pid_t pid, int64_t deadline_ns)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (fd < 0 || watch->count == DEATH_WATCH_MAX) {
        bench_fail("cannot watch process %d: %s", (int)pid, strerror(errno));
    }
    watch->processes[watch->count++] = (WatchedProcess){.pidfd = fd, .deadline_ns = deadline_ns};
}

bool death_watch_next(DeathWatch *watch, int64_t *late_ns)
{
    struct pollfd fds[DEATH_WATCH_MAX];
    for (int i = 0; i < watch->count; i++) {
        fds[i] = (struct pollfd){.fd = watch->processes[i].pidfd, .events = POLLIN};
    }
    if (poll(fds, (nfds_t)watch->count, 1) <= 0) {
        return false;
    }
    int64_t now = bench_now_ns();
    for (int i = 0; i < watch->count; i++) {
        if (fds[i].revents != 0) {
            *late_ns = now - watch->processes[i].deadline_ns;
            (void)close(fds[i].fd);
            watch->processes[i] = watch->processes[--watch->count];
            return true;
        }
    }
    return false;
}
