// SPDX-License-Identifier: MIT
// Privacy: see the header.
#include "common/base/privacy.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void privacy_begin(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
