// SPDX-License-Identifier: MIT
// Tally: see the header.
#include "bench/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/node.h"
#include "common/base/memory.h"

enum { LOOK_MS = 1 };

void tally_begin(Tally *tally, const Bench *bench)
{
    tally->path = mem_printf("%s/tally", bench->folder);
    (void)unlink(tally->path);
    int fd = open(tally->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(TallyPage)) != 0) {
        bench_fail("%s: %s", tally->path, strerror(errno));
    }
    tally->page = mmap(NULL, sizeof(TallyPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (tally->page == MAP_FAILED || setenv(TALLY_VARIABLE, tally->path, 1) != 0) {
        bench_fail("%s: %s", tally->path, strerror(errno));
    }
}

double tally_wait(const Tally *tally, int jobs, int timeout_ms)
{
    int64_t until = bench_now_ns() + timeout_ms * INT64_C(1000000);
    while (atomic_load(&tally->page->jobs) < jobs) {
        if (bench_now_ns() >= until) {
            bench_fail("%d of %d jobs have not ended within %d s",
                       jobs - atomic_load(&tally->page->jobs), jobs, timeout_ms / 1000);
        }
        node_check();
        bench_sleep_ms(LOOK_MS);
    }
    return (double)(atomic_load(&tally->page->last_ns) - atomic_load(&tally->page->first_ns)) / 1e9;
}

void tally_end(Tally *tally)
{
    (void)munmap(tally->page, sizeof(TallyPage));
    (void)unlink(tally->path);
    (void)unsetenv(TALLY_VARIABLE);
    free(tally->path);
}
