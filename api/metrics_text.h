// SPDX-License-Identifier: MIT
// Metrics text: writes the text format of Prometheus (version 0.0.4). Pure: it knows nothing of what the numbers are.
//
// A family is begun once, with what its series are; then come its series. Nobody but the caller sees to it that no two series of a
// family have the same labels.
#ifndef API_METRICS_TEXT_H
#define API_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/counters.h"
#include "common/base/memory.h"

enum { METRIC_FAMILIES_MAX = 96 };

typedef enum MetricType { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } MetricType;

typedef struct MetricLabel {
    const char *name;
    const char *value;
} MetricLabel;

typedef struct MetricLabels {
    const MetricLabel *items;
    size_t count;
} MetricLabels;

// The labels of a series: METRIC_LABELS({"role", role}, {"reason", reason}).
#define METRIC_LABELS(...)                                                                         \
    ((MetricLabels){.items = (const MetricLabel[]){__VA_ARGS__},                                   \
                    .count = sizeof((const MetricLabel[]){__VA_ARGS__}) / sizeof(MetricLabel)})
#define METRIC_NO_LABELS ((MetricLabels){.items = NULL, .count = 0})

// What several Histograms of the scoreboard come to.
typedef struct HistogramSum {
    uint64_t buckets[COUNTER_BOUNDS + 1];
    uint64_t sum;
} HistogramSum;

// Zero-initialise; metrics_text_free when done.
typedef struct MetricsText {
    StrBuf out;
    const char *family; // of the series that follow
    const char *families[METRIC_FAMILIES_MAX];
    size_t family_count;
} MetricsText;

// `name` is kept as it is, so it must outlive the text. A family begun before is a mistake of the program.
void metrics_text_family(MetricsText *text, MetricType type, const char *name, const char *help);
void metrics_text_count(MetricsText *text, MetricLabels labels, uint64_t value);
// Microseconds, written as seconds without losing any.
void metrics_text_seconds(MetricsText *text, MetricLabels labels, uint64_t micros);
void metrics_text_number(MetricsText *text, MetricLabels labels, double value);
// `bounds`: as the histogram was filled; is_time: microseconds, written as seconds.
void metrics_text_histogram(MetricsText *text, MetricLabels labels, const HistogramSum *histogram,
                            const uint64_t *bounds, bool is_time);
void metrics_text_free(MetricsText *text);

void histogram_sum_add(HistogramSum *sum, const Histogram *histogram);
uint64_t histogram_sum_count(const HistogramSum *sum);

#endif
