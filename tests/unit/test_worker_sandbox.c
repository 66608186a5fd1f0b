// SPDX-License-Identifier: MIT
// Tests of the sandbox of programs: what no job needs is refused, what programs do all day goes on.
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

#define CALL(name)                                                                                 \
    {                                                                                              \
#name, __NR_##name,                                                                        \
        {                                                                                          \
            0, 0, 0                                                                                \
        }                                                                                          \
    }

// With arguments that do nothing, should a call go through: the kernel looks at its rules before it looks at them.
static const struct Call {
    const char *name;
    long number;
    long arguments[3];
} denied[] = {
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(open_tree),
    CALL(move_mount),
    CALL(fsopen),
    CALL(fsconfig),
    CALL(fsmount),
    CALL(fspick),
    CALL(mount_setattr),
    CALL(open_by_handle_at),
    CALL(quotactl),
    CALL(swapon),
    CALL(swapoff),
    {"fanotify_init", __NR_fanotify_init, {-1, -1, 0}},
    {"ptrace", __NR_ptrace, {-1, -1, 0}},
    {"process_vm_readv", __NR_process_vm_readv, {-1, 0, 0}},
    {"process_vm_writev", __NR_process_vm_writev, {-1, 0, 0}},
    {"pidfd_getfd", __NR_pidfd_getfd, {-1, -1, 0}},
    {"kcmp", __NR_kcmp, {-1, -1, -1}},
    CALL(perf_event_open),
    {"unshare", __NR_unshare, {CLONE_NEWUSER, 0, 0}},
    {"setns", __NR_setns, {-1, 0, 0}},
    {"bpf", __NR_bpf, {-1, 0, 0}},
    {"kexec_load", __NR_kexec_load, {0, -1, 0}},
    CALL(init_module),
    {"finit_module", __NR_finit_module, {-1, 0, -1}},
    CALL(delete_module),
    {"userfaultfd", __NR_userfaultfd, {-1, 0, 0}},
    {"keyctl", __NR_keyctl, {-1, 0, 0}},
    CALL(add_key),
    CALL(request_key),
    CALL(io_uring_setup),
    {"io_uring_enter", __NR_io_uring_enter, {-1, 0, 0}},
    {"io_uring_register", __NR_io_uring_register, {-1, 0, 0}},
    {"acct", __NR_acct, {-1, 0, 0}},
    {"syslog", __NR_syslog, {-1, 0, 0}},
    CALL(reboot),
    {"settimeofday", __NR_settimeofday, {-1, -1, 0}},
    {"clock_settime", __NR_clock_settime, {-1, 0, 0}},
    {"clock_adjtime", __NR_clock_adjtime, {-1, 0, 0}},
    {"sethostname", __NR_sethostname, {-1, -1, 0}},
    {"setdomainname", __NR_setdomainname, {-1, -1, 0}},
    {"clone with a namespace", __NR_clone, {CLONE_NEWUSER | SIGCHLD, 0, 0}},
    {"clone with another", __NR_clone, {CLONE_NEWNET | SIGCHLD, 0, 0}},
    {"ioctl TIOCSTI", __NR_ioctl, {STDIN_FILENO, TIOCSTI, 0}},
#if defined(__x86_64__)
    {"iopl", __NR_iopl, {-1, 0, 0}},
    {"ioperm", __NR_ioperm, {-1, 0, 0}},
    {"getpid of x32", 0x40000000 + __NR_getpid, {0, 0, 0}},
#endif
};

enum { DENIED_COUNT = sizeof denied / sizeof denied[0] };

// In a child: there is no way back from a sandbox. Its exit code says which check failed; 0 = none.
static int in_sandbox_on(bool (*make_kernel)(void), int (*check)(void))
{
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!make_kernel()) {
            _exit(254);
        }
        _exit(sandbox_enter() ? check() : 255);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool leave_kernel(void)
{
    return true;
}

static int in_sandbox(int (*check)(void))
{
    return in_sandbox_on(leave_kernel, check);
}

static int check_denied(void)
{
    for (int i = 0; i < DENIED_COUNT; i++) {
        const struct Call *call = &denied[i];
        errno = 0;
        const long *a = call->arguments;
        if (syscall(call->number, a[0], a[1], a[2], 0, 0) != -1 || errno != EPERM) {
            return i + 1;
        }
    }
    return 0;
}

static void test_what_is_denied(void **state)
{
    (void)state;
    const int failed = in_sandbox(check_denied);
    if (failed != 0) {
        fail_msg("%s is not denied (%d)", failed <= DENIED_COUNT ? denied[failed - 1].name : "?",
                 failed);
    }
    assert_true(DENIED_COUNT >= 25);
}

// To root most of them are not forbidden otherwise: it is the sandbox that says no.
static void test_it_is_the_sandbox(void **state)
{
    (void)state;
    static const long harmless[] = {__NR_mount, __NR_bpf, __NR_keyctl, __NR_add_key};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        errno = 0;
        if (syscall(harmless[i], -1, 0, 0, 0, 0) == -1 && errno != EPERM && errno != ENOSYS) {
            return;
        }
    }
    skip(); // everything is denied here already
}

static void *count_up(void *number)
{
    (*(int *)number)++;
    return NULL;
}

#define EXPECT(number, condition)                                                                  \
    if (!(condition)) {                                                                            \
        return number;                                                                             \
    }

static int check_allowed(void)
{
    int ends[2];
    int number = 1;
    int status = 0;
    pthread_t thread; // by clone3, or without it
    EXPECT(1, pthread_create(&thread, NULL, count_up, &number) == 0);
    EXPECT(2, pthread_join(thread, NULL) == 0 && number == 2);
    EXPECT(3, pipe(ends) == 0 && write(ends[1], "x", 1) == 1 && close(ends[0]) == 0);
    EXPECT(4,
           socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0);
    EXPECT(5, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                  MAP_FAILED);
    EXPECT(6, epoll_create1(0) >= 0 && memfd_create("x", MFD_CLOEXEC) >= 0);
    EXPECT(7, ioctl(ends[0], TCGETS, &status) != 0 && errno == ENOTTY);
    const pid_t child = fork();
    if (child == 0) {
        execlp("sh", "sh", "-c", "exit $(echo 1 2 | { read a b; echo $((a + b + 4)); })",
               (char *)NULL);
        _exit(1);
    }
    EXPECT(8, child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    EXPECT(9, setpgid(0, 0) == 0 && setsid() == -1 && kill(getpid(), 0) == 0);
    EXPECT(10, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

static void test_what_goes_on(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(check_allowed), 0);
}

// As one without the flags of seccomp(): any is answered by EINVAL.
static bool make_kernel_old(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 &&
           syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, NULL) ==
               -1 &&
           errno == EINVAL;
}

static void test_kernels_without_flags(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox_on(make_kernel_old, check_denied), 0);
    assert_int_equal(in_sandbox_on(make_kernel_old, check_allowed), 0);
}

// A program that is started stays in it.
static int check_inherited(void)
{
    execlp("sh", "sh", "-c",
           "unshare -U true 2>/dev/null && exit 1; mount -t tmpfs none /mnt 2>/dev/null && exit 2; "
           "grep -q '^Seccomp:.*2' /proc/self/status || exit 3",
           (char *)NULL);
    return 4;
}

static void test_programs_stay_in_it(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(check_inherited), 0);
}

#if defined(__x86_64__)
static int check_32_bit(void)
{
    long answer = 20; // getpid in the numbers of 32-bit programs
    __asm__ volatile("int $0x80" : "+a"(answer) : : "memory", "r8", "r9", "r10", "r11");
    return answer == -EPERM ? 0 : 1;
}
#endif

// The same calls have other numbers there.
static void test_no_32_bit_calls(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const int failed = in_sandbox(check_32_bit);
    assert_true(failed == 0 || failed == 1000 + SIGSEGV); // a kernel without them
#else
    skip();
#endif
}

int main(void)
{
    if (!sandbox_is_available()) {
        (void)fputs("this kernel has no seccomp filters: nothing to test\n", stderr);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_denied),  cmocka_unit_test(test_it_is_the_sandbox),
        cmocka_unit_test(test_what_goes_on),    cmocka_unit_test(test_programs_stay_in_it),
        cmocka_unit_test(test_no_32_bit_calls), cmocka_unit_test(test_kernels_without_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
