// SPDX-License-Identifier: MIT
// Sandbox: see the header. A list of what is denied, not of what is allowed: programs are anybody's, and shall run as elsewhere.
#include "worker/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define OUR_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__powerpc64__)
#define OUR_ARCH AUDIT_ARCH_PPC64
#elif defined(__s390x__)
#define OUR_ARCH AUDIT_ARCH_S390X
#else
#error "name this machine's audit architecture here"
#endif

#if defined(__s390x__)
#define CLONE_FLAGS_AT 1 // which argument of clone()
#else
#define CLONE_FLAGS_AT 0
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define NUMBER        offsetof(struct seccomp_data, nr)
#define ARGUMENT(i)   (offsetof(struct seccomp_data, args) + 8UL * (i) + LOW_HALF)
#define ALLOW         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
// Each is followed by what is done when it does not hold / holds.
#define UNLESS_EQUAL(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 1, 0)
#define IF_EQUAL(value)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define IF_ANY(bits)        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, 1)
#define DENY(call)          IF_EQUAL(__NR_##call), REFUSE(EPERM)

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET,
    X32_BIT = 0x40000000 // of x86-64: the same calls by other numbers
};

// clang-format off
static struct sock_filter rules[] = {
    // Other numbers mean other calls: of 32-bit programs none is known.
    LOAD(offsetof(struct seccomp_data, arch)),
    UNLESS_EQUAL(OUR_ARCH), REFUSE(EPERM),
    LOAD(NUMBER),
#if defined(__x86_64__)
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1), REFUSE(EPERM),
    DENY(iopl), DENY(ioperm),
#endif
    // the file systems
    DENY(mount), DENY(umount2), DENY(pivot_root), DENY(open_tree), DENY(move_mount), DENY(fsopen), DENY(fsconfig), DENY(fsmount),
    DENY(fspick), DENY(mount_setattr), DENY(open_by_handle_at), DENY(quotactl), DENY(swapon), DENY(swapoff), DENY(fanotify_init),
    // other processes
    DENY(ptrace), DENY(process_vm_readv), DENY(process_vm_writev), DENY(pidfd_getfd), DENY(kcmp), DENY(perf_event_open),
    DENY(unshare), DENY(setns),
    // the kernel, and its less travelled parts
    DENY(bpf), DENY(kexec_load), DENY(init_module), DENY(finit_module), DENY(delete_module), DENY(userfaultfd), DENY(keyctl),
    DENY(add_key), DENY(request_key), DENY(io_uring_setup), DENY(io_uring_enter), DENY(io_uring_register), DENY(acct), DENY(syslog),
#if defined(__NR_kexec_file_load)
    DENY(kexec_file_load),
#endif
    // the machine
    DENY(reboot), DENY(settimeofday), DENY(clock_settime), DENY(clock_adjtime), DENY(sethostname), DENY(setdomainname), DENY(vhangup),
    // Its flags are where a filter cannot look: the C library then falls back to clone().
    IF_EQUAL(__NR_clone3), REFUSE(ENOSYS),
    UNLESS_EQUAL(__NR_clone), BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
    LOAD(ARGUMENT(CLONE_FLAGS_AT)),
    IF_ANY(NAMESPACES), REFUSE(EPERM),
    ALLOW,
    UNLESS_EQUAL(__NR_ioctl), ALLOW,
    LOAD(ARGUMENT(1)),
    IF_EQUAL(TIOCSTI), REFUSE(EPERM),
    ALLOW,
};
// clang-format on

static const struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};

bool sandbox_is_available(void)
{
    // EFAULT: it would have read the rules.
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 && errno == EFAULT;
}

static bool set_filter(unsigned flags)
{
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
}

bool sandbox_enter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return false;
    }
    // SPEC_ALLOW: kernels before 5.16 would else slow the program down, as if its code were foreign. Those before 4.17, and gVisor,
    // do not know it.
    return set_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW) || (errno == EINVAL && set_filter(0));
}
