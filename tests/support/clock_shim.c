// SPDX-License-Identifier: MIT
// A wall clock that is wrong, and may jump: preloaded (LD_PRELOAD) into gangerd or PostgreSQL by tests. Clocks that count from boot are right.
//
// $GANGER_TEST_CLOCK names a file with one number of 8 bytes, in the machine's order: by how many milliseconds the wall clock is ahead.
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_US = 1000, NS_PER_S = 1000000000 };

static const _Atomic int64_t *ahead_ms;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("GANGER_TEST_CLOCK");
    int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        return;
    }
    void *page = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, file, 0);
    ahead_ms = page != MAP_FAILED ? page : NULL;
    (void)close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int code = (int)syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && ahead_ms != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t shift_ms = atomic_load(ahead_ms);
        int64_t nanos = now->tv_nsec + shift_ms % MS_PER_S * NS_PER_MS;
        now->tv_sec += (time_t)(shift_ms / MS_PER_S);
        if (nanos >= NS_PER_S || nanos < 0) {
            now->tv_sec += nanos < 0 ? -1 : 1;
            nanos += nanos < 0 ? NS_PER_S : -(int64_t)NS_PER_S;
        }
        now->tv_nsec = (long)nanos;
    }
    return code;
}

// The C library declares a second parameter whose type is its own affair.
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec wall;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &wall) != 0) {
        return -1;
    }
    now->tv_sec = wall.tv_sec;
    now->tv_usec = wall.tv_nsec / NS_PER_US;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec wall = {0};
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    if (out != NULL) {
        *out = wall.tv_sec;
    }
    return wall.tv_sec;
}
