// SPDX-License-Identifier: MIT
// SyscallWatch: a run that made a system call is never called clean, and the call has its effect; one that made none is, where the
// kernel can tell; and a signal during a watched run does no harm.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/unit.h"
#include "worker/syscall_watch.h"

enum { ROUNDS = 4 * SYSCALL_WATCH_SKIP_MAX };

static volatile int counter;
static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

// cmocka has a handler of its own around every test: it goes at the beginning, and at the end nothing is taken for granted any more.
static void distrust(void)
{
    syscall_watch_begin();
    (void)getppid();
    (void)syscall_watch_end();
}

static void free_signals(void)
{
    // cmocka's own handlers would keep the watch from watching
    static const int taken[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        (void)signal(taken[i], SIG_DFL);
    }
}

static bool run_nothing(void)
{
    syscall_watch_begin();
    counter++;
    return syscall_watch_end();
}

// Runs until one is watched; false: none ever is.
static bool is_watching(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (run_nothing()) {
            return true;
        }
    }
    return false;
}

// The next run is watched, or the test ends here: this kernel has no such thing, or a tool around us does not.
static void need_watch(void)
{
    if (!is_watching()) {
        print_message("no syscall user dispatch here\n");
        skip();
    }
}

static void test_knows_clean_runs(void **state)
{
    (void)state;
    free_signals();
    need_watch();
    for (int i = 0; i < 1000; i++) {
        assert_true(run_nothing());
    }
    syscall_watch_begin();
    assert_true(clock_boot_us() > 0); // answered without the kernel
    (void)syscall_watch_end();
    distrust();
}

static void test_calls_have_their_effect(void **state)
{
    (void)state;
    free_signals();
    const pid_t parent = getppid();
    for (int i = 0; i < 20; i++) {
        (void)is_watching();
        syscall_watch_begin();
        const long got = syscall(SYS_getppid);
        const long wrong = syscall(SYS_close, -1);
        const int error = errno;
        assert_false(syscall_watch_end());
        assert_int_equal(got, parent);
        assert_int_equal(wrong, -1);
        assert_int_equal(error, EBADF);
    }
}

static void test_children_are_not_watched(void **state)
{
    (void)state;
    free_signals();
    (void)is_watching();
    syscall_watch_begin();
    const pid_t child = fork();
    if (child == 0) {
        _exit(getppid() > 0 && umask(0) != 01234 ? 7 : 8);
    }
    assert_false(syscall_watch_end());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void set_alarm_handler(bool holds_all)
{
    struct sigaction action = {.sa_handler = on_alarm};
    if (holds_all) {
        sigfillset(&action.sa_mask);
    } else {
        sigemptyset(&action.sa_mask);
    }
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
}

// A signal comes while only memory is touched; its return is a system call.
static bool run_until_alarm(void)
{
    alarms = 0;
    const struct itimerval soon = {.it_value = {.tv_usec = 5000}};
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    syscall_watch_begin();
    while (alarms == 0) {
        counter++;
    }
    return syscall_watch_end();
}

static void test_signals_pass(void **state)
{
    (void)state;
    free_signals();
    set_alarm_handler(false);
    for (int i = 0; i < 5; i++) {
        (void)is_watching();
        assert_false(run_until_alarm());
    }
    (void)signal(SIGALRM, SIG_DFL);
    distrust();
}

// Its return could not be watched: the kernel would kill.
static void test_looks_away_from_handlers_that_hold_all(void **state)
{
    (void)state;
    free_signals();
    need_watch();
    syscall_watch_begin();
    set_alarm_handler(true); // by a handler, as a plugin would
    assert_false(syscall_watch_end());
    assert_false(is_watching());
    assert_false(run_until_alarm());
    (void)signal(SIGALRM, SIG_DFL);
    assert_true(is_watching());
    distrust();
}

static void test_looks_away_from_another_sigsys_handler(void **state)
{
    (void)state;
    free_signals();
    need_watch();
    struct sigaction before;
    syscall_watch_begin();
    struct sigaction other = {.sa_handler = on_alarm};
    sigemptyset(&other.sa_mask);
    assert_int_equal(sigaction(SIGSYS, &other, &before), 0);
    assert_false(syscall_watch_end());
    assert_false(is_watching());
    assert_int_equal(sigaction(SIGSYS, &before, NULL), 0);
    assert_true(is_watching());
    distrust();
}

// Inherited, or left so by whoever started us.
static void test_looks_away_while_sigsys_is_blocked(void **state)
{
    (void)state;
    free_signals();
    need_watch();
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGSYS);
    syscall_watch_begin();
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
    assert_false(syscall_watch_end());
    assert_false(is_watching());
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_true(is_watching());
    distrust();
}

static void *wait_for_end(void *data)
{
    const int *fd = data;
    char byte;
    (void)!read(*fd, &byte, 1);
    return NULL;
}

// Threads of a plugin could do anything at any time. Two of them: one is taken for the deadman's.
static void test_looks_away_from_threads(void **state)
{
    (void)state;
    free_signals();
    need_watch();
    int ends[2];
    pthread_t threads[2];
    syscall_watch_begin();
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_end, &ends[0]), 0);
    }
    assert_false(syscall_watch_end());
    assert_false(is_watching());
    (void)close(ends[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)close(ends[0]);
    assert_true(is_watching());
    distrust();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_knows_clean_runs),
        cmocka_unit_test(test_calls_have_their_effect),
        cmocka_unit_test(test_children_are_not_watched),
        cmocka_unit_test(test_signals_pass),
        cmocka_unit_test(test_looks_away_from_handlers_that_hold_all),
        cmocka_unit_test(test_looks_away_from_another_sigsys_handler),
        cmocka_unit_test(test_looks_away_while_sigsys_is_blocked),
        cmocka_unit_test(test_looks_away_from_threads),
    };
    return cmocka_run_group_tests_name("syscall_watch", tests, NULL, NULL);
}
