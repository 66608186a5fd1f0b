// SPDX-License-Identifier: MIT
// Standard streams: see the header.
#include "common/base/std_streams.h"

#include <fcntl.h>
#include <unistd.h>

void std_streams_fill(void)
{
    int fd = 0;
    // The lowest free number is given out, so the first above 2 shows that all below are in use. Children keep them.
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}
