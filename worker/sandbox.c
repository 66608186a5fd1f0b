// SPDX-License-Identifier: MIT
// Sandbox: see the header. A list of what is denied, not of what is allowed: programs are anybody's, and shall run as elsewhere.
#include "worker/sandbox.h"

#include <linux/sched.h>
#include <sys/ioctl.h>

#include "common/base/sanitizer.h"
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

static const SyscallRule rules[] = {
    DENY_FILE_SYSTEMS,
    DENY_LOOKS_INTO_PROCESSES,
    DENY_KERNEL,
    DENY_MACHINE,
    // Its flags are where a filter cannot look: the C library then falls back to clone().
    {__NR_clone3, ENOSYS, SYSCALL_ALWAYS, 0, 0},
    DENY_IF(clone, SYSCALL_IF_ANY_BIT, CLONE_FLAGS_AT, NAMESPACES),
    DENY_IF(ioctl, SYSCALL_IF_EQUAL, 1, TIOCSTI),
};

static SyscallFilter filter;
static bool is_inside; // this process

bool sandbox_is_available(void)
{
    if (filter.count == 0 &&
        !syscall_filter_compile(&filter, rules, sizeof rules / sizeof rules[0])) {
        return false;
    }
    return syscall_filter_is_available();
}

bool sandbox_enter(void)
{
    return syscall_filter_enter(&filter);
}

bool sandbox_enter_process(void)
{
    if (HAS_ADDRESS_SANITIZER) {
        errno = ENOSYS;
        return false;
    }
    is_inside = is_inside || sandbox_enter();
    return is_inside;
}

bool sandbox_holds_process(void)
{
    return is_inside;
}
