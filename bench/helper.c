// SPDX-License-Identifier: MIT
// Helper: see the header.
#include "bench/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum { HELPERS_MAX = 64 };

// Our ends of all helpers' go pipes. A helper that kept those of the ones before it would keep them waiting until it has ended.
static int go_ends[HELPERS_MAX];
static int go_count;

static void keep_go_end(int fd)
{
    if (go_count == HELPERS_MAX) {
        bench_fail("more than %d helpers", (int)HELPERS_MAX);
    }
    go_ends[go_count++] = fd;
}

static void drop_go_end(int fd)
{
    for (int i = 0; i < go_count; i++) {
        if (go_ends[i] == fd) {
            go_ends[i] = go_ends[--go_count];
            return;
        }
    }
}

void helper_start(Helper *helper, void (*run)(const HelperSide *side, void *data), void *data)
{
    int ready[2];
    int go[2];
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) {
        bench_fail("pipe: %s", strerror(errno));
    }
    helper->pid = fork();
    if (helper->pid < 0) {
        bench_fail("fork: %s", strerror(errno));
    }
    if (helper->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(ready[0]);
        (void)close(go[1]);
        for (int i = 0; i < go_count; i++) {
            (void)close(go_ends[i]);
        }
        const HelperSide side = {.ready_fd = ready[1], .go_fd = go[0]};
        run(&side, data);
        _exit(EXIT_SUCCESS);
    }
    (void)close(ready[1]);
    (void)close(go[0]);
    helper->told_fd = ready[0];
    helper->go_fd = go[1];
    keep_go_end(go[1]);
}

void helper_wait_ready(const Helper *helper)
{
    char byte;
    if (read(helper->told_fd, &byte, 1) != 1) {
        bench_fail("a helper process has ended early");
    }
}

void helper_go(Helper *helper)
{
    if (helper->go_fd >= 0) {
        (void)close(helper->go_fd);
        drop_go_end(helper->go_fd);
        helper->go_fd = -1;
    }
}

void helper_join(Helper *helper)
{
    int status = 0;
    helper_go(helper);
    if (waitpid(helper->pid, &status, 0) != helper->pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != EXIT_SUCCESS) {
        bench_fail("a helper process has failed");
    }
    (void)close(helper->told_fd);
}

void helper_discard(Helper *helper)
{
    (void)kill(helper->pid, SIGKILL);
    (void)waitpid(helper->pid, NULL, 0);
    helper_go(helper);
    (void)close(helper->told_fd);
}

double helpers_run(Helper *helpers, int count)
{
    const int64_t start = bench_now_ns();
    for (int i = 0; i < count; i++) {
        helper_go(&helpers[i]);
    }
    for (int i = 0; i < count; i++) {
        helper_join(&helpers[i]);
    }
    return (double)(bench_now_ns() - start) / 1e9;
}

void helper_ready(const HelperSide *side)
{
    if (write(side->ready_fd, "r", 1) != 1) {
        _exit(EXIT_FAILURE);
    }
}

void helper_wait_go(const HelperSide *side)
{
    char byte;
    (void)!read(side->go_fd, &byte, 1); // its end of file is the go
}

bool helper_is_told(const HelperSide *side)
{
    struct pollfd fd = {.fd = side->go_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}
