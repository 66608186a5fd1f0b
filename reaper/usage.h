// SPDX-License-Identifier: MIT
// Usage: processor time and memory of this node's processes, which a heartbeat tells the database.
#ifndef REAPER_USAGE_H
#define REAPER_USAGE_H

#include "common/base/scoreboard.h"
#include "common/db/db.h"
#include "common/db/db_array.h"

// Whose row of a heartbeat it is, where it is not a worker's id.
enum { USAGE_SUPERVISOR = -1, USAGE_REAPER = -2, USAGE_API = -3, USAGE_UNKNOWN = -1 };

typedef struct UsageReading {
    int pid; // 0: none yet
    int64_t cpu_us;
    int64_t at_us;
} UsageReading;

// What was read before, so that it can be said how much of a processor a process has used since. Zero-initialise.
typedef struct UsageWatch {
    UsageReading slots[SCOREBOARD_SLOT_MAX];
    UsageReading supervisor;
} UsageWatch;

// Parallel arrays of bigint: whose; processor time in microseconds; thousandths of one processor since the reading before
// (USAGE_UNKNOWN: there is none); resident bytes. usage_report_free.
typedef struct UsageReport {
    DbArray ids;
    DbArray cpu_us;
    DbArray shares;
    DbArray rss;
} UsageReport;

void usage_read(UsageWatch *watch, Scoreboard *board, UsageReport *report);
void usage_report_free(UsageReport *report);

// Thousandths of one processor between two readings, USAGE_UNKNOWN when they are not of one process.
int64_t usage_share(const UsageReading *before, const UsageReading *after);

#endif
