// SPDX-License-Identifier: MIT
// Confine: see confine.h. A list of what is denied: libpq, TLS and the resolver call what they like, and differ from system to system.
#include "api/confine.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/sanitizer.h"
#include "common/base/syscall_filter.h"

// The leak checker of the address sanitizer is a thread that traces this process, at its very end.
#if HAS_ADDRESS_SANITIZER
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
    // clang-format off
    const SyscallRule rules[] = {
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
        DENY_IF(tgkill, SYSCALL_UNLESS_EQUAL, 0, getpid()),
        // limits, of this process only: a limit of processor time is a signal, too
        DENY_IF(prlimit64, SYSCALL_UNLESS_EQUAL, 0, 0),
        // A file that sends a signal of one's choice to a process of one's choice, when there is something to read.
        DENY_IF(fcntl, SYSCALL_IF_EQUAL, 1, F_SETOWN),
        DENY_IF(fcntl, SYSCALL_IF_EQUAL, 1, F_SETOWN_EX),
        DENY_IF(fcntl, SYSCALL_IF_EQUAL, 1, F_SETSIG),
        DENY_IF(ioctl, SYSCALL_IF_EQUAL, 1, OWNER_OF_FILE),
        DENY_IF(ioctl, SYSCALL_IF_EQUAL, 1, GROUP_OF_SOCKET),
        DENY_IF(ioctl, SYSCALL_IF_EQUAL, 1, TIOCSTI),
    };
    // clang-format on
    SyscallFilter filter;
    if (!syscall_filter_compile(&filter, rules, sizeof rules / sizeof rules[0])) {
        errno = E2BIG;
        return false;
    }
    return syscall_filter_enter(&filter);
}
