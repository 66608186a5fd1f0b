// SPDX-License-Identifier: MIT
// Syscall filter: the words in which a list of refused system calls is written (seccomp-BPF), and how it is put in force.
//
// A filter is an array of these: FILTER_BEGIN, then what is refused, then ALLOW.
#ifndef COMMON_BASE_SYSCALL_FILTER_H
#define COMMON_BASE_SYSCALL_FILTER_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FILTER_LOW_HALF 0
#else
#define FILTER_LOW_HALF 4
#endif

#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define NUMBER        offsetof(struct seccomp_data, nr)
#define ARGUMENT(i)   (offsetof(struct seccomp_data, args) + 8UL * (i) + FILTER_LOW_HALF)
#define ALLOW         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
// Each is followed by what is done when it does not hold / holds.
#define UNLESS_EQUAL(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 1, 0)
#define IF_EQUAL(value)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define IF_ANY(bits)        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, 1)
#define SKIP(count)         BPF_JUMP(BPF_JMP | BPF_JA, (count), 0, 0)
// The number of the call is loaded.
#define DENY(call) IF_EQUAL(__NR_##call), REFUSE(EPERM)

// clang-format off
// Other numbers mean other calls: of 32-bit programs none is known. On x86-64 a bit of the number means x32: the same calls again.
#if defined(__x86_64__)
#define FILTER_BEGIN \
    LOAD(offsetof(struct seccomp_data, arch)), UNLESS_EQUAL(FILTER_ARCH), REFUSE(EPERM), LOAD(NUMBER), \
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), REFUSE(EPERM), DENY(iopl), DENY(ioperm)
#else
#define FILTER_BEGIN LOAD(offsetof(struct seccomp_data, arch)), UNLESS_EQUAL(FILTER_ARCH), REFUSE(EPERM), LOAD(NUMBER)
#endif

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

#define DENY_MACHINE \
    DENY(reboot), DENY(settimeofday), DENY(clock_settime), DENY(clock_adjtime), DENY(sethostname), DENY(setdomainname), DENY(vhangup)
// clang-format on

// False where the kernel cannot do it.
bool syscall_filter_is_available(void);
// In force from now on for this thread and all that it starts; no way back. Needs no rights; async-signal-safe. False: errno says why.
bool syscall_filter_enter(const struct sock_fprog *program);

#endif
