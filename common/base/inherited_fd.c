// SPDX-License-Identifier: MIT
// Inherited descriptors: see the header.
#include "common/base/inherited_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/scoreboard.h"

void inherited_fd_settle(void)
{
    (void)close(FD_SCOREBOARD);
    (void)close(FD_CONFIG);
    // Those that are not there say EBADF, which is as well.
    for (int fd = FD_SCOREBOARD; fd < FD_SLOT_WAKE_BASE + SCOREBOARD_SLOT_MAX; fd++) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}
