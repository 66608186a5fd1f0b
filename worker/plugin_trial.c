// SPDX-License-Identifier: MIT
// Tries something dangerous in a child process first, with a time limit.
#include "worker/plugin_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/duration.h"
#include "worker/runner.h"

enum { TRIAL_OK = 'k', TRIAL_REFUSED = 'r' }; // first byte of the child's answer

// Everything else the worker has open (database, scoreboard, wake-ups) is out of the constructors'
// reach.
static void close_others(int a, int b)
{
    const unsigned low = (unsigned)(a < b ? a : b);
    const unsigned high = (unsigned)(a < b ? b : a);
    if (low > 3) {
        (void)close_range(3, low - 1, 0);
    }
    if (high > low + 1) {
        (void)close_range(low + 1, high - 1, 0);
    }
    (void)close_range(high + 1, UINT_MAX, 0);
}

static _Noreturn void child_main(Status (*attempt)(int fd, StrBuf *why), int fd, int answer,
                                 pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0);
    }
    (void)setpgid(0, 0);
    close_others(fd, answer);
    StrBuf text = {0};
    const Status status = attempt(fd, &text);
    StrBuf line = {0};
    strbuf_append_char(&line, status == STATUS_OK ? TRIAL_OK : TRIAL_REFUSED);
    strbuf_append_bytes(&line, text.text == NULL ? "" : text.text, text.length);
    // Shorter than PIPE_BUF or cut by the reader: one write.
    const size_t length = line.length < PIPE_BUF ? line.length : PIPE_BUF;
    const ssize_t written = write(answer, line.text, length);
    _exit(written == (ssize_t)length ? 0 : 1);
}

// Waits for the answer or the end of the child; the number of bytes read, -1 at the time limit.
static ssize_t read_answer(int fd, char *answer, size_t size, int64_t limit_ms)
{
    const int64_t deadline = clock_boot_ms() + limit_ms;
    for (;;) {
        const int64_t left = deadline - clock_boot_ms();
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        const int ready = left > 0 ? poll(&pfd, 1, (int)left) : 0;
        if (ready > 0) {
            return read(fd, answer, size);
        }
        if (ready == 0) {
            return -1;
        }
    }
}

static void explain_death(int status, StrBuf *why)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        strbuf_printf(why, "dies while loading (SIG%s)", name == NULL ? "?" : name);
    } else {
        strbuf_printf(why, "exits while loading (exit code %d)", WEXITSTATUS(status));
    }
}

static Status judge(pid_t child, int fd, int64_t limit_ms, StrBuf *why)
{
    char answer[PIPE_BUF + 1];
    const ssize_t bytes = read_answer(fd, answer, PIPE_BUF, limit_ms);
    if (bytes != 0) { // it has answered, or never will
        (void)kill(-child, SIGKILL);
        (void)kill(child, SIGKILL);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    run_sweep_children();
    if (bytes < 0) {
        char limit[32];
        duration_format(limit_ms, limit, sizeof limit);
        strbuf_printf(why, "hangs while loading (more than %s)", limit);
        return STATUS_REFUSED;
    }
    if (bytes == 0) {
        explain_death(status, why);
        return STATUS_REFUSED;
    }
    if (answer[0] == TRIAL_OK) {
        return STATUS_OK;
    }
    strbuf_append_bytes(why, answer + 1, (size_t)bytes - 1);
    return STATUS_REFUSED;
}

Status plugin_trial(Status (*attempt)(int fd, StrBuf *why), int fd, int64_t limit_ms, StrBuf *why)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        strbuf_append(why, strerror(errno));
        return STATUS_REFUSED;
    }
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_main(attempt, fd, ends[1], parent);
    }
    close(ends[1]);
    Status status = STATUS_REFUSED;
    if (child < 0) {
        strbuf_printf(why, "cannot start a trial: %s", strerror(errno));
    } else {
        status = judge(child, ends[0], limit_ms, why);
    }
    close(ends[0]);
    return status;
}
