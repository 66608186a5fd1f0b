// SPDX-License-Identifier: MIT
// Top data: what the live view shows, read from the database by four statements, one after the other.
#include "cli/top_data.h"

#include <stdlib.h>

#include "sql_queries.h"

enum { READ_TIMEOUT_MS = 10000 };

typedef enum Part { PART_COUNTS, PART_RATES, PART_WORKERS, PART_FAILURES, PART_COUNT } Part;

static const char *text_or_empty(const PGresult *result, int row, const char *column)
{
    const char *text = db_text(result, row, column);
    return text ? text : "";
}

static TopCounts read_counts(const PGresult *r)
{
    return (TopCounts){
        .at = text_or_empty(r, 0, "at"),
        .is_exact = db_bool(r, 0, "is_exact"),
        .runnable = db_int(r, 0, "runnable", 0),
        .scheduled = db_int(r, 0, "scheduled", 0),
        .retry = db_int(r, 0, "retry", 0),
        .blocked = db_int(r, 0, "blocked", 0),
        .limited = db_int(r, 0, "limited", 0),
        .paused = db_int(r, 0, "paused", 0),
        .batch = db_int(r, 0, "batch", 0),
        .processing = db_int(r, 0, "processing", 0),
        .waiting = db_int(r, 0, "waiting", 0),
        .completed = db_int(r, 0, "completed", 0),
        .failed = db_int(r, 0, "failed", 0),
        .cancelled = db_int(r, 0, "cancelled", 0),
        .hour_completed = db_int(r, 0, "hour_completed", 0),
        .hour_failed = db_int(r, 0, "hour_failed", 0),
        .oldest_wait_ms = db_int(r, 0, "oldest_wait", TOP_UNKNOWN),
        .nodes = db_int(r, 0, "nodes", 0),
        .workers = db_int(r, 0, "workers", 0),
        .busy = db_int(r, 0, "busy", 0),
    };
}

static void read_queues(TopData *data, const PGresult *r)
{
    int rows = PQntuples(r);
    data->queues = mem_alloc(sizeof *data->queues * ((size_t)rows + 1));
    for (int row = 0; row < rows; row++) {
        if (db_text(r, row, "queue")) {
            data->queues[data->queue_count++] = (TopQueue){
                .name = db_text(r, row, "queue"),
                .is_paused = db_bool(r, row, "queue_is_paused"),
                .runnable = db_int(r, row, "queue_runnable", 0),
                .pending = db_int(r, row, "queue_pending", 0),
                .processing = db_int(r, row, "queue_processing", 0),
                .waiting = db_int(r, row, "queue_waiting", 0),
                .oldest_wait_ms = db_int(r, row, "queue_oldest_wait", TOP_UNKNOWN),
            };
        }
    }
}

static void read_rates(TopData *data, const PGresult *r)
{
    int rows = PQntuples(r);
    int first = rows > TOP_SECONDS ? rows - TOP_SECONDS : 0;
    for (int row = first; row < rows; row++) {
        data->completed[data->seconds] = db_int(r, row, "completed", 0);
        data->failed[data->seconds++] = db_int(r, row, "failed", 0);
    }
}

static void read_workers(TopData *data, const PGresult *r)
{
    int rows = PQntuples(r);
    data->worker_count = (size_t)rows;
    data->workers = mem_alloc(sizeof *data->workers * ((size_t)rows + 1));
    for (int row = 0; row < rows; row++) {
        data->workers[row] = (TopWorker){
            .node = text_or_empty(r, row, "node"),
            .is_leader = db_bool(r, row, "is_leader"),
            .seen_ms = db_int(r, row, "seen_age", 0),
            .worker = db_int(r, row, "worker", TOP_UNKNOWN),
            .pool = text_or_empty(r, row, "pool"),
            .pid = db_int(r, row, "pid", 0),
            .state = text_or_empty(r, row, "state"),
            .job = db_int(r, row, "job", TOP_UNKNOWN),
            .job_type = text_or_empty(r, row, "job_type"),
            .since_ms = db_int(r, row, "since_ms", TOP_UNKNOWN),
            .cpu = db_int(r, row, "cpu", TOP_UNKNOWN),
            .rss = db_int(r, row, "rss", TOP_UNKNOWN),
        };
    }
}

static void read_failures(TopData *data, const PGresult *r)
{
    int rows = PQntuples(r);
    data->failure_count = (size_t)rows;
    data->failures = mem_alloc(sizeof *data->failures * ((size_t)rows + 1));
    for (int row = 0; row < rows; row++) {
        data->failures[row] = (TopFailure){
            .jobs = db_int(r, row, "jobs", 0),
            .retrying = db_int(r, row, "retrying", 0),
            .last_ms = db_int(r, row, "last_age", 0),
            .job = db_int(r, row, "job", 0),
            .types = text_or_empty(r, row, "types"),
            .message = text_or_empty(r, row, "message"),
        };
    }
}

Status top_data_read(Cli *cli, TopData *data)
{
    static const SqlStatement *const statements[PART_COUNT] = {
        &SQL_cli_top, &SQL_cli_top_rates, &SQL_cli_top_workers, &SQL_cli_top_failures};
    TopData read = {0};
    DbParams none;
    db_params_init(&none);
    for (int i = 0; i < PART_COUNT; i++) {
        Status status = db_exec(cli->db, statements[i], &none, READ_TIMEOUT_MS, &read.results[i]);
        if (status != STATUS_OK) {
            top_data_free(&read);
            return status;
        }
    }
    read.counts = read_counts(read.results[PART_COUNTS]);
    read_queues(&read, read.results[PART_COUNTS]);
    read_rates(&read, read.results[PART_RATES]);
    read_workers(&read, read.results[PART_WORKERS]);
    read_failures(&read, read.results[PART_FAILURES]);
    top_data_free(data);
    *data = read;
    return STATUS_OK;
}

void top_data_free(TopData *data)
{
    for (size_t i = 0; i < sizeof data->results / sizeof data->results[0]; i++) {
        PQclear(data->results[i]);
    }
    free(data->queues);
    free(data->workers);
    free(data->failures);
    *data = (TopData){0};
}
