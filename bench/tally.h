// SPDX-License-Identifier: MIT
// Tally: counts the jobs that bench_tally handlers run, without asking the database.
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include "bench/bench.h"
#include "bench/tally_page.h"

typedef struct Tally {
    TallyPage *page;
    char *path;
} Tally;

// Before node_start: the workers find the file through their environment.
void tally_begin(Tally *tally, const Bench *bench);
// Waits until so many jobs have ended; returns the seconds from the first start to the last end.
double tally_wait(const Tally *tally, int jobs, int timeout_ms);
void tally_end(Tally *tally);

#endif
