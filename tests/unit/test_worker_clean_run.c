// SPDX-License-Identifier: MIT
// A run whose handler makes no system call costs the worker none either: the kernel kills a process that makes one all the same.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/base/exit_code.h"
#include "handlers/ganger/handler.h"
#include "tests/support/worker_run.h"
#include "worker/syscall_watch.h"

enum { RUNS = 200, ROUNDS = 4 * SYSCALL_WATCH_SKIP_MAX, NO_WATCH = 77 };

static volatile int counter;
static bool makes_call; // the handler

static enum ganger_result count(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    counter++;
    if (makes_call) {
        (void)syscall(__NR_getppid);
    }
    return GANGER_OK;
}

static void count_failure(const ganger_job *job, ganger_context *context, const char *message)
{
    (void)message;
    (void)count(job, context);
}

static void run_once(WorkerRun *run, bool is_hook)
{
    const ganger_handler entry = {"probe", count, count_failure};
    run->handler.plugin_entry = &entry;
    run->handler.is_hook = is_hook;
    worker_run_forget_result(run);
    (is_hook ? run_hook : run_plugin)(&run->handler, &run->context, &run->result);
}

static bool is_watching(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        syscall_watch_begin();
        counter++;
        if (syscall_watch_end()) {
            return true;
        }
    }
    return false;
}

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1),                                        \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// What is left is the C library's memory and the clock, which the vDSO does not answer on every machine.
static bool forbid_calls(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(clock_gettime),
        ALLOW(brk),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(futex),
        ALLOW(sigaltstack), // the address sanitizer, before it exits
        ALLOW(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

// The worker's descriptors are asked for by numbers, so what was not looked at is known by what does not happen.
static int run_many(bool is_hook, bool closes_files)
{
    // cmocka's own handlers would keep the watch from watching
    static const int taken[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        (void)signal(taken[i], SIG_DFL);
    }
    WorkerRun run;
    worker_run_setup(&run);
    worker_run_set_payload(
        &run, "{\"id\": 12, \"job_type\": \"mail\", \"queue\": \"q\", \"payload\": {}}");
    run_once(&run, is_hook);
    if (!is_watching()) {
        return NO_WATCH;
    }
    if (closes_files) {
        close(FD_WAKE);
    } else if (!forbid_calls()) {
        return NO_WATCH;
    }
    const int before = counter;
    for (int i = 0; i < RUNS; i++) {
        run_once(&run, is_hook);
    }
    return counter == before + RUNS ? 0 : 2;
}

static int in_child(bool is_hook, bool closes_files)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(run_many(is_hook, closes_files));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_WATCH) {
        print_message("no syscall user dispatch, or no seccomp filters, here\n");
        skip();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void test_no_call(void **state)
{
    (void)state;
    makes_call = false;
    assert_int_equal(in_child(false, false), 0);
    assert_int_equal(in_child(true, false), 0);
}

// That this test can tell.
static void test_a_call_is_seen(void **state)
{
    (void)state;
    makes_call = true;
    assert_int_equal(in_child(false, false), 1000 + SIGSYS);
    assert_int_equal(in_child(true, false), 1000 + SIGSYS);
}

static void test_files_are_looked_at_after_a_call(void **state)
{
    (void)state;
    makes_call = false;
    assert_int_equal(in_child(false, true), 0);
    makes_call = true;
    assert_int_equal(in_child(false, true), EXIT_CODE_FAILED);
    assert_int_equal(in_child(true, true), EXIT_CODE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_call),
        cmocka_unit_test(test_a_call_is_seen),
        cmocka_unit_test(test_files_are_looked_at_after_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
