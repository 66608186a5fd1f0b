// SPDX-License-Identifier: MIT
// Backlog load: millions of jobs at once, as enqueue() would have left them.
#ifndef BENCH_BACKLOG_LOAD_H
#define BENCH_BACKLOG_LOAD_H

#include <libpq-fe.h>
#include <stdint.h>

// What the jobs wait for.
typedef enum BacklogKind {
    BACKLOG_RUNNABLE,  // a worker
    BACKLOG_SCHEDULED, // tomorrow
    BACKLOG_BLOCKED,   // one of 1,000 jobs that are scheduled for tomorrow
    BACKLOG_LIMITED,   // a place in one of 1,000 groups that have none
    BACKLOG_KINDS
} BacklogKind;

// Once in a database.
void backlog_load_prepare(PGconn *conn);
// Adds `jobs` no-op jobs of the kind: the first by enqueue(), the rest as copies of its row.
void backlog_load_add(PGconn *conn, const char *conninfo, BacklogKind kind, int64_t jobs);

#endif
