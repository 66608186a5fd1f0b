// SPDX-License-Identifier: MIT
// The sweep: a small load of every kind of job runs while one fault strikes at one point; then every promise is checked.
#ifndef TESTS_CHAOS_SWEEP_H
#define TESTS_CHAOS_SWEEP_H

#include <stddef.h>

typedef struct SweepCase {
    const char *point;  // of common/base/fault_point.h
    const char *action; // kill, drop, sleep, error
} SweepCase;

// Runs the cases as a group of cmocka tests, each with a database of its own. SWEEP_ONLY=TEXT: only those in whose name
// ("point action") it stands. Returns the number of failed ones.
int sweep_run(const SweepCase *cases, size_t count);

// Every point with kill, drop and sleep, and every call that can be made to fail with error, too.
const SweepCase *sweep_all(size_t *count);

#endif
