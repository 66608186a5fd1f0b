// SPDX-License-Identifier: MIT
// Stats: see the header.
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

enum { MEDIAN_MAX = 64 };

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

void stats_sort(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
}

double stats_percentile(const double *sorted, int count, double percent)
{
    if (count < 1) {
        return NAN;
    }
    int rank = (int)ceil(percent / 100 * count);
    return sorted[rank < 1 ? 0 : rank - 1];
}

double stats_median(const double *values, int count)
{
    double copy[MEDIAN_MAX];
    if (count > MEDIAN_MAX) {
        panic("median of %d values", count);
    }
    if (count < 1) {
        return NAN;
    }
    memcpy(copy, values, (size_t)count * sizeof *values);
    stats_sort(copy, count);
    return count % 2 == 1 ? copy[count / 2] : (copy[count / 2 - 1] + copy[count / 2]) / 2;
}
