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
    int64_t job_id;       // 0 = not noted by a handler
    int64_t ended_ns;     // CLOCK_MONOTONIC; bench_work only, which notes at its end
} ProbeRecord;

#endif
