// SPDX-License-Identifier: MIT
// Spread: see the header.
#include "bench/spread.h"

#include <math.h>

#include "bench/stats.h"
#include "common/base/log.h"

void spread_add_ns(Spread *spread, int64_t ns)
{
    if (spread->count == SPREAD_MAX) {
        panic("more than %d values", SPREAD_MAX);
    }
    spread->ms[spread->count++] = (double)ns / 1e6;
}

void spread_report(Report *report, const Figure figures[SPREAD_FIGURES], Spread *ours, Spread *raw)
{
    static const double percents[SPREAD_FIGURES] = {50, 95, 99, 100};
    stats_sort(ours->ms, ours->count);
    if (raw != NULL) {
        stats_sort(raw->ms, raw->count);
    }
    for (int i = 0; i < SPREAD_FIGURES; i++) {
        report_add(report, &figures[i], stats_percentile(ours->ms, ours->count, percents[i]),
                   raw != NULL ? stats_percentile(raw->ms, raw->count, percents[i]) : NAN);
    }
}
