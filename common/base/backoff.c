// SPDX-License-Identifier: MIT
// Backoff: see the header.
#include "common/base/backoff.h"

#include <sys/random.h>
#include <sys/types.h>

#include "common/base/clock.h"

int64_t backoff_delay_ms(int64_t base_ms, int64_t cap_ms, int failures, uint32_t random)
{
    if (base_ms <= 0 || cap_ms <= 0) {
        return 0;
    }
    int64_t delay = base_ms < cap_ms ? base_ms : cap_ms;
    for (int i = 0; i < failures && delay < cap_ms; i++) {
        delay = delay > cap_ms / 2 ? cap_ms : delay * 2;
    }
    int64_t low = delay / 2;
    int64_t jitter = (int64_t)((double)(delay - low) * ((double)random / (double)UINT32_MAX));
    // A double cannot hold every 64-bit number: rounding must not carry the sum above the cap.
    return jitter > delay - low ? delay : low + jitter;
}

uint32_t backoff_random(void)
{
    uint32_t value = 0;
    // Early in boot the pool may not be ready; the clock is good enough to spread retries.
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        value = (uint32_t)clock_boot_us() * UINT32_C(2654435761);
    }
    return value;
}
