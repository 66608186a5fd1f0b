// SPDX-License-Identifier: MIT
// Syscall filter: see syscall_filter.h.
#include "common/base/syscall_filter.h"

#include <sys/prctl.h>
#include <unistd.h>

bool syscall_filter_is_available(void)
{
    // EFAULT: it would have read the rules.
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 && errno == EFAULT;
}

static bool set_filter(unsigned flags, const struct sock_fprog *program)
{
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) == 0;
}

bool syscall_filter_enter(const struct sock_fprog *program)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return false;
    }
    // SPEC_ALLOW: kernels before 5.16 would else slow the program down, as if its code were foreign. Those before 4.17, and gVisor,
    // do not know it.
    return set_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW, program) ||
           (errno == EINVAL && set_filter(0, program));
}
