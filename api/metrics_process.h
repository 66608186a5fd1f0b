// SPDX-License-Identifier: MIT
// Metrics of processes: what /proc says of the processes of this node, by role.
#ifndef API_METRICS_PROCESS_H
#define API_METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/metrics_text.h"
#include "common/base/scoreboard.h"

typedef struct RoleFacts {
    int processes;
    uint64_t cpu_us; // with that of processes that have ended; never falls
    uint64_t resident_bytes;
    uint64_t resident_max_bytes; // of the largest
    double started_at;           // of the last one that was started
    int64_t open_fds;            // together; -1: of none it is known
} RoleFacts;

// Zero-initialise. Read anew at most once in METRICS_PROCESS_MS, however often it is asked.
typedef struct ProcessMetrics {
    int64_t read_at; // clock_boot_ms
    RoleFacts supervisor;
    RoleFacts roles[ROLE_COUNT];
} ProcessMetrics;

enum { METRICS_PROCESS_MS = 1000 };

void metrics_process_write(ProcessMetrics *self, MetricsText *text, Scoreboard *board);

#endif
