// SPDX-License-Identifier: MIT
// Metrics of the database: what only it knows (common/sql/api_metrics.sql), as it was at the last sample. Samples are taken every few
// seconds while somebody looks, however often that is; who takes them is metrics.c.
#ifndef API_METRICS_DATABASE_H
#define API_METRICS_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/metrics_text.h"

enum {
    METRICS_SAMPLE_MS = 10000, // from one sample to the next;
    METRICS_SAMPLE_SHARE =
        20, // more, so that the statement takes no more than a twentieth of the time;
    METRICS_SAMPLE_MAX_MS = 300000, // and after errors twice as long each time, up to this
    METRICS_SAMPLE_LIFE_MS = 900000 // an older sample is not shown any more
};

typedef struct SampleRow {
    char *what;
    char *name;  // NULL none
    char *state; // NULL none
    double value;
} SampleRow;

// Zero-initialise.
typedef struct DatabaseSample {
    SampleRow *rows;
    int count;
    int64_t taken_at; // clock_boot_ms; 0 never
    int64_t took_us;
    int64_t pace_ms; // until the next one is due
    uint64_t good;
    uint64_t failed;
} DatabaseSample;

// Takes the rows of an answer over by copying them.
void metrics_database_take(DatabaseSample *self, const PGresult *result, int64_t now,
                           int64_t took_us);
// There was no answer, or an error. is_refused: by the server; else there was no connection, which is no reason to wait longer.
void metrics_database_fail(DatabaseSample *self, bool is_refused);
void metrics_database_write(const DatabaseSample *self, MetricsText *text, int64_t now);
void metrics_database_free(DatabaseSample *self);

#endif
