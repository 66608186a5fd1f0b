// SPDX-License-Identifier: MIT
// Tally page: what the bench_tally handler writes, in a file that all workers and the benchmark have mapped.
#ifndef BENCH_TALLY_PAGE_H
#define BENCH_TALLY_PAGE_H

#include <stdatomic.h>

#define TALLY_VARIABLE "GANGER_BENCH_TALLY" // environment variable: path of the file

typedef struct TallyPage {
    atomic_llong first_ns; // CLOCK_MONOTONIC, start of the first job; 0 = none yet
    atomic_llong last_ns;  // end of the last one so far
    atomic_int jobs;       // that have ended
} TallyPage;

#endif
