// SPDX-License-Identifier: MIT
// Confine: see confine.h. A list of what is denied: libpq, TLS and the resolver call what they like, and differ from system to system.
#include "api/confine.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/syscall_filter.h"

// The leak checker of the address sanitizer is a thread that traces this process, at its very end.
#if defined(__SANITIZE_ADDRESS__)
#define DENY_NEW_PROCESSES DENY(execve), DENY(execveat)
#define DENY_TRACING       DENY(process_vm_readv), DENY(process_vm_writev)
#else
#if defined(__NR_fork)
#define DENY_FORK DENY(fork), DENY(vfork)
#else
#define DENY_FORK DENY(execve)
#endif
#define DENY_NEW_PROCESSES DENY(execve), DENY(execveat), DENY(clone), DENY(clone3), DENY_FORK
#define DENY_TRACING       DENY_LOOKS_INTO_PROCESSES
#endif

enum { OWNER_OF_FILE = 0x8901, GROUP_OF_SOCKET = 0x8902 }; // FIOSETOWN, SIOCSPGRP

bool confine_enter(void)
{
    const unsigned self = (unsigned)getpid();
    // clang-format off
    struct sock_filter rules[] = {
        FILTER_BEGIN,
        DENY_NEW_PROCESSES,
        DENY_TRACING,
        DENY_FILE_SYSTEMS,
        DENY_KERNEL,
        DENY_MACHINE,
        // signals
        DENY(kill), DENY(tkill), DENY(rt_sigqueueinfo), DENY(rt_tgsigqueueinfo), DENY(pidfd_open), DENY(pidfd_send_signal),
        DENY(process_madvise), DENY(process_mrelease), DENY(mq_notify),
        // what else is done to others of the same user
        DENY(setpriority), DENY(ioprio_set), DENY(sched_setparam), DENY(sched_setscheduler), DENY(sched_setattr),
        DENY(sched_setaffinity), DENY(migrate_pages), DENY(move_pages), DENY(setpgid),
        DENY(remap_file_pages), // the writable mapping of its own slot would become one of a worker's
        // another user, another place
        DENY(setuid), DENY(setgid), DENY(setreuid), DENY(setregid), DENY(setresuid), DENY(setresgid), DENY(setgroups), DENY(setfsuid),
        DENY(setfsgid), DENY(capset), DENY(chroot), DENY(personality),
        // abort() and raise() tell this process only
        UNLESS_EQUAL(__NR_tgkill), SKIP(4),
        LOAD(ARGUMENT(0)),
        UNLESS_EQUAL(self), REFUSE(EPERM),
        ALLOW,
        // limits, of this process only: a limit of processor time is a signal, too
        UNLESS_EQUAL(__NR_prlimit64), SKIP(4),
        LOAD(ARGUMENT(0)),
        UNLESS_EQUAL(0), REFUSE(EPERM),
        ALLOW,
        // A file that sends a signal of one's choice to a process of one's choice, when there is something to read.
        UNLESS_EQUAL(__NR_fcntl), SKIP(8),
        LOAD(ARGUMENT(1)),
        IF_EQUAL(F_SETOWN), REFUSE(EPERM),
        IF_EQUAL(F_SETOWN_EX), REFUSE(EPERM),
        IF_EQUAL(F_SETSIG), REFUSE(EPERM),
        ALLOW,
        UNLESS_EQUAL(__NR_ioctl), ALLOW,
        LOAD(ARGUMENT(1)),
        IF_EQUAL(OWNER_OF_FILE), REFUSE(EPERM),
        IF_EQUAL(GROUP_OF_SOCKET), REFUSE(EPERM),
        IF_EQUAL(TIOCSTI), REFUSE(EPERM),
        ALLOW,
    };
    // clang-format on
    const struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return syscall_filter_enter(&program);
}
