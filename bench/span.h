// SPDX-License-Identifier: MIT
// Span: how long jobs took together, as their rows tell.
#ifndef BENCH_SPAN_H
#define BENCH_SPAN_H

#include <libpq-fe.h>
#include <stdint.h>

// Seconds from the first start of a handler to the last end of one, of the jobs with an id above `after`.
double span_run_seconds(PGconn *conn, int64_t after);
// The same from the first enqueue on.
double span_seconds(PGconn *conn, int64_t after);

#endif
