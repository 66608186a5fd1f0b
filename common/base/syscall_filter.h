// SPDX-License-Identifier: MIT
// Syscall filter: the words in which a list of refused system calls is written (seccomp-BPF), and how it is put in force.
//
// What no rule refuses is allowed. Calls of other architectures (on x86-64: of 32-bit programs, and those of x32) have other numbers, of
// which none is known: they fail with EPERM.
#ifndef COMMON_BASE_SYSCALL_FILTER_H
#define COMMON_BASE_SYSCALL_FILTER_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define FILTER_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FILTER_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__powerpc64__)
#define FILTER_ARCH AUDIT_ARCH_PPC64
#elif defined(__s390x__)
#define FILTER_ARCH AUDIT_ARCH_S390X
#else
#error "name this machine's audit architecture here"
#endif

enum { SYSCALL_FILTER_MAX = 256 }; // instructions: as far as the kernel's short jumps reach

// When a call is refused: always, or by the low half of one of its arguments (a filter cannot look behind pointers).
typedef enum SyscallWhen {
    SYSCALL_ALWAYS,
    SYSCALL_IF_EQUAL,
    SYSCALL_UNLESS_EQUAL,
    SYSCALL_IF_ANY_BIT
} SyscallWhen;

typedef struct SyscallRule {
    unsigned number; // __NR_...
    int error;       // what the call then fails with
    SyscallWhen when;
    unsigned argument; // 0 = the first
    unsigned value;
} SyscallRule;

typedef struct SyscallFilter {
    unsigned short count;
    struct sock_filter code[SYSCALL_FILTER_MAX];
} SyscallFilter;

// Rules with EPERM. A call may have several: it is refused when any applies, with the error of the first that does.
#define DENY(call)                                                                                 \
    {                                                                                              \
        __NR_##call, EPERM, SYSCALL_ALWAYS, 0, 0                                                   \
    }
#define DENY_IF(call, when, which, value)                                                          \
    {                                                                                              \
        __NR_##call, EPERM, (when), (which), (unsigned)(value)                                     \
    }

// clang-format off
#define DENY_FILE_SYSTEMS \
    DENY(mount), DENY(umount2), DENY(pivot_root), DENY(open_tree), DENY(move_mount), DENY(fsopen), DENY(fsconfig), DENY(fsmount), \
    DENY(fspick), DENY(mount_setattr), DENY(open_by_handle_at), DENY(quotactl), DENY(swapon), DENY(swapoff), DENY(fanotify_init)

#define DENY_LOOKS_INTO_PROCESSES \
    DENY(ptrace), DENY(process_vm_readv), DENY(process_vm_writev), DENY(pidfd_getfd), DENY(kcmp), DENY(perf_event_open), \
    DENY(unshare), DENY(setns)

// The kernel, and its less travelled parts.
#if defined(__NR_kexec_file_load)
#define DENY_KEXEC_FILE DENY(kexec_file_load)
#else
#define DENY_KEXEC_FILE DENY(kexec_load)
#endif
#define DENY_KERNEL \
    DENY(bpf), DENY(kexec_load), DENY(init_module), DENY(finit_module), DENY(delete_module), DENY(userfaultfd), DENY(keyctl), \
    DENY(add_key), DENY(request_key), DENY(io_uring_setup), DENY(io_uring_enter), DENY(io_uring_register), DENY(acct), DENY(syslog), \
    DENY_KEXEC_FILE

#if defined(__x86_64__)
#define DENY_PORTS DENY(iopl), DENY(ioperm)
#else
#define DENY_PORTS DENY(reboot)
#endif
#define DENY_MACHINE \
    DENY_PORTS, DENY(reboot), DENY(settimeofday), DENY(clock_settime), DENY(clock_adjtime), DENY(sethostname), DENY(setdomainname), DENY(vhangup)
// clang-format on

// False where the kernel cannot do it.
bool syscall_filter_is_available(void);

// Writes the program of `rules`. It finds a call's rule by halving: the kernel goes through it for each number there is before it takes
// it, which is most of what taking it costs (48 calls one after the other 73 us, so 26). False when the rules need more than
// SYSCALL_FILTER_MAX instructions.
bool syscall_filter_compile(SyscallFilter *filter, const SyscallRule *rules, size_t count);

// In force from now on for this thread and all that it starts; no way back. Needs no rights; async-signal-safe. False: errno says why.
bool syscall_filter_enter(SyscallFilter *filter);

#endif
