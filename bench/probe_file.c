// SPDX-License-Identifier: MIT
// Probe file: see the header.
#include "bench/probe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"

void probe_file_open(ProbeFile *file, const Bench *bench, const char *name)
{
    file->path = mem_printf("%s/%s", bench->folder, name);
    (void)unlink(file->path);
    file->next = 0;
    file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        bench_fail("%s: %s", file->path, strerror(errno));
    }
}

void probe_file_note(const ProbeFile *file, int64_t given)
{
    ProbeRecord record = {.given = given,
                          .monotonic_ns = bench_now_ns(),
                          .wall_ns = bench_wall_ns(),
                          .pid = getpid()};
    if (write(file->fd, &record, sizeof record) != (ssize_t)sizeof record) {
        bench_fail("%s: %s", file->path, strerror(errno));
    }
}

bool probe_file_next(ProbeFile *file, ProbeRecord *record, int timeout_ms)
{
    for (int64_t until = bench_now_ns() + timeout_ms * INT64_C(1000000);;) {
        if (pread(file->fd, record, sizeof *record, file->next) == (ssize_t)sizeof *record) {
            file->next += (int64_t)sizeof *record;
            return true;
        }
        if (bench_now_ns() >= until) {
            return false;
        }
        bench_sleep_ms(1);
    }
}

int probe_file_count(const ProbeFile *file)
{
    struct stat facts;
    return fstat(file->fd, &facts) == 0 ? (int)(facts.st_size / (off_t)sizeof(ProbeRecord)) : 0;
}

void probe_file_close(ProbeFile *file)
{
    (void)close(file->fd);
    (void)unlink(file->path);
    free(file->path);
}
