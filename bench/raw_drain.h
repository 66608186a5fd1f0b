// SPDX-License-Identifier: MIT
// Raw drain: the same rows moved by plain connections, with nothing of ganger: what the server could do at best.
#ifndef BENCH_RAW_DRAIN_H
#define BENCH_RAW_DRAIN_H

#include <libpq-fe.h>

enum { RAW_DRAIN_WORKERS = 2 };

// A copy of ganger.job with its claim index, and an unpartitioned history with an index on id. Empty.
void raw_drain_make_tables(PGconn *conn);
// Copies the jobs of ganger.job into it.
void raw_drain_copy_jobs(PGconn *conn);
// Drains it with two connections, `batch` rows a claim; returns the seconds from their start to the last commit.
double raw_drain_run(const char *conninfo, int batch);

#endif
