// SPDX-License-Identifier: MIT
// Metrics of requests: how many, and how long they took, by route. Routes are few; what no route fits counts together.
#ifndef API_METRICS_HTTP_H
#define API_METRICS_HTTP_H

#include "api/metrics_text.h"
#include "api/route.h"

typedef struct HttpMetrics HttpMetrics;

HttpMetrics *metrics_http_create(void);
void metrics_http_destroy(HttpMetrics *self);
// A request was answered. `route`: a row of route_table; NULL: none fitted, or it was a file.
void metrics_http_note(HttpMetrics *self, const Route *route, int status, int64_t took_us);
// Only routes that were asked for.
void metrics_http_write(const HttpMetrics *self, MetricsText *text);

#endif
