// SPDX-License-Identifier: MIT
// SyscallWatch: see the header.
#include "worker/syscall_watch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/log.h"
#include "worker/plugin_trial.h"

#if defined(__x86_64__) && defined(PR_SET_SYSCALL_USER_DISPATCH)

enum {
    TRIAL_LIMIT_MS = 1000,
    CODE_USER_DISPATCH = 2,        // si_code of its SIGSYS; not in every libc's header
    SYSCALL_INSTRUCTION_BYTES = 2, // syscall and int 0x80 alike
    LINKS_BESIDE_THREADS = 2       // of /proc/self/task: its own and its parent's
};

typedef enum WatchSupport { SUPPORT_UNKNOWN, SUPPORT_YES, SUPPORT_NO } WatchSupport;

// One thread runs handlers, and the kernel knows one byte of it.
static struct {
    WatchSupport support;
    bool is_armed;
    bool is_vetted; // nobody but a handler can change that, and not without a system call
    int skip;       // runs not to watch
    int skip_next;  // the same after the next system call
    int clean;      // runs in a row without one
} watch = {.skip_next = SYSCALL_WATCH_SKIP_MIN};

static volatile char selector =
    SYSCALL_DISPATCH_FILTER_ALLOW; // read by the kernel at each system call

// The kernel has left the registers as they were before the call, except for the place: the call is made again.
static void on_dispatch(int signal_number, siginfo_t *info, void *data)
{
    if (info->si_code !=
        CODE_USER_DISPATCH) { // of a seccomp filter: what it would have come to without us
        (void)signal(signal_number, SIG_DFL);
        (void)raise(signal_number);
        return;
    }
    ucontext_t *context = data;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    context->uc_mcontext.gregs[REG_RIP] -= SYSCALL_INSTRUCTION_BYTES;
}

// SIGSYS reaches us, and is ours or was nobody's: taken only where it is needed.
static bool owns_signal(void)
{
    struct sigaction now;
    sigset_t blocked;
    if (sigaction(SIGSYS, NULL, &now) != 0 || pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0 ||
        sigismember(&blocked, SIGSYS) != 0) {
        return false;
    }
    if ((now.sa_flags & SA_SIGINFO) != 0) {
        return now.sa_sigaction == on_dispatch;
    }
    struct sigaction ours = {.sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO};
    sigfillset(&ours.sa_mask); // another signal's return would be a system call, too
    return now.sa_handler == SIG_DFL && sigaction(SIGSYS, &ours, NULL) == 0;
}

static bool turn_on(void)
{
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &selector) == 0;
}

static Status try_once(int fd, StrBuf *why)
{
    (void)fd;
    (void)why;
    if (!turn_on()) {
        return STATUS_REFUSED;
    }
    selector = SYSCALL_DISPATCH_FILTER_BLOCK;
    const pid_t watched = getppid();
    const bool is_caught = selector == SYSCALL_DISPATCH_FILTER_ALLOW;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    return is_caught && watched == getppid() ? STATUS_OK : STATUS_REFUSED;
}

// In a child first: valgrind and other emulators let it be turned on, and die of it.
static bool is_supported(void)
{
    if (watch.support == SUPPORT_UNKNOWN) {
        StrBuf why = {0};
        watch.support =
            plugin_trial(try_once, STDERR_FILENO, TRIAL_LIMIT_MS, &why) == STATUS_OK && turn_on()
                ? SUPPORT_YES
                : SUPPORT_NO;
        log_debug("worker.syscall_watch", "on=%s", watch.support == SUPPORT_YES ? "yes" : "no");
        strbuf_free(&why);
    }
    return watch.support == SUPPORT_YES;
}

// Can be left by longjmp, which would leave the signal blocked without a system call.
static bool is_of_a_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
           number == SIGTRAP;
}

// The return from a handler that blocks SIGSYS would be a system call whose SIGSYS cannot be delivered: the kernel kills.
static bool are_handlers_harmless(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (number == SIGSYS || sigaction(number, NULL, &action) != 0) {
            continue; // our own, or one of libc's
        }
        if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
            continue;
        }
        if (sigismember(&action.sa_mask, SIGSYS) != 0 ||
            (is_of_a_fault(number) && (action.sa_flags & SA_NODEFER) == 0)) {
            return false;
        }
    }
    return true;
}

// Another thread could fork, or change the directory, at any time.
static bool is_alone(void)
{
    struct stat info;
    return stat("/proc/self/task", &info) == 0 &&
           info.st_nlink <= SYSCALL_WATCH_OWN_THREADS + LINKS_BESIDE_THREADS;
}

static void look_away(void)
{
    watch.is_vetted = false;
    watch.clean = 0;
    watch.skip = watch.skip_next;
    watch.skip_next = watch.skip_next * 2 + 1;
    if (watch.skip_next > SYSCALL_WATCH_SKIP_MAX) {
        watch.skip_next = SYSCALL_WATCH_SKIP_MAX;
    }
}

static void vet(void)
{
    watch.is_vetted = watch.support != SUPPORT_NO && owns_signal() && is_alone() &&
                      are_handlers_harmless() && is_supported() && turn_on();
}

void syscall_watch_prepare(void)
{
    vet();
}

void syscall_watch_begin(void)
{
    if (watch.skip > 0) {
        watch.skip--;
        return;
    }
    if (!watch.is_vetted) {
        vet();
        if (!watch.is_vetted) {
            look_away();
            return;
        }
    }
    watch.is_armed = true;
    selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

bool syscall_watch_end(void)
{
    if (!watch.is_armed) {
        return false;
    }
    const bool made_none = selector == SYSCALL_DISPATCH_FILTER_BLOCK;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    watch.is_armed = false;
    if (!made_none) {
        look_away();
        return false;
    }
    if (watch.clean < SYSCALL_WATCH_TRUST && ++watch.clean == SYSCALL_WATCH_TRUST) {
        watch.skip_next = SYSCALL_WATCH_SKIP_MIN;
    }
    return true;
}

#else

void syscall_watch_prepare(void)
{
}

void syscall_watch_begin(void)
{
}

bool syscall_watch_end(void)
{
    return false;
}

#endif
