// SPDX-License-Identifier: MIT
// Metrics: the answer to GET /metrics, for Prometheus. docs/metrics.md has the list.
//
// A scrape reads shared memory and /proc. It asks the database nothing: while somebody scrapes a timer does, every METRICS_SAMPLE_MS at most.
#ifndef API_METRICS_H
#define API_METRICS_H

#include <stdint.h>

#include "api/api.h"
#include "api/exchange.h"
#include "api/route.h"

typedef struct Metrics Metrics;

// `api` has loop, config, board and pool, and outlives it.
Metrics *metrics_create(Api *api);
// Before the pool is closed.
void metrics_destroy(Metrics *self);

// Of ROUTE_METRICS.
void metrics_answer(Exchange *exchange);
// A request was answered; status 0: the client went before. `route`: NULL where none fitted, or a file was sent.
void metrics_note_request(Metrics *self, const Route *route, int status, int64_t took_us);

#endif
