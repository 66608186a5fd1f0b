// SPDX-License-Identifier: MIT
// Spread: a distribution of milliseconds, reported as p50, p95, p99 and the maximum.
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include <stdint.h>

#include "bench/report.h"

enum { SPREAD_MAX = 2000, SPREAD_FIGURES = 4 };

typedef struct Spread {
    int count;
    double ms[SPREAD_MAX];
} Spread;

void spread_add_ns(Spread *spread, int64_t ns);
// figures: those of p50, p95, p99 and max, in this order. Sorts both. `raw` may be NULL.
void spread_report(Report *report, const Figure figures[SPREAD_FIGURES], Spread *ours, Spread *raw);

#endif
