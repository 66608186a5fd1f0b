// SPDX-License-Identifier: MIT
// Probe record: what the bench_probe handlers append to the file that their payload names.
#ifndef BENCH_PROBE_RECORD_H
#define BENCH_PROBE_RECORD_H

#include <stdint.h>

typedef struct ProbeRecord {
    int64_t given;        // "at" of the payload: an instant, or whatever the caller wants back
    int64_t monotonic_ns; // start of the handler
    int64_t wall_ns;      // the same by CLOCK_REALTIME
    int64_t pid;          // of the worker
} ProbeRecord;

#endif
