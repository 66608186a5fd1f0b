// SPDX-License-Identifier: MIT
// Run program: a program run to its end, with a clean environment, as another user when asked.
#include "cli/run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/signals.h"

enum { EXIT_NOT_STARTED = 127, EXIT_SIGNAL_BASE = 128 };

static bool become(const RunAs *as)
{
    if (!as->is_changed) {
        return true;
    }
    return setgroups(0, NULL) == 0 && setgid(as->gid) == 0 && setuid(as->uid) == 0;
}

static void run_child(char *const *argv, const RunAs *as, int output_fd)
{
    static char locale[] = "LC_ALL=C";
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    static char home[] = "HOME=/";
    char *const environment[] = {locale, path, home, NULL};
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    signals_reset_for_exec();
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(output_fd, STDERR_FILENO) < 0 || chdir("/") != 0 || !become(as)) {
        _exit(EXIT_NOT_STARTED);
    }
    // The lock of the state folder is made to pass on to gangerd, not to initdb.
    if (close_range(STDERR_FILENO + 1, ~0U, 0) == 0) {
        (void)execve(argv[0], argv, environment);
    }
    _exit(EXIT_NOT_STARTED);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return EXIT_NOT_STARTED;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status);
}

static void read_all(int fd, StrBuf *output)
{
    char chunk[4096];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got > 0) {
            strbuf_append_bytes(output, chunk, (size_t)got);
        } else if (got == 0 || errno != EINTR) {
            return;
        }
    }
}

int run_program(char *const *argv, const RunAs *as, int output_fd, StrBuf *output)
{
    int ends[2] = {-1, output_fd};
    if (output && pipe2(ends, O_CLOEXEC) != 0) {
        return EXIT_NOT_STARTED;
    }
    pid_t pid = fork();
    if (pid == 0) {
        run_child(argv, as, ends[1]);
    }
    if (output) {
        close(ends[1]);
        if (pid > 0) {
            read_all(ends[0], output);
        }
        close(ends[0]);
    }
    return pid < 0 ? EXIT_NOT_STARTED : wait_for(pid);
}

bool run_can_use_folder(const char *dir, const RunAs *as)
{
    // Asked in a child that has become that user: access(2) answers for the real user, and every
    // folder above counts.
    pid_t pid = fork();
    if (pid == 0) {
        _exit(become(as) && chdir(dir) == 0 && access(".", R_OK | W_OK | X_OK) == 0 ? 0 : 1);
    }
    return pid > 0 && wait_for(pid) == 0;
}
