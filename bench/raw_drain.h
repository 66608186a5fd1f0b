// SPDX-License-Identifier: MIT
// Raw drain: the same rows moved by plain connections, with nothing of ganger: what the server could do at best.
#ifndef BENCH_RAW_DRAIN_H
#define BENCH_RAW_DRAIN_H

#include <stdbool.h>

#include <libpq-fe.h>

enum { RAW_DRAIN_WORKERS_MAX = 4 };

typedef struct RawDrain {
    int workers;     // connections
    int batch;       // rows of a claim
    bool is_echo;    // the payload is stored as the output, too
    bool is_deleted; // ended rows are deleted, not moved to the history
} RawDrain;

// A copy of ganger.job with its claim index, and an unpartitioned history with an index on id. Empty.
void raw_drain_make_tables(PGconn *conn);
// Copies the jobs of ganger.job into it.
void raw_drain_copy_jobs(PGconn *conn);
// Fills it with `jobs` no-op jobs, numbered from 1 in one lane.
void raw_drain_fill(PGconn *conn, int jobs);
// Drains it; returns the seconds from the start of the connections' work to the last commit.
double raw_drain_run(const char *conninfo, const RawDrain *drain);
// The statements of a connection: prepares "claim" and "finish". See raw_drain.c for their parameters.
void raw_drain_prepare(PGconn *conn, const RawDrain *drain);

#endif
