// SPDX-License-Identifier: MIT
// Tests of the process tree: children are found, strangers are swept to the last one, kept ones live.
#include "common/base/proc_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/hidden_proc.h"
#include "tests/support/unit.h"

enum { WAIT_MS = 20000 };

// The write end is held by every process below; it reads as EOF when the last of them is gone.
static int alive_pipe[2];

static int setup(void **state)
{
    (void)state;
    return pipe2(alive_pipe, O_CLOEXEC);
}

static int teardown(void **state)
{
    (void)state;
    (void)proc_sweep(NULL, NULL, WAIT_MS); // what a failed test left
    (void)close(alive_pipe[0]);
    return 0;
}

// Tells the test it has come up, then stays until it is killed.
static _Noreturn void stay(void)
{
    (void)!write(alive_pipe[1], "x", 1);
    for (;;) {
        (void)pause();
    }
}

static pid_t spawn_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        stay();
    }
    return pid;
}

// A daemon as programs make it: new session, twice forked, every signal ignored that can be.
static void spawn_daemon(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        if (fork() == 0) {
            stay();
        }
        _exit(0);
    }
}

// Parent, child, grandchild ... all alive, each its own session.
static void spawn_chain(int depth)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 1; i < depth; i++) {
            (void)setsid();
            if (fork() != 0) {
                stay();
            }
        }
        stay();
    }
}

static void await_started(int count)
{
    for (int i = 0; i < count; i++) {
        struct pollfd waiting = {.fd = alive_pipe[0], .events = POLLIN};
        char byte = 0;
        assert_int_equal(poll(&waiting, 1, WAIT_MS), 1);
        assert_int_equal(read(alive_pipe[0], &byte, 1), 1);
    }
    (void)close(alive_pipe[1]);
}

static void assert_all_gone(void)
{
    struct pollfd waiting = {.fd = alive_pipe[0], .events = POLLIN};
    char byte = 0;
    assert_int_equal(poll(&waiting, 1, WAIT_MS), 1);
    assert_int_equal(read(alive_pipe[0], &byte, 1), 0);
}

static void test_finds_children(void **state)
{
    (void)state;
    pid_t found[8];
    assert_true(proc_has_no_children());
    assert_int_equal(proc_children(found, 8), 0);
    pid_t first = spawn_child();
    pid_t second = spawn_child();
    await_started(2);
    assert_false(proc_has_no_children());
    assert_int_equal(proc_children(found, 8), 2);
    assert_true(found[0] == first || found[1] == first);
    assert_true(found[0] == second || found[1] == second);
    assert_int_equal(proc_children(found, 1), 1);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_true(proc_has_no_children());
    assert_all_gone();
}

static void test_sweeps_daemons(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        spawn_daemon();
    }
    await_started(5);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_all_gone();
    assert_true(proc_has_no_children());
}

static void test_sweeps_a_deep_chain(void **state)
{
    (void)state;
    spawn_chain(12);
    await_started(12);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_all_gone();
}

static bool keep_one(pid_t pid, void *data)
{
    return pid == *(const pid_t *)data;
}

static void test_keeps_whom_it_should(void **state)
{
    (void)state;
    pid_t kept = spawn_child();
    spawn_daemon();
    spawn_chain(4);
    await_started(6);
    assert_int_equal(proc_sweep(keep_one, &kept, WAIT_MS), 0);
    pid_t found[8];
    assert_int_equal(proc_children(found, 8), 1);
    assert_int_equal(found[0], kept);
    assert_int_equal(waitpid(kept, NULL, WNOHANG), 0);
    // Dead but kept: it is for its owner to reap.
    assert_int_equal(kill(kept, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)kept, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(proc_sweep(keep_one, &kept, WAIT_MS), 0);
    int status = 0;
    assert_int_equal(waitpid(kept, &status, 0), kept);
    assert_true(WIFSIGNALED(status));
    assert_all_gone();
}

static void test_kills_the_stopped(void **state)
{
    (void)state;
    pid_t child = spawn_child();
    await_started(1);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_all_gone();
}

// One that forks as fast as it can must not outrun the sweep.
static void test_catches_one_that_runs_away(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)!write(alive_pipe[1], "x", 1);
        const struct timespec pace = {.tv_nsec = 200000};
        for (;;) {
            (void)setsid();
            if (fork() != 0) {
                _exit(0);
            }
            (void)nanosleep(&pace, NULL);
        }
    }
    await_started(1);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_all_gone();
}

static void test_limit_without_strangers_left_costs_nothing(void **state)
{
    (void)state;
    (void)close(alive_pipe[1]);
    pid_t none = 0;
    int64_t start = clock_boot_ms();
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_int_equal(proc_sweep(keep_one, &none, WAIT_MS), 0);
    assert_int_equal(proc_sweep(keep_one, &none, 0), 0);
    assert_true(clock_boot_ms() - start < WAIT_MS);
}

static void test_start_time_names_a_process(void **state)
{
    (void)state;
    uint64_t own = proc_start_time(getpid());
    assert_true(own > 0);
    assert_int_equal(proc_start_time(getpid()), own);
    // A name with blanks and brackets must not shift the fields.
    char saved[16];
    assert_int_equal(prctl(PR_GET_NAME, saved), 0);
    assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b 2"), 0);
    assert_int_equal(proc_start_time(getpid()), own);
    pid_t child = spawn_child();
    await_started(1);
    pid_t found[2];
    assert_int_equal(proc_children(found, 2), 1);
    assert_int_equal(found[0], child);
    assert_int_equal(prctl(PR_SET_NAME, saved), 0);
    assert_true(proc_start_time(child) >= own);
    assert_int_equal(proc_sweep(NULL, NULL, WAIT_MS), 0);
    assert_int_equal(proc_start_time(child), 0);
}

// It holds its number and its start, but does nothing any more.
static void test_a_zombie_is_dead(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(proc_start_time(pid), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_matches_a_process(void **state)
{
    (void)state;
    pid_t pid = spawn_child();
    await_started(1);
    uint64_t start = proc_start_time(pid);
    assert_true(proc_is_alive(pid));
    assert_int_equal(proc_match(pid, start), PROC_MATCH_YES);
    assert_int_equal(proc_match(pid, start - 1), PROC_MATCH_NO);
    assert_int_equal(proc_match(pid, 0), PROC_MATCH_UNKNOWN);
    siginfo_t info;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(proc_is_alive(pid));
    assert_int_equal(proc_match(pid, start), PROC_MATCH_NO);
    assert_int_equal(proc_match(pid, 0), PROC_MATCH_NO);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(proc_is_alive(pid));
    assert_int_equal(proc_match(pid, start), PROC_MATCH_NO);
    assert_int_equal(proc_match(pid, 0), PROC_MATCH_NO);
    assert_false(proc_is_alive(0));
    assert_false(proc_is_alive(-1));
    assert_true(proc_is_alive(1));
}

// The child is not dumpable, as gangerd's processes are not, or it is, as its programs are.
static int look_from_hiding(bool is_dumpable)
{
    if (!hidden_proc_become_nobody() || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
        prctl(PR_SET_DUMPABLE, is_dumpable ? 1 : 0) != 0 || proc_start_time(getpid()) == 0) {
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        stay();
    }
    char started = 0;
    siginfo_t info;
    if (pid < 0 || read(alive_pipe[0], &started, 1) != 1 ||
        (proc_start_time(pid) != 0) != is_dumpable) {
        return 2;
    }
    if (!proc_is_alive(pid) || proc_match(pid, 0) != PROC_MATCH_UNKNOWN ||
        proc_match(pid, 1) != (is_dumpable ? PROC_MATCH_NO : PROC_MATCH_UNKNOWN) ||
        !proc_is_alive(1)) {
        return 3;
    }
    if (kill(pid, SIGKILL) != 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 ||
        proc_is_alive(pid) || proc_match(pid, 1) != PROC_MATCH_NO || // a zombie
        waitpid(pid, NULL, 0) != pid || proc_is_alive(pid) || proc_match(pid, 1) != PROC_MATCH_NO) {
        return 4;
    }
    spawn_daemon(); // an orphan like them is found and ended
    return read(alive_pipe[0], &started, 1) == 1 && proc_sweep(NULL, NULL, WAIT_MS) == 0 &&
                   proc_has_no_children()
               ? 0
               : 5;
}

static void test_what_proc_hides(void **state)
{
    (void)state;
    enum { NOT_HERE = 77 };
    for (int is_dumpable = 0; is_dumpable <= 1; is_dumpable++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            _exit(hidden_proc_enter() ? look_from_hiding(is_dumpable == 1) : NOT_HERE);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == NOT_HERE) {
            skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

// As an old kernel, or a container's filter.
static bool refuse_descriptors(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           pidfd_open(getpid(), 0) < 0 && errno == EPERM;
}

static int look_without_descriptors(bool is_hidden)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_DUMPABLE, is_hidden ? 0 : 1);
        stay();
    }
    char started = 0;
    siginfo_t info;
    if (pid < 0 || read(alive_pipe[0], &started, 1) != 1 || !proc_is_alive(pid) ||
        !proc_is_alive(1) || (proc_start_time(pid) == 0) != is_hidden) {
        return 1;
    }
    if (kill(pid, SIGKILL) != 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 ||
        (!is_hidden && proc_is_alive(pid))) { // one hidden cannot be told from a living one
        return 2;
    }
    return waitpid(pid, NULL, 0) == pid && !proc_is_alive(pid) ? 0 : 3;
}

static void test_without_process_descriptors(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool can_hide = hidden_proc_enter() && hidden_proc_become_nobody();
        if (!refuse_descriptors()) {
            _exit(9);
        }
        int seen = prctl(PR_SET_DUMPABLE, 1) == 0 ? look_without_descriptors(false) : 8;
        int hidden = can_hide ? look_without_descriptors(true) : 0;
        _exit(seen * 10 + hidden);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_finds_children, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweeps_daemons, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweeps_a_deep_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_whom_it_should, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kills_the_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_catches_one_that_runs_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_without_strangers_left_costs_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_start_time_names_a_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_zombie_is_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_matches_a_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_proc_hides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_process_descriptors, setup, teardown),
    };
    return cmocka_run_group_tests_name("proc_tree", tests, NULL, NULL);
}
