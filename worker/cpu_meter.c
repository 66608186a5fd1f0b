// SPDX-License-Identifier: MIT
// CpuMeter: see the header.
#include "worker/cpu_meter.h"

#include "common/base/clock.h"

// One thread runs everything, and there is one process to measure.
static struct {
    int64_t read_at_us; // 0 = never
    int64_t used_us;
} reading;

int64_t cpu_meter_at(int64_t now_us)
{
    int64_t age_us = now_us - reading.read_at_us;
    if (reading.read_at_us == 0 || age_us < 0 || age_us >= CPU_METER_FRESH_US) {
        reading.used_us = clock_cpu_us();
        reading.read_at_us = now_us;
        age_us = 0;
    }
    return reading.used_us + age_us;
}

int64_t cpu_meter_last_us(void)
{
    return reading.used_us;
}

int64_t cpu_meter_since(int64_t before_us, int64_t now_us)
{
    const int64_t used_us = cpu_meter_at(now_us) - before_us;
    return used_us > 0 ? used_us : 0;
}
