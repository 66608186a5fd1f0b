// SPDX-License-Identifier: MIT
// Sandbox: see the header. A list of what is denied, not of what is allowed: programs are anybody's, and shall run as elsewhere.
#include "worker/sandbox.h"

#include <linux/sched.h>
#include <sys/ioctl.h>

#include "common/base/syscall_filter.h"

#if defined(__s390x__)
#define CLONE_FLAGS_AT 1 // which argument of clone()
#else
#define CLONE_FLAGS_AT 0
#endif

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET
};

// clang-format off
static struct sock_filter rules[] = {
    FILTER_BEGIN,
    DENY_FILE_SYSTEMS,
    DENY_LOOKS_INTO_PROCESSES,
    DENY_KERNEL,
    DENY_MACHINE,
    // Its flags are where a filter cannot look: the C library then falls back to clone().
    IF_EQUAL(__NR_clone3), REFUSE(ENOSYS),
    UNLESS_EQUAL(__NR_clone), SKIP(4),
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
    return syscall_filter_is_available();
}

bool sandbox_enter(void)
{
    return syscall_filter_enter(&program);
}
