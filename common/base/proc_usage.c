// SPDX-License-Identifier: MIT
// Process usage: see the header.
#include "common/base/proc_usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STAT_LINE_BYTES = 2048, // a line has 52 numbers and a name of at most 64 bytes
    PATH_BYTES = 64,
    FIRST_FIELD = 3, // the one after the name
    CPU_FIELD = 14,  // user, system, and both of the children waited for
    CPU_FIELDS = 4,
    RSS_FIELD = 24, // pages
    MICROS_PER_SECOND = 1000000
};

static bool read_line(pid_t pid, char line[STAT_LINE_BYTES])
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t length = read(fd, line, STAT_LINE_BYTES - 1);
    (void)close(fd);
    line[length > 0 ? length : 0] = '\0';
    return length > 0;
}

// The name in field 2 may hold blanks and brackets, so fields are counted from its last bracket on.
static bool read_fields(const char *line, int64_t *cpu_ticks, int64_t *rss_pages)
{
    const char *at = strrchr(line, ')');
    *cpu_ticks = 0;
    for (int field = FIRST_FIELD; at != NULL && field <= RSS_FIELD; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL) {
            return false;
        }
        if (field >= CPU_FIELD && field < CPU_FIELD + CPU_FIELDS) {
            *cpu_ticks += strtoll(at, NULL, 10);
        } else if (field == RSS_FIELD) {
            *rss_pages = strtoll(at, NULL, 10);
        }
    }
    return at != NULL;
}

bool proc_usage_read(pid_t pid, ProcUsage *out)
{
    char line[STAT_LINE_BYTES];
    int64_t ticks = 0;
    int64_t pages = 0;
    if (pid <= 0 || !read_line(pid, line) || !read_fields(line, &ticks, &pages)) {
        return false;
    }
    out->cpu_us = ticks * (MICROS_PER_SECOND / sysconf(_SC_CLK_TCK));
    out->rss_bytes = pages * sysconf(_SC_PAGESIZE);
    return true;
}
