// SPDX-License-Identifier: MIT
// Load: jobs put into a database for a scenario, and waiting for their end.
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <libpq-fe.h>
#include <stdint.h>

enum { LOAD_BULK = 1000 }; // jobs of one enqueue_many

// Makes the lane of no-op jobs known, so that enqueuers meet the steady state.
void load_warm_lane(PGconn *conn);
// The same for another type.
void load_warm_lane_of(PGconn *conn, const char *job_type);
// Enqueues `jobs` no-op jobs, LOAD_BULK a call.
void load_noops(PGconn *conn, int jobs);
// Enqueues `jobs` jobs of that type with an empty payload, LOAD_BULK a call. `queue` may be NULL.
void load_of_type(PGconn *conn, const char *job_type, const char *queue, int jobs);
// The same of another type. `more`: further members of each payload, after {"n": 1; "" = none.
void load_jobs(PGconn *conn, const char *job_type, const char *more, int jobs);
// The text of one enqueue_many argument with LOAD_BULK no-op jobs; caller frees.
char *load_bulk_text(void);
// Waits until `jobs` jobs stand in history. Looks at the sequence that every finish takes a number of, so that the wait
// itself costs nothing. `before`: load_sequence() after the enqueue.
void load_wait_finished(PGconn *conn, int64_t before, int jobs, int timeout_ms);
// Waits until `jobs` jobs in all have completed, by counting them: for thousands, not for millions.
void load_wait_completed(PGconn *conn, int jobs, int timeout_ms);
int64_t load_sequence(PGconn *conn);
// WAL written so far, in bytes.
int64_t load_wal_bytes(PGconn *conn);
// Transactions committed in the scratch database so far. Takes a second.
int64_t load_commits(void);

#endif
