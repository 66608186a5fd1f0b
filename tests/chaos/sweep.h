// SPDX-License-Identifier: MIT
// The sweep: a small load of every kind of job runs while one fault strikes at one point; then every promise is checked.
#ifndef TESTS_CHAOS_SWEEP_H
#define TESTS_CHAOS_SWEEP_H

#include <stddef.h>

enum { SWEEP_FAULTS_MAX = 12, SWEEP_NAME_BYTES = 64 };

typedef struct SweepFault {
    const char *point;  // of common/base/fault_point.h; NULL = no more
    const char *action; // kill, drop, sleep, error
    int hit;            // 0 = where something is under way
} SweepFault;

typedef struct SweepCase {
    const char *name; // NULL = that of its only fault
    SweepFault faults[SWEEP_FAULTS_MAX];
} SweepCase;

// Runs the cases as a group of cmocka tests, each with a database of its own. Every fault must strike, once. SWEEP_ONLY=TEXT: only
// cases in whose name it stands (long_sweep: "point action"). Returns the number of failed ones.
int sweep_run(const SweepCase *cases, size_t count);

// Every point with kill, drop and sleep, and every call that can be made to fail with error, too.
const SweepCase *sweep_all(size_t *count);

#endif
