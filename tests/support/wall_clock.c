// SPDX-License-Identifier: MIT
// WallClock: see the header.
#include "tests/support/wall_clock.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"

struct WallClock {
    char path[32];
    void *page;
    _Atomic int64_t *ahead_ms; // in it
};

WallClock *wall_clock_create(void)
{
    WallClock *clock = mem_alloc(sizeof *clock);
    *clock = (WallClock){.path = "/tmp/gclock.XXXXXX"};
    int file = mkstemp(clock->path);
    // Also PostgreSQL's user reads it.
    bool is_made = file >= 0 && fchmod(file, 0644) == 0 &&
                   ftruncate(file, (off_t)sizeof *clock->ahead_ms) == 0;
    void *page =
        is_made ? mmap(NULL, sizeof *clock->ahead_ms, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                : MAP_FAILED;
    if (page == MAP_FAILED) {
        perror("wall_clock");
        exit(EXIT_FAILURE);
    }
    (void)close(file);
    clock->page = page;
    clock->ahead_ms = page;
    return clock;
}

void wall_clock_destroy(WallClock *clock)
{
    (void)munmap(clock->page, sizeof *clock->ahead_ms);
    (void)unlink(clock->path);
    free(clock);
}

void wall_clock_set(WallClock *clock, int64_t ahead_ms)
{
    atomic_store(clock->ahead_ms, ahead_ms);
}

const char *wall_clock_path(const WallClock *clock)
{
    return clock->path;
}

const char *wall_clock_library(void)
{
    static char path[PATH_MAX];
    const char *folder = getenv("GANGER_TEST_PLUGINS");
    (void)snprintf(path, sizeof path, "%s/clock_shim.so", folder != NULL ? folder : ".");
    return path;
}
