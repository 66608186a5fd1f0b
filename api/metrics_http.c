// SPDX-License-Identifier: MIT
// Metrics of requests: see the header.
#include "api/metrics_http.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATUS_CLASSES = 5 }; // 1xx .. 5xx

static const uint64_t BOUNDS_US[COUNTER_BOUNDS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 5000000, 30000000,
};

typedef struct RouteCounts {
    Counter statuses[STATUS_CLASSES];
    Histogram duration;
} RouteCounts;

struct HttpMetrics {
    const Route *routes;
    size_t count;
    RouteCounts *rows; // one a route, and one for what has none
};

HttpMetrics *metrics_http_create(void)
{
    HttpMetrics *self = mem_alloc(sizeof *self);
    self->routes = route_table(&self->count);
    self->rows = mem_alloc(sizeof *self->rows * (self->count + 1));
    return self;
}

void metrics_http_destroy(HttpMetrics *self)
{
    if (self != NULL) {
        free(self->rows);
        free(self);
    }
}

void metrics_http_note(HttpMetrics *self, const Route *route, int status, int64_t took_us)
{
    const bool is_ours =
        route != NULL && route >= self->routes && route < self->routes + self->count;
    RouteCounts *row = &self->rows[is_ours ? (size_t)(route - self->routes) : self->count];
    const int class = status / 100;
    if (class >= 1 && class <= STATUS_CLASSES) {
        counter_add(&row->statuses[class - 1], 1);
    }
    histogram_add(&row->duration, BOUNDS_US, took_us > 0 ? (uint64_t)took_us : 0);
}

static uint64_t asked(const RouteCounts *row)
{
    uint64_t count = 0;
    for (int i = 0; i < STATUS_CLASSES; i++) {
        count += counter_read(&row->statuses[i]);
    }
    return count;
}

static const char *method_of(const HttpMetrics *self, size_t index)
{
    return index < self->count ? self->routes[index].method : "(any)";
}

static const char *pattern_of(const HttpMetrics *self, size_t index)
{
    return index < self->count ? self->routes[index].pattern : "(none)";
}

void metrics_http_write(const HttpMetrics *self, MetricsText *text)
{
    metrics_text_family(text, METRIC_COUNTER, "ganger_http_requests_total",
                        "Requests that were answered, by route and class of status.");
    for (size_t i = 0; i <= self->count; i++) {
        for (int j = 0; j < STATUS_CLASSES; j++) {
            const uint64_t count = counter_read(&self->rows[i].statuses[j]);
            char status[4];
            (void)snprintf(status, sizeof status, "%dxx", (j + 1) % 10);
            if (count > 0) {
                metrics_text_count(text,
                                   METRIC_LABELS({"method", method_of(self, i)},
                                                 {"route", pattern_of(self, i)},
                                                 {"status", status}),
                                   count);
            }
        }
    }
    metrics_text_family(text, METRIC_HISTOGRAM, "ganger_http_request_duration_seconds",
                        "How long requests took, from their first byte to the answer, by route.");
    for (size_t i = 0; i <= self->count; i++) {
        if (asked(&self->rows[i]) > 0) {
            HistogramSum sum = {.sum = 0};
            histogram_sum_add(&sum, &self->rows[i].duration);
            metrics_text_histogram(
                text, METRIC_LABELS({"method", method_of(self, i)}, {"route", pattern_of(self, i)}),
                &sum, BOUNDS_US, true);
        }
    }
}
