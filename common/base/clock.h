// SPDX-License-Identifier: MIT
// Clocks. Durations and deadlines on this machine: CLOCK_BOOTTIME, which goes on while suspended.
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_boot_ms(void);
int64_t clock_boot_us(void);
// Wall time in microseconds since 1970, for log lines only.
int64_t clock_wall_us(void);
// CPU time used by this process, in microseconds.
int64_t clock_cpu_us(void);

#endif
