// SPDX-License-Identifier: MIT
// Bench: clocks, progress and the end after an error; see the header.
#include "bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/exit_code.h"

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int bench_count(const Bench *bench, int full)
{
    return bench->is_quick ? full / 10 : full;
}

int64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bench_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void bench_sleep_ms(int ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

void bench_sleep_until_ns(int64_t monotonic_ns)
{
    const struct timespec until = {.tv_sec = monotonic_ns / 1000000000,
                                   .tv_nsec = (long)(monotonic_ns % 1000000000)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

void bench_live(const char *format, ...)
{
    if (isatty(STDERR_FILENO) == 0) {
        return;
    }
    (void)fputs("\r\033[K", stderr);
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
    }
    (void)fflush(stderr);
}

void bench_fail(const char *format, ...)
{
    bench_live(NULL);
    (void)fputs("ganger-bench: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(EXIT_CODE_INTERNAL);
}
