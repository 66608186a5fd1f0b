// SPDX-License-Identifier: MIT
// Confine: whoever runs code in the HTTP process starts nothing, and does nothing to a worker; what it does all day goes on.
#include "api/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/sanitizer.h"
#include "common/base/syscall_filter.h"
#include "tests/support/unit.h"

static pid_t worker; // of the same user; what is done to it would end or stop it

#define EXPECT(number, condition)                                                                  \
    if (!(condition)) {                                                                            \
        return number;                                                                             \
    }

// In a child: there is no way back. Its exit code says which check failed; 0 = none.
static int when_confined(int (*check)(void))
{
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(confine_enter() ? check() : 255);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool is_refused(long answer)
{
    return answer == -1 && errno == EPERM;
}

static int check_signals(void)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = worker};
    struct rlimit nothing = {0, 0};
    int ends[2];
    EXPECT(1, is_refused(kill(worker, SIGKILL)));
    EXPECT(2, is_refused(kill(-worker, SIGKILL)) && is_refused(kill(worker, 0)));
    EXPECT(3, is_refused(syscall(__NR_tgkill, worker, worker, SIGKILL)));
    EXPECT(4, is_refused(syscall(__NR_tkill, worker, SIGKILL)));
    EXPECT(5, is_refused(syscall(__NR_rt_sigqueueinfo, worker, SIGKILL, &info)));
    EXPECT(6, is_refused(syscall(__NR_rt_tgsigqueueinfo, worker, worker, SIGKILL, &info)));
    EXPECT(7, is_refused(syscall(__NR_pidfd_open, worker, 0)));
    EXPECT(8, is_refused(syscall(__NR_pidfd_send_signal, -1, SIGKILL, NULL, 0)));
    EXPECT(9, socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(10, is_refused(fcntl(ends[0], F_SETOWN, worker)));
    EXPECT(11, is_refused(fcntl(ends[0], F_SETOWN_EX, &owner)));
    EXPECT(12, is_refused(fcntl(ends[0], F_SETSIG, SIGKILL)));
    EXPECT(13, is_refused(ioctl(ends[0], 0x8901, &worker)));
    EXPECT(14, is_refused(ioctl(ends[0], 0x8902, &worker)));
    EXPECT(15, is_refused(prlimit(worker, RLIMIT_CPU, &nothing, NULL)));
    EXPECT(16, is_refused(setpgid(worker, 0)));
    return 0;
}

static void test_a_worker_is_out_of_reach(void **state)
{
    (void)state;
    int status = 0;
    worker = fork();
    assert_true(worker >= 0);
    if (worker == 0) {
        for (;;) {
            (void)pause();
        }
    }
    int failed = when_confined(check_signals);
    assert_int_equal(waitpid(worker, &status, WNOHANG), 0); // it lives
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_int_equal(failed, 0);
}

// Where this is not refused to begin with, it is the filter that says no.
static void test_it_is_the_filter(void **state)
{
    (void)state;
    assert_int_equal(kill(getpid(), 0), 0);
    int fd = (int)syscall(__NR_pidfd_open, getpid(), 0);
    assert_true(fd >= 0);
    close(fd);
}

static int check_processes(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    EXPECT(1, is_refused(execv("/bin/true", argv)));
    EXPECT(2, is_refused(syscall(__NR_execveat, -1, "/bin/true", argv, NULL, 0)));
#if !HAS_ADDRESS_SANITIZER
    EXPECT(3, is_refused(fork()));
    EXPECT(4, is_refused(syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0)));
    EXPECT(5, is_refused(syscall(__NR_clone3, NULL, 0)));
    EXPECT(6, is_refused(syscall(__NR_ptrace, -1, -1, 0, 0)));
#endif
    EXPECT(7, is_refused(syscall(__NR_process_vm_readv, worker, NULL, 0, NULL, 0, 0)));
    EXPECT(8, is_refused(syscall(__NR_process_vm_writev, worker, NULL, 0, NULL, 0, 0)));
    EXPECT(9, is_refused(syscall(__NR_mount, NULL, NULL, NULL, 0, NULL)));
    EXPECT(10, is_refused(syscall(__NR_bpf, -1, NULL, 0)));
    EXPECT(11, is_refused(syscall(__NR_io_uring_setup, 1, NULL)));
    EXPECT(12, is_refused(setuid(getuid())) && is_refused(setgid(getgid())));
    EXPECT(13, is_refused(chroot("/")));
    EXPECT(14, is_refused(syscall(__NR_remap_file_pages, NULL, 0, 0, 0, 0)));
    return 0;
}

static void test_nothing_is_started(void **state)
{
    (void)state;
    assert_int_equal(when_confined(check_processes), 0);
}

static bool can_resolve(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    bool is_found = getaddrinfo("localhost", "5432", &hints, &found) == 0;
    if (is_found) {
        freeaddrinfo(found);
    }
    return is_found;
}

static int check_daily_work(void)
{
    struct rlimit files;
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN};
    uint64_t one = 1;
    int events = epoll_create1(EPOLL_CLOEXEC);
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT(1, epoll_ctl(events, EPOLL_CTL_ADD, wake, &event) == 0);
    EXPECT(2, write(wake, &one, sizeof one) == sizeof one);
    EXPECT(3, epoll_wait(events, &event, 1, 1000) == 1);
    EXPECT(4, bind(listener, (const struct sockaddr *)&any, sizeof any) == 0 &&
                  listen(listener, 8) == 0);
    EXPECT(5, accept4(listener, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EAGAIN);
    EXPECT(6, fcntl(listener, F_GETFL) >= 0 && fcntl(listener, F_SETFD, FD_CLOEXEC) == 0);
    int queued = -1;
    EXPECT(7, ioctl(wake, FIONREAD, &queued) == 0 || errno == ENOTTY || errno == EINVAL);
    EXPECT(8, getrlimit(RLIMIT_NOFILE, &files) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0);
    int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    EXPECT(9, file >= 0 && mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED);
    EXPECT(10, can_resolve());
    (void)signal(SIGUSR1, SIG_IGN);
    EXPECT(11, raise(SIGUSR1) == 0);
    return 0;
}

static void test_its_work_goes_on(void **state)
{
    (void)state;
    assert_int_equal(when_confined(check_daily_work), 0);
}

static int check_abort(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

// A panic ends it as ever, and the supervisor learns by which signal.
static void test_a_panic_ends_it(void **state)
{
    (void)state;
    assert_int_equal(when_confined(check_abort), 1000 + SIGABRT);
}

int main(void)
{
    if (!syscall_filter_is_available()) {
        (void)fputs("this kernel has no seccomp filters: nothing to test\n", stderr);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_worker_is_out_of_reach), cmocka_unit_test(test_it_is_the_filter),
        cmocka_unit_test(test_nothing_is_started),       cmocka_unit_test(test_its_work_goes_on),
        cmocka_unit_test(test_a_panic_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
