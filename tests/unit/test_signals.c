// SPDX-License-Identifier: MIT
// Signals: a closed pipe is an error of write(), and a child begins with nothing ignored or blocked.
#include "tests/support/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/signals.h"

static void test_closed_pipe_is_an_error(void **state)
{
    (void)state;
    int ends[2];
    signals_ignore_pipe();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(close(ends[1]), 0);
}

static void on_signal(int number)
{
    (void)number;
}

// In a child, as the reset also takes what the test framework has set.
static int look_after_reset(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGUSR1, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGRTMIN, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    signals_reset_for_exec();

    static const int looked_at[] = {SIGTERM, SIGUSR1, SIGPIPE, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof looked_at / sizeof looked_at[0]; i++) {
        struct sigaction now;
        if (sigaction(looked_at[i], NULL, &now) != 0 || now.sa_handler != SIG_DFL) {
            return 1;
        }
    }
    struct sigaction realtime;
    if (sigaction(SIGRTMIN, NULL, &realtime) != 0 || realtime.sa_handler != SIG_DFL) {
        return 2;
    }
    sigset_t blocked;
    (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
    return sigisemptyset(&blocked) ? 0 : 3;
}

static void test_child_begins_clean(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(look_after_reset());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_pipe_is_an_error),
        cmocka_unit_test(test_child_begins_clean),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
