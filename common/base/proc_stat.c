// SPDX-License-Identifier: MIT
// Process statistics: see the header.
#include "common/base/proc_stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STAT_LINE_BYTES = 2048, // a line has 52 numbers and a name of at most 64 bytes
    PATH_BYTES = 64,
    // of the line, as proc(5) numbers them
    FIELD_STATE = 3,
    FIELD_PARENT = 4,
    FIELD_CPU = 14, // user, system, and both of the children waited for
    CPU_FIELDS = 4,
    FIELD_START = 22,
    FIELD_RSS = 24, // pages
    MICROS_PER_SECOND = 1000000
};

// The name in field 2 may hold blanks and brackets, so fields are counted from its last bracket on.
static bool parse(const char *line, ProcStat *out)
{
    int64_t ticks = 0;
    const char *at = strrchr(line, ')');
    *out = (ProcStat){0};
    for (int field = FIELD_STATE; at != NULL; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL) {
            return false;
        }
        if (field == FIELD_STATE) {
            out->state = at[1];
        } else if (field == FIELD_PARENT) {
            out->parent = (pid_t)strtol(at, NULL, 10);
        } else if (field >= FIELD_CPU && field < FIELD_CPU + CPU_FIELDS) {
            ticks += strtoll(at, NULL, 10);
        } else if (field == FIELD_START) {
            out->start_ticks = strtoull(at, NULL, 10);
        } else if (field == FIELD_RSS) {
            out->cpu_us = ticks * (MICROS_PER_SECOND / sysconf(_SC_CLK_TCK));
            out->rss_bytes = strtoll(at, NULL, 10) * sysconf(_SC_PAGESIZE);
            return true;
        }
    }
    return false;
}

bool proc_stat_read(pid_t pid, ProcStat *out)
{
    char path[PATH_BYTES];
    if (pid <= 0) {
        return false;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    char line[STAT_LINE_BYTES];
    ssize_t length = read(fd, line, sizeof line - 1);
    (void)close(fd);
    if (length <= 0) {
        return false;
    }
    line[length] = '\0';
    return parse(line, out);
}

int proc_count_fds(pid_t pid)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -1;
    }
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(folder);
    return count;
}
