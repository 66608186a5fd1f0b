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

static volatile sig_atomic_t signal_count;

static void on_signal(int number)
{
    (void)number;
    signal_count++;
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

// What was changed before and by us after: a few, of which none is forgotten.
static int look_after_known_reset(void)
{
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGRTMIN, SIG_IGN);
    (void)signal(SIGPIPE, SIG_DFL);
    signals_know_changed();
    (void)signal(SIGUSR2, SIG_IGN); // not ours: nobody does
    signals_ignore_pipe();
    signals_reset_for_exec();

    for (int number = 1; number < NSIG; number++) {
        struct sigaction now;
        const bool is_left = number == SIGUSR2;
        if (sigaction(number, NULL, &now) == 0 && (now.sa_handler != SIG_DFL) != is_left) {
            return number;
        }
    }
    return 0;
}

static void test_known_ones_are_reset(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(look_after_known_reset());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
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

// A child of gangerd before it has its handlers: nothing ends it that it will ignore, or answer, later.
static int look_at_child(bool is_held)
{
    sigset_t blocked;
    signals_reset_for_child(is_held);
    (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) != is_held || sigismember(&blocked, SIGHUP) != is_held) {
        return 1;
    }
    (void)raise(SIGINT);
    (void)raise(SIGHUP);
    if (is_held) {
        (void)raise(SIGTERM);
    }
    (void)signal(SIGHUP, on_signal);
    (void)signal(SIGTERM, on_signal);
    signal_count = 0;
    signals_release();
    return signal_count == (is_held ? 2 : 0) ? 0 : 2;
}

static void test_children_wait_for_their_handlers(void **state)
{
    (void)state;
    for (int is_held = 0; is_held < 2; is_held++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            _exit(look_at_child(is_held != 0));
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_pipe_is_an_error),
        cmocka_unit_test(test_child_begins_clean),
        cmocka_unit_test(test_known_ones_are_reset),
        cmocka_unit_test(test_children_wait_for_their_handlers),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
