// SPDX-License-Identifier: MIT
// Clocks: see the header.
#include "common/base/clock.h"

#include <time.h>

enum { MICROS_PER_SECOND = 1000000, NANOS_PER_MICRO = 1000, MICROS_PER_MILLI = 1000 };

static int64_t read_us(clockid_t clock)
{
    struct timespec now = {0};
    // Cannot fail: the clocks named in this file exist in every kernel we run on.
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * MICROS_PER_SECOND + now.tv_nsec / NANOS_PER_MICRO;
}

int64_t clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_boot_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / MICROS_PER_MILLI;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_cpu_us(void)
{
    return read_us(CLOCK_PROCESS_CPUTIME_ID);
}
