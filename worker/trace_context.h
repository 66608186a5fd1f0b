// SPDX-License-Identifier: MIT
// Trace context (W3C): whose call a job belongs to, as its metadata have it and as it is handed on to programs and HTTP servers.
#ifndef WORKER_TRACE_CONTEXT_H
#define WORKER_TRACE_CONTEXT_H

#include "worker/job.h"

typedef struct TraceContext {
    char *parent; // traceparent; NULL none
    char *state;  // tracestate; NULL none; never without a parent
} TraceContext;

// Only what has the standard's form: the rest is as if it were not there. To be freed.
TraceContext trace_context_read(const Job *job);
void trace_context_free(TraceContext *self);

#endif
