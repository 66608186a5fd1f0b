// SPDX-License-Identifier: MIT
// Top data: what the live view shows, read from the database by four statements, one after the other.
#ifndef CLI_TOP_DATA_H
#define CLI_TOP_DATA_H

#include "cli/cli.h"

enum { TOP_SECONDS = 120, TOP_UNKNOWN = -1 };

typedef struct TopQueue {
    const char *name;
    bool is_paused;
    int64_t runnable;
    int64_t pending;
    int64_t processing;
    int64_t waiting;
    int64_t oldest_wait_ms; // TOP_UNKNOWN: nobody waits
} TopQueue;

typedef struct TopWorker {
    const char *node;
    bool is_leader;
    int64_t seen_ms; // how long ago the node was
    int64_t worker;  // TOP_UNKNOWN: the node has none
    const char *pool;
    int64_t pid;
    const char *state;
    int64_t job; // TOP_UNKNOWN: none
    const char *job_type;
    int64_t since_ms;
    int64_t cpu; // per cent; TOP_UNKNOWN
    int64_t rss; // bytes; TOP_UNKNOWN
} TopWorker;

typedef struct TopFailure {
    int64_t jobs;
    int64_t retrying;
    int64_t last_ms;
    int64_t job;
    const char *types;
    const char *message;
} TopFailure;

typedef struct TopCounts {
    const char *at;
    bool is_exact;
    int64_t runnable, scheduled, retry, blocked, limited, paused, batch;
    int64_t processing, waiting, completed, failed, cancelled;
    int64_t hour_completed, hour_failed;
    int64_t oldest_wait_ms;
    int64_t nodes, workers, busy;
} TopCounts;

typedef struct TopData {
    TopCounts counts;
    TopQueue *queues;
    size_t queue_count;
    TopWorker *workers;
    size_t worker_count;
    TopFailure *failures;
    size_t failure_count;
    int64_t completed[TOP_SECONDS]; // by the second, oldest first
    int64_t failed[TOP_SECONDS];
    size_t seconds;
    PGresult *results[4]; // the texts are theirs
} TopData;

// Reads all anew; on failure `data` stays as it was. Not STATUS_OK: db_error_message(cli->db) says why.
MUST_CHECK Status top_data_read(Cli *cli, TopData *data);
void top_data_free(TopData *data);

#endif
