// SPDX-License-Identifier: MIT
// Stats: order statistics over measured values. Pure.
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

// Sorts in place.
void stats_sort(double *values, int count);
// Of sorted values, nearest rank; percent 0..100. NAN when there are none.
double stats_percentile(const double *sorted, int count, double percent);
// Of values in any order; the values stay as they are. At most 64 of them.
double stats_median(const double *values, int count);

#endif
