// SPDX-License-Identifier: MIT
// CpuMeter: the processor time of runs. The kernel's clock of it costs a system call, more than a short run does, so a reading
// serves all runs of the next CPU_METER_FRESH_US: in between, time passed counts as processor time.
#ifndef WORKER_CPU_METER_H
#define WORKER_CPU_METER_H

#include <stdint.h>

enum { CPU_METER_FRESH_US = 250 };

// The processor time this process has used, all threads, in us. `now_us`: clock_boot_us() of this moment. Wrong by
// CPU_METER_FRESH_US at most, namely too high, where the process did not run all the time since the last reading.
int64_t cpu_meter_at(int64_t now_us);

// The last reading, which is not too high: from here on counts what a death is charged with.
int64_t cpu_meter_last_us(void);

// What was used since cpu_meter_at(started_us) said `before_us`. A run shorter than CPU_METER_FRESH_US may be given the time it
// took instead.
int64_t cpu_meter_since(int64_t before_us, int64_t now_us);

#endif
