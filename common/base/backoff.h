// SPDX-License-Identifier: MIT
// Backoff: capped exponential delay with jitter. Pure: the random number is a parameter.
#ifndef COMMON_BASE_BACKOFF_H
#define COMMON_BASE_BACKOFF_H

#include <stdint.h>

// base_ms * 2^failures, at most cap_ms, times a factor in [0.5, 1] taken from `random` (any 32 bits).
// failures = 0 gives 0.5..1 x base_ms.
int64_t backoff_delay_ms(int64_t base_ms, int64_t cap_ms, int failures, uint32_t random);
// A random number from the kernel, for callers that have none.
uint32_t backoff_random(void);

#endif
